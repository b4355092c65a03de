"""Which attempt a delivery is: no file pays for a worker that was lost while the file merely waited there.

A broker counts deliveries that a lost worker held, begun or not. So whoever gets one of these back begins it
only after a mark beside the object says so: `<file_id>.analysis.attempts`, which holds the number of the
attempt, and of which event. What has no mark yet was begun at most once (ADR 0032).
"""

from __future__ import annotations

import logging
from dataclasses import replace

from libs.common.bus.contract import Delivery, Handler
from libs.common.errors import (
    AttemptFailed,
    HandOn,
    ObjectCorrupt,
    ObjectNotFound,
    Reject,
    Unavailable,
    Undelivered,
)
from libs.common.events import Event
from libs.common.ids import attempts_key
from libs.common.storage import Storage

log = logging.getLogger(__name__)

ATTEMPT = "attempt"
EVENT = "event"
"""The same file may be asked for again, while a mark of an earlier event was left beside it."""


class Attempts:
    """Reads and writes the marks of files."""

    def __init__(self, storage: Storage) -> None:
        """Marks lie where the files do."""
        self._storage = storage

    async def of(self, delivery: Delivery) -> int:
        """The number of the attempt that this delivery would be. Raises Unavailable."""
        if not delivery.redelivered:
            return delivery.charged + 1
        return max(await self._mark(delivery.event), delivery.charged + 1) + 1

    async def begin(self, delivery: Delivery, attempt: int) -> None:
        """Note that it begins now, where the broker's count tells nothing. Raises Unavailable."""
        if delivery.redelivered:
            await self._put(delivery.event, attempt)

    async def take_back(self, delivery: Delivery, attempt: int) -> None:
        """It came to nothing for no fault of the file: the next one has the same number."""
        if delivery.redelivered:
            await self._put(delivery.event, attempt - 1)

    async def end(self, delivery: Delivery, attempt: int) -> None:
        """The file has ended: there is nothing to count any more."""
        if attempt > 1:
            await self._storage.delete(attempts_key(delivery.event.file_id))

    async def _mark(self, event: Event) -> int:
        try:
            mark = await self._storage.read_trailer(attempts_key(event.file_id))
        except (ObjectNotFound, ObjectCorrupt):
            return 0
        found = mark.get(ATTEMPT)
        return found if isinstance(found, int) and mark.get(EVENT) == str(event.id) else 0

    async def _put(self, event: Event, attempt: int) -> None:
        # Not fsynced: a machine that loses its power has not ended for the file's sake.
        mark = {ATTEMPT: attempt, EVENT: str(event.id)}
        await self._storage.put(attempts_key(event.file_id), b"", mark, durable=False)


class Counted:
    """A handler that gets each delivery with the number of its attempt."""

    def __init__(self, handler: Handler, attempts: Attempts) -> None:
        """`handler` raises what a bus decides about."""
        self._handler = handler
        self._attempts = attempts

    async def __call__(self, delivery: Delivery) -> None:
        """Raises what the handler raises, failures with the attempts that they make together."""
        attempt = await self._attempts.of(delivery)
        await self._attempts.begin(delivery, attempt)
        try:
            await self._handler(replace(delivery, attempt=attempt))
        except (Unavailable, HandOn):
            await self._attempts.take_back(delivery, attempt)
            raise
        except (Reject, Undelivered):
            raise
        except AttemptFailed as error:
            error.attempt = attempt
            raise
        except Exception as error:  # the edge: whatever it was, it is charged with the right number
            raise AttemptFailed(attempt=attempt) from error
        try:
            await self._attempts.end(delivery, attempt)
        except Unavailable as error:
            log.warning("the mark of file %s stays: %s", delivery.event.subject, error)
