"""How far a long command is."""

from __future__ import annotations

import time
from typing import TextIO

BAR = 30
LINE_SECONDS = 10.0
"""Between lines, where no terminal shows a bar."""


class Progress:
    """A bar on a terminal, else a line now and then."""

    def __init__(self, out: TextIO, things: str) -> None:
        """`things` is what is counted, e.g. `results`."""
        self.total = 0
        self._things = things
        self._out = out
        self._began = self._shown = time.monotonic()

    def show(self, done: int) -> None:
        """`done` of `total` are complete."""
        now = time.monotonic()
        terminal = self._out.isatty()
        if not terminal and now - self._shown < LINE_SECONDS:
            return
        self._shown = now
        self._out.write(f"\r{self._line(done)}" if terminal else f"{self._line(done)}\n")
        self._out.flush()

    def end(self, done: int) -> None:
        """Nothing more comes."""
        if done:
            self._out.write(f"\r{self._line(done)}\n" if self._out.isatty() else f"{self._line(done)}\n")

    def _line(self, done: int) -> str:
        total = max(self.total, done, 1)
        full = BAR * done // total
        seconds = max(time.monotonic() - self._began, 0.001)
        bar = "#" * full + "." * (BAR - full)
        return f"[{bar}] {100 * done // total:3} %  {done} of {total} {self._things}, {done / seconds:.0f}/s"
