"""Which files this worker has begun, and since when."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from uuid import UUID

from libs.common.bus.contract import Delivery
from libs.common.events import MOST_TOLD, FileUnderWay


class UnderWay:
    """Files in the order in which they were begun."""

    def __init__(self) -> None:
        """Nothing is under way."""
        self._files: dict[object, FileUnderWay] = {}

    @contextmanager
    def during(self, file_id: UUID, delivery: Delivery) -> Iterator[None]:
        """The file is under way while the block lasts."""
        key = object()  # the same file may be delivered twice
        self._files[key] = FileUnderWay(
            file_id=file_id, since=datetime.now(UTC), attempt=delivery.attempt, lane=delivery.lane
        )
        try:
            yield
        finally:
            del self._files[key]

    def __len__(self) -> int:
        """How many there are."""
        return len(self._files)

    def oldest(self) -> tuple[FileUnderWay, ...]:
        """Those that were begun first, as many as a beat may name."""
        return tuple(self._files.values())[:MOST_TOLD]
