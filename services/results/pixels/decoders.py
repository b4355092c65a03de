"""The isolated processes that decode for readers: none runs while nobody asks, and owners take turns."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import Any

import orjson

from libs.common.errors import (
    InvalidContent,
    InvalidRequest,
    NotAcceptable,
    ObjectCorrupt,
    ObjectUnreadable,
    Unavailable,
)
from libs.common.storage import ChildAccess
from libs.isolation.calls import CallFailed, ChildCrashed, ChildTimedOut
from libs.isolation.limits import ChildLimits
from libs.isolation.pool import ChildPool
from services.results.metrics import PixelOutcome, ResultsMetrics
from services.results.pixels.child import CORRUPT, DONE, FAULT, UNREADABLE, WORK, PixelCaps
from services.results.pixels.kept import KeptAnswers
from services.results.pixels.turns import FairTurns
from services.results.settings import ResultsSettings

IDLE_SECONDS = 300.0
"""After which processes that nobody asks are ended."""
_CALLS = 2000
"""After which another process takes the place of one."""
_WALL_FACTOR = 2.0
_CAPS = PixelCaps(max_frame_bytes=256 << 20, max_inflated_bytes=4 << 30)
_OTHER_FORM = frozenset({"unsupported-transfer-syntax", "too-large-when-decoded"})
"""Faults of what was asked for, not of the file."""


class PixelDecoders:
    """Runs operations of `child` over stored objects."""

    def __init__(self, settings: ResultsSettings, metrics: ResultsMetrics) -> None:
        """No process is started before the first call."""
        self._metrics = metrics
        self._slots = settings.pixels_slots
        self._limits = ChildLimits(
            settings.pixels_timeout,
            settings.pixels_timeout * _WALL_FACTOR,
            settings.pixels_memory_bytes,
            _CALLS,
        )
        self._turns = FairTurns(
            self._slots,
            per_owner=settings.pixels_waiting_per_owner,
            together=settings.pixels_waiting,
        )
        metrics.pixels_waiting.set_function(lambda: self._turns.waiting)
        self.kept = KeptAnswers(settings.pixels_kept_bytes, metrics)
        """What was made lately; it goes with the processes."""
        self._pool: ChildPool | None = None
        self._working = 0
        self._idle: asyncio.TimerHandle | None = None
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def pids(self) -> list[int]:
        """Of the processes that live."""
        return [] if self._pool is None else self._pool.pids

    @property
    def busy(self) -> int:
        """Processes that work."""
        return 0 if self._pool is None else self._pool.busy

    async def ask(self, owner: str, access: ChildAccess, do: str, **asked: Any) -> tuple[bytes, ...]:
        """What a process answers to one operation over an object.

        Raises InvalidContent and NotAcceptable for what cannot be decoded, Unavailable, TooManyRequests,
        ObjectCorrupt.
        """
        async with self._turns.turn(owner):
            started = time.perf_counter()
            outcome: PixelOutcome = "failed"
            try:
                answer = await self._call(access, orjson.dumps({"do": do, **asked}))
                outcome = "done" if answer[0] == DONE else "refused"
            except asyncio.CancelledError:
                outcome = "abandoned"
                raise
            except ChildTimedOut as error:
                outcome = "timed-out"
                raise InvalidContent(
                    "Decoding took longer than is allowed: ask for the instance as it is stored.",
                    code="decode-timeout",
                ) from error
            except ChildCrashed as error:
                outcome = "crashed"
                raise Unavailable(
                    "The process that decodes was lost. Ask again, or for the instance as it is stored.",
                    code="decoder-lost",
                ) from error
            finally:
                self._metrics.pixel_calls.labels(do, outcome).inc()
                self._metrics.pixel_seconds.labels(do).observe(time.perf_counter() - started)
        return _unpacked(answer)

    async def close(self) -> None:
        """End the processes."""
        if self._idle is not None:
            self._idle.cancel()
        pool, self._pool = self._pool, None
        if pool is not None:
            await pool.close()
        if self._ending:
            await asyncio.wait(self._ending)

    async def _call(self, access: ChildAccess, asked: bytes) -> tuple[bytes, ...]:
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._pool is None:
            self._pool = ChildPool(WORK, orjson.dumps(asdict(_CAPS)), self._limits, slots=self._slots)
        self._working += 1
        try:
            return await self._pool.call([access.data_key, asked], access.descriptor)
        except CallFailed as error:
            raise Unavailable("The process that decodes failed at this.", code="decoder-lost") from error
        finally:
            self._working -= 1
            if self._working == 0:
                self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self._end_idle)

    def _end_idle(self) -> None:
        self.kept.clear()
        pool, self._pool = self._pool, None
        if pool is not None:
            ending = asyncio.create_task(pool.close())
            self._ending.add(ending)
            ending.add_done_callback(self._ending.discard)


def _unpacked(answer: tuple[bytes, ...]) -> tuple[bytes, ...]:
    what, *parts = answer or (b"",)
    if what == DONE:
        return tuple(parts)
    detail = parts[-1].decode(errors="replace") if parts else ""
    if what == FAULT and len(parts) == 2:
        if parts[0].decode(errors="replace") in _OTHER_FORM:
            raise NotAcceptable(detail)
        if parts[0] in (b"viewport-outside", b"no-voi-lut"):
            raise InvalidRequest(detail)
        raise InvalidContent(detail, code="decode-failed")
    if what == UNREADABLE:
        raise ObjectUnreadable(detail)
    if what == CORRUPT:
        raise ObjectCorrupt(detail)
    raise Unavailable("The process that decodes gave no answer that can be read.", code="decoder-lost")
