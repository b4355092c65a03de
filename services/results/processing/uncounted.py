"""Mending what the release before writes while both run: it knows of no studies, counters and moves."""

from __future__ import annotations

import asyncio
import logging

from libs.common.database.postgres import Database
from libs.common.errors import Unavailable
from services.results.write.filling import FILES, count_missed
from services.results.write.undone import move_again

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""An index holds such rows only; without any, a look costs nothing."""


async def count_what_was_missed(database: Database) -> None:
    """Look every LOOK_SECONDS, for ever; rows of before the migration are left to `fill-results`."""
    while True:
        try:
            counted = await count_missed(database)
            again = await move_again(database, FILES)
        except Unavailable as error:
            log.warning("what the release before wrote is not counted yet: %s", error.detail)
            counted = again = 0
        if max(counted, again) < FILES:
            await asyncio.sleep(LOOK_SECONDS)
