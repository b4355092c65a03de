"""Places for what a relay has under way, some of which are kept for collections that have little there."""

from __future__ import annotations

from collections import Counter


class FairPlaces:
    """Counts what is under way; pure.

    Without a broker an event keeps its place until its file is measured. A burst would take them all, and
    whoever comes after it would wait outside, where no turn is taken.
    """

    def __init__(self, places: int, *, fair: bool) -> None:
        """A quarter of `places` is kept free of collections with much under way, if `fair`."""
        self._places = places
        self._kept = places // 4 if fair else 0
        # One collection takes no more than a quarter of what is kept.
        self._much = max(1, self._kept // 4)
        self._under_way: Counter[str | None] = Counter()
        self._size = 0

    @property
    def open(self) -> int:
        """Free places for whoever comes first."""
        return max(0, self._places - self._kept - self._size)

    @property
    def kept(self) -> int:
        """Free places beside those, for collections that have little under way."""
        return max(0, min(self._kept, self._places - self._size))

    @property
    def full(self) -> bool:
        """Whether an ending lets something begin that could not before."""
        return self.open <= 0

    @property
    def with_much(self) -> list[str]:
        """Collections that get none of the kept places."""
        return [name for name, count in self._under_way.items() if name is not None and count >= self._much]

    def begun(self, collection: str | None) -> None:
        """One more is under way."""
        self._under_way[collection] += 1
        self._size += 1

    def ended(self, collection: str | None) -> None:
        """One less."""
        self._under_way[collection] -= 1
        if not self._under_way[collection]:
            del self._under_way[collection]
        self._size -= 1


class Withheld:
    """Collections whose events found no room, left out for `seconds`: others pass them; pure."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._until: dict[str, float] = {}

    def add(self, collection: str | None, now: float) -> None:
        """An event of it was refused."""
        if collection is not None:
            self._until[collection] = now + self._seconds

    def names(self, now: float) -> list[str]:
        """Those that are left out at `now`."""
        self._until = {name: until for name, until in self._until.items() if until > now}
        return list(self._until)
