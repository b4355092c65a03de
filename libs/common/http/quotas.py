"""How much each owner may have under way at once on this replica: what is more is refused, nobody waits.

An owner is an account, whatever it comes with, or a link. Who waited would hold what others need meanwhile.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Counter

from libs.common.errors import TooManyRequests


class Quota:
    """Counts what each owner holds; no I/O."""

    def __init__(self, most: int, *, code: str, detail: str, retry_after: int, refusals: Counter) -> None:
        """`detail` and `retry_after` (seconds) are what is answered beyond `most`.

        `refusals` are those of `Metrics`, where `code` begins at 0.
        """
        refusals.labels(code)
        self._most = most
        self._code = code
        self._detail = detail
        self._retry_after = retry_after
        self._held: dict[str, int] = {}

    @contextmanager
    def hold(self, owner: str, amount: int = 1) -> Iterator[Holding]:
        """Count `amount` for `owner` within the block. Raises TooManyRequests."""
        holding = Holding(self, owner)
        holding.grow(amount)
        try:
            yield holding
        finally:
            self._give_back(owner, holding.amount)

    def take(self, owner: str, amount: int, own: int) -> None:
        """Count more for a holding that has `own` already. Raises TooManyRequests."""
        held = self._held.get(owner, 0)
        # How large a single one may be is told by other limits: with nothing beside it, it is never refused.
        if held > own and held + amount > self._most:
            raise TooManyRequests(
                self._detail, code=self._code, retry_after=self._retry_after, most=self._most
            )
        self._held[owner] = held + amount

    def _give_back(self, owner: str, amount: int) -> None:
        left = self._held[owner] - amount
        if left > 0:
            self._held[owner] = left
        else:
            del self._held[owner]


class Holding:
    """What one request holds of a quota."""

    def __init__(self, quota: Quota, owner: str) -> None:
        self.amount = 0
        self._quota = quota
        self._owner = owner

    def grow(self, amount: int) -> None:
        """Hold so much more. Raises TooManyRequests."""
        self._quota.take(self._owner, amount, self.amount)
        self.amount += amount
