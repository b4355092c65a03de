"""The embedded database for commands beside `python -m services`, whether that runs or not."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from libs.postgresql import folder
from libs.postgresql.embedded import SUPERUSER, EmbeddedPostgres
from services.operator.migrations import bring_up_to_date
from services.operator.settings import DATABASE, OperatorSettings


@contextmanager
def administrator_url(settings: OperatorSettings) -> Iterator[str]:
    """DATABASE_ADMIN_URL or DATABASE_URL, else the embedded server's superuser. Raises ConfigurationError."""
    if settings.migration_url is not None:
        yield settings.migration_url
        return
    with embedded_url(settings.data_dir, SUPERUSER) as url:
        yield url


@contextmanager
def embedded_url(data_dir: Path, role: str) -> Iterator[str]:
    """The database's URL for `role`; the server is started for the block unless another process has it.

    Raises ConfigurationError when it cannot be started.
    """
    server = EmbeddedPostgres(data_dir)
    url = server.url(DATABASE, role)
    try:
        server.start()
    except folder.FolderInUse:
        # `make run` has it; its socket is always in the same place.
        yield url
        return
    with server:
        asyncio.run(bring_up_to_date(server.url(DATABASE)))
        yield url
