"""The children of a process, and who of them gets which call: all in its event loop, without any thread."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence

import orjson

from libs.common.backoff import backoff
from libs.common.errors import Unavailable
from libs.isolation.calls import Call, CallFailed, ChildCrashed
from libs.isolation.frames import ANSWER, CONFIGURE, RAISED, READY, Frame, Malformed, frame
from libs.isolation.limits import ChildLimits
from libs.isolation.process import Child
from libs.isolation.watch import overdue

log = logging.getLogger(__name__)

AHEAD = 2
"""Quick calls that wait inside a child while it works on another: it never waits for this process."""
QUICK_SECONDS = 0.25
"""A call that takes longer holds up those behind it: they are given to other children then."""
WATCH_SECONDS = 0.25
"""Between looks at children that work."""
FIRST_RESTART_SECONDS = 0.5
LAST_RESTART_SECONDS = 30.0
_RAISED_CHARACTERS = 300


class ChildPool:
    """`slots` children that all do the same work. Use within one event loop."""

    def __init__(self, work: str, settings: bytes, limits: ChildLimits, *, slots: int) -> None:
        """`work` is `module:function`: called with `settings` in each child, it gives what answers calls."""
        self.slots = slots
        self.replaced = 0
        """How many children were lost so far: crashed, hung, or ended from outside."""
        what = orjson.dumps({"work": work, "memory_bytes": limits.memory_bytes, "nice": limits.nice})
        self._configuration = frame(CONFIGURE, [what, settings])
        self._limits = limits
        self._children: list[Child] = []
        self._waiting: deque[Call] = deque()
        self._failures = 0
        self._restart: asyncio.TimerHandle | None = None
        self._watching: asyncio.TimerHandle | None = None
        self._complete = False
        self._lacking: list[str] | None = None
        self._closing = False
        self._gone = asyncio.Event()
        self._at_once = slots

    @property
    def at_once(self) -> int:
        """How many children may work at the same time; at first all."""
        return self._at_once

    @at_once.setter
    def at_once(self, children: int) -> None:
        """Whoever works beyond that ends its calls first."""
        more, self._at_once = children > self._at_once, children
        if more:
            self._feed()

    @property
    def busy(self) -> int:
        """Children that work."""
        return min(sum(1 for child in self._children if child.calls), self.slots)

    @property
    def pids(self) -> list[int]:
        """Of all children that live."""
        return [child.pid for child in self._children]

    @property
    def ready(self) -> bool:
        """Whether all children were there once, and one is now."""
        return self._complete and any(child.open for child in self._children)

    def start(self) -> None:
        """Start the children that are missing. Never raises: what cannot be started is tried again."""
        while not self._closing and self._restart is None and self._missing() > 0:
            try:
                self._begin()
            except OSError as error:
                self._start_failed(str(error.strerror))

    async def call(
        self, parts: Sequence[bytes], descriptor: int | None = None, *, quick: bool = False
    ) -> tuple[bytes, ...]:
        """Have a child answer; `descriptor` is handed to it, and stays the caller's. Cancelling ends it.

        Raises ChildCrashed, ChildTimedOut, CallFailed, and Unavailable while no child can be started.
        """
        if self._closing:
            raise Unavailable("The isolated processes are being ended.")
        call = Call.of(parts, descriptor, quick=quick)
        self._waiting.append(call)
        self.start()
        self._feed()
        try:
            return await call.answer
        except asyncio.CancelledError:
            for child in self._children:
                if child.calls and child.calls[0] is call:
                    child.dismissed = True  # not lost: nobody counts it
                    child.kill()
            raise

    async def close(self) -> None:
        """End every child; what they work on is cut (the caller has drained before)."""
        self._closing = True
        for timer in (self._restart, self._watching):
            if timer is not None:
                timer.cancel()
        for child in self._children:
            child.kill()
        if self._children:
            await self._gone.wait()
        self._fail_waiting("The isolated processes are being ended.")

    def _missing(self) -> int:
        """Those to be started: whom another comes for counts no more, and whoever was dismissed."""
        leaving = sum(1 for child in self._children if child.successor is not None or child.dismissed)
        return self.slots - (len(self._children) - leaving)

    def _begin(self) -> Child:
        loop = asyncio.get_running_loop()
        child = Child()
        child.since = loop.time()
        self._children.append(child)
        loop.add_reader(child.channel, self._readable, child)
        loop.add_reader(child.ended, self._ended, child)
        child.configure(self._configuration)
        self._watch_soon()
        return child

    def _start_failed(self, why: str) -> None:
        self._failures += 1
        wait = backoff(self._failures, first=FIRST_RESTART_SECONDS, most=LAST_RESTART_SECONDS)
        log.error("an isolated process could not be started (%s): another try in %.1f s", why, wait)
        if self._restart is None:
            self._restart = asyncio.get_running_loop().call_later(wait, self._start_again)
        if not any(child.open for child in self._children):
            self._fail_waiting("The isolated processes cannot be started.")

    def _start_again(self) -> None:
        self._restart = None
        self.start()

    def _fail_waiting(self, why: str) -> None:
        while self._waiting:
            self._waiting.popleft().fail(Unavailable(why))

    def _feed(self) -> None:
        """Give what waits to children that may have it."""
        while self._waiting:
            call = self._waiting[0]
            if call.wanted:
                child = self._free(call)
                if child is None:
                    return
                self._give(child, call)
            else:
                self._waiting.popleft()

    def _free(self, call: Call) -> Child | None:
        """An idle child, if one more may work; for a quick call also one whose calls are quick, and few."""
        best: Child | None = None
        more = self.busy < self._at_once
        for child in self._children:
            if not child.open:
                continue
            if not child.calls:
                if more:
                    return child
                continue
            fewer = len(child.calls) < (AHEAD + 1 if best is None else len(best.calls))
            if call.quick and fewer and all(one is not None and one.quick for one in child.calls):
                best = child
        if best is None or asyncio.get_running_loop().time() - best.since >= QUICK_SECONDS:
            return None
        return best

    def _give(self, child: Child, call: Call) -> None:
        try:
            child.give(call)
        except OSError:
            child.kill()  # found dead, or deaf; the call goes on waiting
            return
        self._waiting.popleft()
        if len(child.calls) == 1:
            child.since = asyncio.get_running_loop().time()
            self._watch_soon()
        if child.given >= self._limits.calls and child.successor is None and self._restart is None:
            self._succeed(child)

    def _succeed(self, child: Child) -> None:
        """Start who comes after a child that has done its share; until it is ready, that one works on."""
        try:
            child.successor = self._begin()
        except OSError as error:
            self._start_failed(str(error.strerror))

    def _readable(self, child: Child) -> None:
        try:
            for received in child.received():
                self._take(child, received)
        except Malformed as error:
            child.verdict = ChildCrashed(f"what the decoder says is no answer: {error}")
            child.kill()
        self._feed()

    def _take(self, child: Child, received: Frame) -> None:
        """Raises Malformed."""
        kind, parts = received
        if kind == READY and not child.started:
            self._started(child, parts)
        elif kind in (ANSWER, RAISED) and child.calls:
            call = child.calls.popleft()
            child.answered += 1
            child.since = asyncio.get_running_loop().time()
            if call is None:
                return
            if kind == ANSWER:
                call.succeed(parts)
            else:
                call.fail(CallFailed(_printable(b"".join(parts))))
        else:
            raise Malformed(f"a frame of kind {kind} that nobody waits for")

    def _started(self, child: Child, told: Sequence[bytes]) -> None:
        child.started = True
        if self._lacking is None:
            self._lacking = orjson.loads(told[0])
            if self._lacking:
                log.warning(
                    "isolated processes run without %s, which this kernel or the container's profile lacks",
                    " and ".join(self._lacking),
                )
        self._failures = 0
        self._complete = self._complete or sum(one.started for one in self._children) >= self.slots
        for other in self._children:
            if other.successor is child:
                other.dismiss()

    def _watch_soon(self) -> None:
        if self._watching is None:
            self._watching = asyncio.get_running_loop().call_later(WATCH_SECONDS, self._watch)

    def _watch(self) -> None:
        self._watching = None
        now = asyncio.get_running_loop().time()
        for child in self._children:
            verdict = overdue(child, self._limits, now)
            if verdict is not None and not child.lost:
                child.verdict = verdict
                child.kill()
            # One that is alone would be given them again.
            elif now - child.since >= QUICK_SECONDS and len(child.calls) > 1 and len(self._children) > 1:
                self._waiting.extendleft(reversed(child.take_back()))
        self._feed()
        if any(child.calls or not child.started for child in self._children):
            self._watch_soon()

    def _ended(self, child: Child) -> None:
        """A child is gone: what it answered counts, the call it worked on fails, others are handed on."""
        loop = asyncio.get_running_loop()
        loop.remove_reader(child.ended)
        loop.remove_reader(child.channel)
        try:
            for received in child.received(all_of_it=True):
                self._take(child, received)
        except Malformed as error:
            child.verdict = child.verdict or ChildCrashed(f"what the decoder says is no answer: {error}")
        killed = child.lost
        code = child.reap()
        self._children.remove(child)
        for other in self._children:
            if other.successor is child:
                other.successor = None
        self._waiting.extendleft(reversed(child.take_back()))
        if child.calls and (head := child.calls[0]) is not None:
            # All children may have been killed at once, and no more: one that works for a stranger can say
            # what it likes.
            if not child.has_begun and head.spared < self.slots:
                head.spared += 1
                self._waiting.appendleft(head)
            else:
                head.fail(child.verdict or ChildCrashed(f"the decoder ended with code {code}"))
        if self._closing:
            if not self._children:
                self._gone.set()
            return
        if not child.started:
            self._start_failed(str(child.verdict or f"it ended with code {code}"))
        elif child.verdict is not None or not child.dismissed or (code and not killed):
            self.replaced += 1
        self.start()
        self._feed()


def _printable(told: bytes) -> str:
    """Some of what a child says, fit for a log."""
    text = told[:_RAISED_CHARACTERS].decode(errors="replace")
    return "".join(character if character.isprintable() else "?" for character in text)
