"""How long to wait before trying a missing dependency again."""

from __future__ import annotations


def backoff(failures: int, *, first: float = 0.1, most: float = 5.0) -> float:
    """Seconds to wait after `failures` failures in a row (1-based): doubling from `first` up to `most`."""
    return min(most, first * 2.0 ** min(failures - 1, 30))
