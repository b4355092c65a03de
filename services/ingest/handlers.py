"""Events in: which files failed, so that sending them again queues them again; which are tried again."""

from __future__ import annotations

from libs.common.bus.contract import Delivery
from libs.common.database.postgres import Database
from libs.common.errors import Reject
from libs.common.events import FileFailed, FileRequested
from services.ingest import store


class FailedFiles:
    """Handler of the `ingest.outcomes` queue."""

    def __init__(self, database: Database) -> None:
        """`database` logs in as the ingest role."""
        self._database = database

    async def __call__(self, delivery: Delivery) -> None:
        """Note the failure in one transaction. Raises Reject for any other event."""
        data = delivery.event.data
        if not isinstance(data, FileFailed):
            raise Reject(f"ingest does not listen to {delivery.event.type}")
        if data.requested == "reprocess":
            return  # there is a result, and it stands
        async with self._database.transaction() as connection:
            await store.note_failed(connection, data.file_id, data.finished_at, data.sha256, data.request)


class RequestedFiles:
    """Handler of the `ingest.requests` queue."""

    def __init__(self, database: Database) -> None:
        """`database` logs in as the ingest role."""
        self._database = database

    async def __call__(self, delivery: Delivery) -> None:
        """Forget the failure that is tried again, in one transaction. Raises Reject for any other event."""
        data = delivery.event.data
        if not isinstance(data, FileRequested):
            raise Reject(f"ingest does not listen to {delivery.event.type}")
        if data.reason == "retry":
            async with self._database.transaction() as connection:
                await store.note_requested(connection, data.file_id, data.request)
