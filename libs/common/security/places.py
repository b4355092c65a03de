"""Whose turn it is: a few work at once, some wait, and whoever is known waits less."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.common.errors import Unavailable

KNOWN_IN_A_ROW = 3
"""After so many known ones it is a stranger's turn: they wait longer, not for ever."""


class Places:
    """Strangers have a fourth of the turns while others wait who are known, and at most half of the places.

    So neither one address that guesses nor many hold up people at places where they signed in before.
    """

    def __init__(self, at_once: int, most: int) -> None:
        """`at_once` work at the same time; at most `most` work or wait."""
        self._free = at_once
        self._most = most
        self._taken = 0
        self._in_a_row = 0
        self._known = deque[asyncio.Future[None]]()
        self._strangers = deque[asyncio.Future[None]]()

    @asynccontextmanager
    async def take(self, *, stranger: bool) -> AsyncIterator[None]:
        """A turn, once it has come. Raises Unavailable when too many wait."""
        if self._taken >= (max(1, self._most // 2) if stranger else self._most):
            raise Unavailable("Too many passwords are being checked right now; try again in a moment.")
        self._taken += 1
        try:
            await self._turn(self._strangers if stranger else self._known)
            try:
                yield
            finally:
                self._pass_on()
        finally:
            self._taken -= 1

    async def _turn(self, line: deque[asyncio.Future[None]]) -> None:
        if self._free > 0:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        line.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if not turn.cancelled():
                # It had just come.
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        strangers_turn = self._in_a_row >= KNOWN_IN_A_ROW
        for strangers in (strangers_turn, not strangers_turn):
            line = self._strangers if strangers else self._known
            while line:
                turn = line.popleft()
                if not turn.cancelled():
                    self._in_a_row = 0 if strangers else self._in_a_row + 1
                    turn.set_result(None)
                    return
        self._free += 1
