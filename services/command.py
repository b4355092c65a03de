"""The command line of `python -m services`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from libs.common.audit.shell import typed
from libs.common.errors import ConfigurationError, ObjectCorrupt, Unavailable
from libs.common.settings.loading import load_settings
from libs.common.telemetry.logs import configure_logging
from services.operator import broker, migrations, psql
from services.operator.embedded_access import administrator_url, embedded_url
from services.operator.preflight import prepare_data_dir
from services.operator.recording import recorded
from services.operator.settings import OperatorSettings

USAGE = """\
usage: python -m services            run all services, with what the environment says (README.md)
       python -m services migrate    bring the database of DATABASE_ADMIN_URL or DATABASE_URL up to date,
                                     and the queues of AMQP_URL
       python -m services fill-results
                                     complete results of earlier releases, after an upgrade
       python -m services create-user NAME [--staff] [--superuser]
                                     make an account; the password is asked for, or read from standard input
       python -m services reset-second-factor NAME
                                     let somebody in by password alone who has lost their authenticator
       python -m services user|group|permission list|create|change|…
                                     accounts, groups and permissions (--help)
       python -m services application list|register|change|delete
                                     programs that sign people in here, e.g. viewers (--help)
       python -m services verify-audit [EXPORT] [--anchors FILE]
                                     prove that no entry of the audit log was changed, removed or added
       python -m services export-audit FOLDER
                                     take the audit log along, to prove it elsewhere
       python -m services reconcile [--repair] [--json] …
                                     see that every accepted file is in exactly one state (--help)
       python -m services reprocess --where KEY=VALUE … [--method-below N] [--yes]
                                     have results measured anew, at low priority (--help)
       python -m services dead list|show|replay|drop [ID …] [--queue …] [--reason …] [--where …] [--json]
                                     messages and events that were given up (--help)
       python -m services peers list|add|change|remove …
                                     who may send by DIMSE, for which account (--help)
       python -m services rotate-keys [--status] [--remove-old] [--keyring-folder FOLDER] …
                                     put all objects under a new key, beside the running system (--help)
       python -m services rotate-signing-key [--status] [--now [--revoke]]
                                     replace the key that signs access tokens, with an overlap (--help)
       python -m services doctor [--json]
                                     check configuration, connections, certificates, clock, disk and queues
       python -m services backup FOLDER [--keyring-folder FOLDER] [--keep N]
                                     dump the database and copy the objects, encrypted (--help)
       python -m services restore BACKUP [--keyring FILE] [--identity FILE] [--replace]
                                     bring a backup back into an empty system (--help)
       python -m services backup-key FILE
                                     make a key pair for backups: FILE opens them, the public half is printed
       python -m services psql …     open psql as the operator; further arguments are psql's
"""
INTERRUPTED = 128 + signal.SIGINT


def main(arguments: Sequence[str]) -> int:
    """Do what `arguments` say. Returns the exit code; what stops a start is one sentence on stderr."""
    try:
        match arguments:
            case []:
                # All five services and what they need: not for the commands below.
                from services.allinone import running

                settings = load_settings(OperatorSettings, serves=True)
                configure_logging(settings)
                return running.run(settings)
            case ["migrate"]:
                return migrate(load_settings(OperatorSettings))
            case ["fill-results", *rest]:
                from services.operator import fill

                return fill.run(rest)
            case ["reprocess", *rest]:
                from services.operator import reprocess

                return reprocess.run(rest)
            case [
                "create-user"
                | "reset-second-factor"
                | "user"
                | "group"
                | "permission"
                | "application"
                | "verify-audit"
                | "export-audit"
                | "rotate-signing-key",
                *_,
            ]:
                return accounts(load_settings(OperatorSettings), arguments)
            case ["reconcile", *rest]:
                return reconcile(rest)
            case ["dead", *rest]:
                from services.operator.dead import command as dead

                return dead.run(rest)
            case ["peers", *rest]:
                from services.operator import peers

                return peers.run(rest)
            case ["rotate-keys", *rest]:
                from services.operator.rotation import keys

                return keys.run(rest)
            case ["doctor", *rest]:
                # The settings of every service: not for the other commands.
                from services.operator.doctor.command import doctor

                return doctor(rest)
            case ["backup", *rest]:
                from services.operator.backup import making

                return making.run(rest)
            case ["restore", *rest]:
                from services.operator.backup import restoring

                return restoring.run(rest)
            case ["backup-key", path]:
                from services.operator import age

                sys.stdout.write(f"{age.new_identity(Path(path))}\n")
                return 0
            case ["psql", *rest]:
                return psql.run(load_settings(OperatorSettings), rest)
            case ["-h" | "--help"]:
                sys.stdout.write(USAGE)
                return 0
            case _:
                sys.stderr.write(USAGE)
                return 2
    except (ConfigurationError, Unavailable, ObjectCorrupt) as error:
        sys.stderr.write(f"{error.detail}\n")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED


def accounts(settings: OperatorSettings, arguments: Sequence[str]) -> int:
    """Work on accounts on DATABASE_URL, else on the embedded PostgreSQL, running or not."""
    # Password hashing is not for the commands above.
    from services.auth import command
    from services.auth.audit import command as audit_command
    from services.auth.sessions import command as key_command
    from services.auth.settings import AuthSettings

    runs = {
        **dict.fromkeys(audit_command.COMMANDS, audit_command.run),
        **dict.fromkeys(key_command.COMMANDS, key_command.run),
    }
    run = runs.get(arguments[0], command.run)
    known: dict[str, Any] = {"auth_keyring_file": settings.auth_keyring_file}
    if arguments[0] in runs and settings.migration_url is not None:
        # Who administers every schema may prove one and replace its key: an operator's container has no
        # other login.
        known["database_url"] = SecretStr(settings.migration_url)
    if settings.database_url is not None or "database_url" in known:
        return run(arguments, load_settings(AuthSettings).model_copy(update=known))
    prepare_data_dir(settings.data_dir)
    with embedded_url(settings.data_dir, "auth") as url:
        known["database_url"] = SecretStr(url)
        if settings.auth_keyring_path.exists():  # the first start makes it
            known["auth_keyring_file"] = settings.auth_keyring_path
        return run(arguments, load_settings(AuthSettings).model_copy(update=known))


def reconcile(arguments: Sequence[str]) -> int:
    """Compare rows, objects and events, on DATABASE_ADMIN_URL, else on the embedded PostgreSQL."""
    from services.operator.reconcile import command

    asked = command.parse(arguments)
    try:
        settings = load_settings(OperatorSettings)
        with administrator_url(settings) as url:
            return command.run(asked, settings, url)
    except ConfigurationError as error:
        # Its exit codes say what was found; this one, that nothing was looked at.
        sys.stderr.write(f"{error.detail}\n")
        return command.NOT_DONE


def migrate(settings: OperatorSettings) -> int:
    """Migrate on its own, as a job before the services of a new release start. Returns the exit code."""
    url = settings.migration_url
    if url is None:
        raise ConfigurationError(
            "Set DATABASE_ADMIN_URL or DATABASE_URL to the database to migrate; "
            "the embedded PostgreSQL is migrated at every start."
        )
    act = typed("operator", "migrate")

    def work() -> int:
        if settings.amqp_url is not None:
            # Before the schemas, for which the services wait: what they publish then finds every queue bound.
            broker.declare(settings.amqp_url.get_secret_value(), settings.tls_ca_file, settings.topology())
        act.details["applied"] = migrations.run(url, settings.role_passwords)
        return 0

    # Afterwards: it is what makes the table of entries.
    return recorded(url, act, work)
