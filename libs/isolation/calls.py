"""Calls as the parent keeps them, and how they can end."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from libs.isolation.frames import CALL, CALL_ON_FILE, frame


class ChildCrashed(Exception):
    """The child ended abnormally, or answered what is no answer; another attempt may succeed."""


class ChildTimedOut(Exception):
    """The child was ended because it passed a deadline; another attempt may succeed."""


class CallFailed(Exception):
    """The function raised what nobody foresaw; its child lives on."""


@dataclass(eq=False, slots=True)
class Call:
    """One call, waited for."""

    frame: bytes = field(repr=False)
    descriptor: int | None
    """Open until the answer is there."""
    quick: bool
    """Whether it may be queued behind another one, and others behind it."""
    answer: asyncio.Future[tuple[bytes, ...]]
    spared: int = 0
    """How often a child ended before it began this call."""

    @classmethod
    def of(cls, parts: Sequence[bytes], descriptor: int | None, *, quick: bool) -> Call:
        """A new one; call inside an event loop."""
        loop = asyncio.get_running_loop()
        kind = CALL if descriptor is None else CALL_ON_FILE
        return cls(frame(kind, parts), descriptor, quick, loop.create_future())

    @property
    def wanted(self) -> bool:
        """Whether somebody still waits."""
        return not self.answer.done()

    def succeed(self, parts: tuple[bytes, ...]) -> None:
        """Answer it, if somebody still waits."""
        if not self.answer.done():
            self.answer.set_result(parts)

    def fail(self, error: Exception) -> None:
        """Let it fail, if somebody still waits."""
        if not self.answer.done():
            self.answer.set_exception(error)
