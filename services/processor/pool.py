"""The pool of isolated decoder processes: a crash or a hang costs one child, never a neighbour."""

from __future__ import annotations

import asyncio
import os

from libs.common.errors import Unavailable
from libs.common.storage import ChildAccess
from libs.dicom.measure.analysis import AnalysisLimits
from libs.isolation.calls import ChildCrashed, ChildTimedOut
from libs.isolation.limits import ChildLimits
from libs.isolation.pool import AHEAD, ChildPool
from services.processor import child
from services.processor.answers import FalseAnswer, Measured, Refused, decoded

PLACES_PER_SLOT = 1 + AHEAD
"""One file is decoded, the next are ready."""
QUICK_BYTES = 1 << 20
"""Files up to this size are queued behind each other."""


class DecoderCrashed(Exception):
    """The child ended abnormally; another attempt may succeed (it may have been killed for memory)."""


class DecodeTimeout(Exception):
    """The child was ended because it passed a deadline; another attempt may succeed on a quieter machine."""


class DecoderPool:
    """`slots` children, started once and reused; those that end are replaced."""

    def __init__(
        self,
        *,
        slots: int,
        cpu_seconds: float,
        wall_seconds: float,
        memory_bytes: int,
        limits: AnalysisLimits,
        files: int = 5000,
        nice: int = 0,
    ) -> None:
        """`cpu_seconds` and `wall_seconds` are for each file, the rest for each child."""
        self.slots = slots
        self._places = asyncio.Semaphore(slots * PLACES_PER_SLOT)
        self._children = ChildPool(
            child.WORK,
            child.settings_of(limits),
            ChildLimits(cpu_seconds, wall_seconds, memory_bytes, files, nice),
            slots=slots,
        )

    def place(self) -> asyncio.Semaphore:
        """A place for one file, as a context: what is fetched ahead takes room, so its number is bounded."""
        return self._places

    def use(self, slots: int) -> None:
        """Let so many children work at the same time from now on."""
        self._children.at_once = slots

    @property
    def busy(self) -> int:
        """Children that work on a file."""
        return self._children.busy

    @property
    def replaced(self) -> int:
        """How many children were lost so far: crashed, hung, or ended from outside."""
        return self._children.replaced

    @property
    def pids(self) -> list[int]:
        """Of all children that live."""
        return self._children.pids

    async def run(self) -> None:
        """Start every child now: no file waits for imports. Never returns."""
        self._children.start()
        await asyncio.get_running_loop().create_future()

    async def ready(self) -> None:
        """Raises Unavailable while no child can be had."""
        if not self._children.ready:
            raise Unavailable("The decoder processes are being started.")

    async def measure(self, access: ChildAccess) -> Measured | Refused:
        """Measure one object in a child; cancelling ends it.

        Raises DecoderCrashed, DecodeTimeout, ObjectUnreadable, CallFailed, or Unavailable when no child can
        be started: no fault of the file.
        """
        quick = os.fstat(access.descriptor).st_size <= QUICK_BYTES
        try:
            parts = await self._children.call([access.data_key], access.descriptor, quick=quick)
            return decoded(parts)
        except ChildTimedOut as error:
            raise DecodeTimeout(str(error)) from error
        except ChildCrashed as error:
            raise DecoderCrashed(str(error)) from error
        except FalseAnswer as error:
            raise DecoderCrashed(f"the decoder's answer cannot be read: {error}") from error

    async def close(self) -> None:
        """End every child; running work is cut (the caller has drained before)."""
        await self._children.close()
