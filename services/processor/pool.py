"""The pool of isolated decoder processes: a crash or a hang costs one child, never a neighbour."""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import signal
from concurrent.futures import TimeoutError as FutureTimeoutError
from concurrent.futures.process import BrokenProcessPool

from pebble import ProcessExpired, ProcessFuture, ProcessPool

from libs.common.errors import Unavailable
from libs.common.storage import ChildAccess
from libs.dicom.measure.analysis import AnalysisLimits
from services.processor import child
from services.processor.child import Measured, Refused

log = logging.getLogger(__name__)

PLACES_PER_SLOT = 2
"""One file is decoded, the next is ready."""
WATCH_SECONDS = 0.5
"""Between looks at whether the children are still there."""


class DecoderCrashed(Exception):
    """The child ended abnormally; another attempt may succeed (it may have been killed for memory)."""


class DecodeTimeout(Exception):
    """The child was ended because it passed a deadline; another attempt may succeed on a quieter machine."""


class DecoderPool:
    """`slots` children, started once and reused; pebble replaces those that end."""

    def __init__(
        self,
        *,
        slots: int,
        cpu_seconds: float,
        wall_seconds: float,
        memory_bytes: int,
        limits: AnalysisLimits,
    ) -> None:
        """`cpu_seconds` and `wall_seconds` are for each file, `memory_bytes` for each child."""
        self.slots = slots
        self.replaced = 0
        """How many children were lost so far: crashed, hung, or ended from outside."""
        self._scheduled = 0
        self._cpu_seconds = cpu_seconds
        self._wall_seconds = wall_seconds
        self._places = asyncio.Semaphore(slots * PLACES_PER_SLOT)
        self._limits = limits
        self._memory_bytes = memory_bytes
        self._starting: list[ProcessFuture[int]] = []
        self._pool = self._make()
        self._endings: set[asyncio.Task[None]] = set()

    def place(self) -> asyncio.Semaphore:
        """A place for one file, as a context: what is fetched ahead takes room, so its number is bounded."""
        return self._places

    @property
    def busy(self) -> int:
        """Children that work on a file; more than those may be scheduled."""
        return min(self._scheduled, self.slots)

    def _make(self) -> ProcessPool:
        # spawn: a forked copy would share this process's threads' locks and its keys
        pool = ProcessPool(
            max_workers=self.slots,
            context=multiprocessing.get_context("spawn"),
            initializer=child.prepare,
            initargs=[self._memory_bytes],
        )
        # A terminal's Ctrl-C reaches the children too, even while they import: the pool's threads, and so all
        # that they start, inherit this mask; `child.prepare` ignores the signal for good.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._starting = [pool.schedule(child.ready) for _ in range(self.slots)]
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return pool

    def _working(self) -> ProcessPool:
        """The pool, or a new one: pebble gives up for good when an idle child dies or none can be started."""
        if not self._pool.active:
            log.error("the decoder processes broke down and are started anew")
            self.replaced += self.slots
            ending = asyncio.create_task(asyncio.to_thread(_end, self._pool), name="end of broken decoders")
            self._endings.add(ending)
            ending.add_done_callback(self._endings.discard)
            self._pool = self._make()
        return self._pool

    async def run(self) -> None:
        """Start every child now, and again when all were lost: no file waits for imports. Never returns."""
        while True:
            pool = self._working()
            await asyncio.gather(*map(asyncio.wrap_future, self._starting), return_exceptions=True)
            while pool.active:  # noqa: ASYNC110 - pebble tells nobody
                await asyncio.sleep(WATCH_SECONDS)

    async def ready(self) -> None:
        """Raises Unavailable while no child can be had."""
        if not self._pool.active or not all(future.done() for future in self._starting):
            raise Unavailable("The decoder processes are being started.")

    async def measure(self, access: ChildAccess) -> Measured | Refused:
        """Measure one object in a child; cancelling ends it.

        Raises DecoderCrashed, DecodeTimeout, or Unavailable when all children are lost: no fault of the file.
        """
        self._scheduled += 1
        try:
            future = self._working().schedule(
                child.measure_within,
                args=[self._cpu_seconds, access.path, access.data_key, self._limits],
                timeout=self._wall_seconds,
            )
            return await asyncio.wrap_future(future)
        except BrokenProcessPool as error:
            raise Unavailable("The decoder processes are started anew.") from error
        except ProcessExpired as error:
            self.replaced += 1
            if error.exitcode == -signal.SIGXCPU:
                raise DecodeTimeout(f"the decoder took {self._cpu_seconds:g} s of CPU time") from error
            raise DecoderCrashed(f"the decoder ended with code {error.exitcode}") from error
        except (FutureTimeoutError, TimeoutError) as error:
            self.replaced += 1
            raise DecodeTimeout(f"the decoder did not answer for {self._wall_seconds:g} s") from error
        finally:
            self._scheduled -= 1

    async def close(self) -> None:
        """End every child; running work is cut (the caller has drained before)."""
        await asyncio.gather(asyncio.to_thread(_end, self._pool), *self._endings)


def _end(pool: ProcessPool) -> None:
    pool.stop()
    pool.join()
