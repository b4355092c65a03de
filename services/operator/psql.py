"""`python -m services psql`: psql as the operator, who may read every schema."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from libs.common.database.roles import OPERATOR
from libs.postgresql import folder
from services.operator.embedded_access import embedded_url
from services.operator.postgres_tunnel import through_tls
from services.operator.settings import OperatorSettings


def run(settings: OperatorSettings, arguments: Sequence[str]) -> int:
    """Run psql on DATABASE_URL, else on the embedded PostgreSQL, running or not. Returns psql's exit code."""
    if settings.database_url is not None:
        url, environment = without_password(settings.database_url.get_secret_value())
        # Whoever logs in, the session is the operator's.
        options = f"{os.environ.get('PGOPTIONS', '')} -c role={OPERATOR}".strip()
        with through_tls(url) as reachable:
            return _psql(reachable, arguments, {**environment, "PGOPTIONS": options})
    with embedded_url(settings.data_dir, OPERATOR) as url:
        return _psql(url, arguments, {})


def without_password(url: str) -> tuple[str, dict[str, str]]:
    """Move the password from the URL to the environment: everybody can read a program's arguments."""
    parts = urlsplit(url)
    options = parse_qsl(parts.query, keep_blank_values=True)
    given = [value for name, value in options if name == "password"]
    if parts.password is not None:
        given.insert(0, unquote(parts.password))
    if not given:
        return url, {}
    user, _, host = parts.netloc.rpartition("@")
    netloc = f"{user.partition(':')[0]}@{host}" if user else host
    kept = urlencode([option for option in options if option[0] != "password"], safe="/", quote_via=quote)
    # By hand: `urlunsplit` leaves out the // where there is no host.
    shown = f"{parts.scheme}://{netloc}{parts.path}{kept and f'?{kept}'}"
    return shown, {"PGPASSWORD": given[-1]}


def _psql(url: str, arguments: Sequence[str], environment: dict[str, str]) -> int:
    program = str(folder.binary("psql"))
    command = [program, "--dbname", url, *arguments]
    with subprocess.Popen(command, env={**os.environ, **environment}) as process:  # noqa: S603 - the user's own
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                # Ctrl-C reaches psql as well, where it ends a statement, not the session.
                continue
