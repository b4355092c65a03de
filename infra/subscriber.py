"""`python -m infra.subscriber NAME TYPE …`: RabbitMQ's definitions of an account that is told events.

Such an account declares queues below `subscriber.NAME.` and binds them to the exchange of events by the types
that it was given. A policy bounds those queues, and removes the ones that nobody used for a week.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from infra import deployment_secrets
from libs.common.bus.topology import TOPOLOGY
from libs.common.errors import ConfigurationError
from libs.common.events import EVENT_TYPES

PREFIX = "subscriber"
VHOST = "dicom"
MOST_CONNECTIONS = 10
MOST_CHANNELS = 50
# No full stop: the rights of one would reach into the queues of another.
_NAME = re.compile(r"[a-z][a-z0-9-]{0,31}")


def main(arguments: Sequence[str]) -> int:
    """Print the definitions. Returns the exit code; what stops it is one sentence."""
    parser = argparse.ArgumentParser(
        prog="python -m infra.subscriber",
        description="Definitions of a RabbitMQ account that is told events; pipe them into `rabbitmqctl "
        "import_definitions`. The password is in var/deploy/secrets, made the first time.",
    )
    parser.add_argument("name", help="e.g. archive: the account is subscriber.archive")
    parser.add_argument("types", nargs="+", metavar="TYPE", help=f"of {', '.join(EVENT_TYPES)}")
    options = parser.parse_args(arguments)
    try:
        check(options.name, options.types)
        password = deployment_secrets.subscriber_password(deployment_secrets.FOLDER, options.name)
    except ConfigurationError as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1
    json.dump(definitions(options.name, options.types, password), sys.stdout, indent=2)
    sys.stdout.write("\n")
    return 0


def check(name: str, types: Iterable[str]) -> None:
    """See that the name keeps to itself and the types exist. Raises ConfigurationError."""
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"Choose another name than {name!r}: up to 32 small letters, digits, hyphens, first a letter."
        )
    if unknown := sorted(set(types) - set(EVENT_TYPES)):
        raise ConfigurationError(f"There are no events {', '.join(unknown)}; see docs/asyncapi.yaml.")


def definitions(name: str, types: Iterable[str], password: str) -> dict[str, Any]:
    """What RabbitMQ imports: the account, its rights, and the types that it may bind."""
    account = f"{PREFIX}.{name}"
    own = rf"{re.escape(account)}\..+"
    events = re.escape(TOPOLOGY.exchange)
    given = "|".join(re.escape(one) for one in sorted(set(types)))
    user = {
        "name": account,
        "password_hash": deployment_secrets.rabbitmq_hash(password),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": [],
        "limits": {"max-connections": MOST_CONNECTIONS, "max-channels": MOST_CHANNELS},
    }
    rights = {"configure": f"^{own}$", "write": f"^{own}$", "read": f"^({events}|{own})$"}
    topics = {"exchange": TOPOLOGY.exchange, "write": "(?!)", "read": f"^({given})$"}
    return {
        "users": [user],
        "permissions": [{"user": account, "vhost": VHOST, **rights}],
        "topic_permissions": [{"user": account, "vhost": VHOST, **topics}],
    }


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
