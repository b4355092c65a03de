"""The pool of isolated decoder processes: a crash or a hang costs one child, never a neighbour."""

from __future__ import annotations

import asyncio
import multiprocessing
from concurrent.futures import TimeoutError as FutureTimeoutError

from pebble import ProcessExpired, ProcessPool

from libs.common.storage import ChildAccess
from libs.dicom.analysis import AnalysisLimits
from services.processor import child
from services.processor.child import Measured, Refused


class DecoderCrashed(Exception):
    """The child ended abnormally; another attempt may succeed (it may have been killed for memory)."""


class DecodeTimeout(Exception):
    """The child was ended because it passed the deadline."""


class DecoderPool:
    """`slots` children, started once and reused; pebble replaces those that end."""

    def __init__(self, *, slots: int, timeout: float, memory_bytes: int, limits: AnalysisLimits) -> None:
        """`timeout` in seconds and `memory_bytes` hold for each child."""
        self.slots = slots
        self._timeout = timeout
        self._limits = limits
        # spawn: a forked copy would share this process's threads' locks and its keys
        self._pool = ProcessPool(
            max_workers=slots,
            context=multiprocessing.get_context("spawn"),
            initializer=child.prepare,
            initargs=[memory_bytes],
        )

    async def run(self) -> None:
        """Start every child now, so that the first file does not wait for imports; then wait for ever."""
        futures = [self._pool.schedule(child.ready) for _ in range(self.slots)]
        await asyncio.gather(*map(asyncio.wrap_future, futures))
        await asyncio.Event().wait()

    async def measure(self, access: ChildAccess) -> Measured | Refused:
        """Measure one object in a child. Raises DecoderCrashed or DecodeTimeout; cancelling ends it."""
        future = self._pool.schedule(
            child.measure_object, args=[access.path, access.data_key, self._limits], timeout=self._timeout
        )
        try:
            return await asyncio.wrap_future(future)
        except ProcessExpired as error:
            raise DecoderCrashed(f"the decoder ended with code {error.exitcode}") from error
        except (FutureTimeoutError, TimeoutError) as error:
            raise DecodeTimeout from error

    async def close(self) -> None:
        """End every child; running work is cut (the caller has drained before)."""
        self._pool.stop()
        await asyncio.to_thread(self._pool.join)
