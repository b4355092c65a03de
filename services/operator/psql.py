"""`python -m services psql`: psql as the operator, who may read every schema."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence

from libs.common.audit.shell import typed
from libs.common.database.roles import OPERATOR
from services.operator.embedded_access import embedded_url
from services.operator.programs import program, without_password
from services.operator.recording import announced
from services.operator.settings import OperatorSettings


def run(settings: OperatorSettings, arguments: Sequence[str]) -> int:
    """Run psql on DATABASE_URL or DATABASE_ADMIN_URL, else on the embedded PostgreSQL, running or not.

    Returns psql's exit code. It is opened once the audit log has an entry of it.
    """
    given = settings.database_url or settings.database_admin_url
    if given is not None:
        url, environment = without_password(given.get_secret_value())
        # Whoever logs in, the session is the operator's.
        options = f"{os.environ.get('PGOPTIONS', '')} -c role={OPERATOR}".strip()
        return announced(
            given.get_secret_value(),
            typed("operator", "psql"),
            lambda: _psql(url, arguments, {**environment, "PGOPTIONS": options}),
            role=OPERATOR,
        )
    with embedded_url(settings.data_dir, OPERATOR) as embedded:
        return announced(embedded, typed("operator", "psql"), lambda: _psql(embedded, arguments, {}))


def _psql(url: str, arguments: Sequence[str], environment: dict[str, str]) -> int:
    command = [program("psql", url), "--dbname", url, *arguments]
    with subprocess.Popen(command, env={**os.environ, **environment}) as process:  # noqa: S603 - the user's own
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:
                # Ctrl-C reaches psql as well, where it ends a statement, not the session.
                continue
