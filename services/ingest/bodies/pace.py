"""How fast a sender is while it is waited for; no I/O."""

from __future__ import annotations


class SendingPace:
    """Averages over spans of waiting: the time in which this system was busy counts against nobody."""

    def __init__(self, least: int, span: float) -> None:
        """`least` bytes per second, looked at each time `span` seconds were waited."""
        self._least = least
        self._span = span
        self._waited = 0.0
        self._bytes = 0

    def came(self, size: int, waited: float = 0.0) -> None:
        """So many bytes came after so many seconds."""
        if self._waited >= self._span:
            self._waited, self._bytes = 0.0, 0
        self._bytes += size
        self._waited += waited

    @property
    def too_slow(self) -> bool:
        """Whether the span that has just ended brought too little."""
        return self._waited >= self._span and self._bytes < self._least * self._waited
