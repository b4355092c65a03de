"""The clock of one attempt at a file: where its time went, and what the attempts before it left word of."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from libs.common.bus.contract import Delivery
from libs.common.bus.history import recall
from libs.common.errors import DicomSystemError
from libs.common.events import EarlierAttempt, Event, FileFailed, FileProcessed, Run
from libs.common.ids import new_uuid
from services.processor.answers import Measured, Refused
from services.processor.pool import DecoderCrashed, DecodeTimeout

UNFORESEEN = "unforeseen"
"""Reason of an attempt that an error ended which has no code of its own."""


class Stages:
    """Told when each stage of an attempt ends, in their order; the first begins with `begin`."""

    def __init__(self, delivery: Delivery, worker: str) -> None:
        """`worker` names this process."""
        self.earlier = () if delivery.earlier is None else tuple(_earlier(delivery.earlier))
        self.started: datetime | None = None
        self._delivery = delivery
        self._worker = worker
        self._lap = 0.0
        self._waited: float | None = None
        self._fetch: float | None = None
        self._decode: float | None = None
        self._measure: float | None = None
        self._cpu: float | None = None
        self._memory: int | None = None

    def begin(self) -> datetime:
        """The attempt begins now; until then the file waited."""
        self.started, self._lap = datetime.now(UTC), time.perf_counter()
        since = self.earlier[-1].finished_at if self.earlier else self._delivery.arrived
        # The clocks of two machines may differ.
        self._waited = max((self.started - since).total_seconds(), 0.0)
        return self.started

    def placed(self) -> None:
        """The file has a place; until now it waited for one."""
        self._waited = self._seconds() + (self._waited or 0.0)

    def fetched(self) -> None:
        """A decoder can read the object."""
        self._fetch = self._seconds()

    def decoded(self, result: Measured | Refused) -> None:
        """A decoder has answered; what it did not take itself, it was waited for."""
        self._waited = max(self._seconds() - result.seconds, 0.0) + (self._waited or 0.0)
        self._measure = result.analysis.measure_seconds if isinstance(result, Measured) else None
        self._decode = result.seconds - (self._measure or 0.0)
        self._cpu, self._memory = result.cpu_seconds, result.peak_memory_bytes

    def lost(self) -> float:
        """The decoder was lost, after so many seconds."""
        self._decode = self._seconds()
        return self._decode

    def run(self) -> Run:
        """What the attempt took so far."""
        return Run(
            lane=self._delivery.lane,
            waited_seconds=_rounded(self._waited),
            fetch_seconds=_rounded(self._fetch),
            decode_seconds=_rounded(self._decode),
            measure_seconds=_rounded(self._measure),
            cpu_seconds=_rounded(self._cpu),
            peak_memory_bytes=self._memory,
        )

    def note(self, error: Exception) -> dict[str, Any]:
        """What the attempt leaves word of, now that `error` has ended it: an EarlierAttempt as JSON."""
        now = datetime.now(UTC)
        return EarlierAttempt(
            id=new_uuid(),
            attempt=self._delivery.attempt,
            worker=self._worker,
            started_at=self.started or now,
            finished_at=now,
            reason=_reason(error),
            run=self.run(),
        ).model_dump(mode="json", exclude_none=True)

    def _seconds(self) -> float:
        """Since the stage before ended."""
        before, self._lap = self._lap, time.perf_counter()
        return self._lap - before


def stored_within(event: Event, seconds: float) -> Event:
    """The outcome, told how long it took to store what was made of its file."""
    data = event.data
    if not isinstance(data, FileProcessed | FileFailed) or data.run is None:
        return event
    run = data.run.model_copy(update={"store_seconds": _rounded(seconds)})
    return event.model_copy(update={"data": data.model_copy(update={"run": run})})


def _earlier(told: str) -> Iterator[EarlierAttempt]:
    for note in recall(told):
        try:
            yield EarlierAttempt.model_validate(note)
        except ValidationError:  # of another release, or a foreign publisher's
            continue


def _reason(error: Exception) -> str:
    match error:
        case DecodeTimeout():
            return "decode-timeout"
        case DecoderCrashed():
            return "decoder-crashed"
        case DicomSystemError():
            return error.code
        case _:
            return UNFORESEEN


def _rounded(seconds: float | None) -> float | None:
    """To microseconds: more digits only make events longer."""
    return None if seconds is None else round(seconds, 6)
