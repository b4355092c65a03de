"""Which lane an event waits in: collections share a few lanes, and no lane waits for another.

A queue per collection would be without bound, and one queue serves whoever sent most. So collections are
hashed onto a fixed number of lanes (stochastic fairness queueing, McKenney 1990); what is urgent and what is
large wait apart from all others.
"""

from __future__ import annotations

from hashlib import blake2b

from libs.common.events import WorkData

URGENT = "urgent"
LARGE = "large"
DEFAULT_LANES = 8
DEFAULT_LARGE_BYTES = 256 << 20


def lane_of(data: WorkData, lanes: int, large_bytes: int) -> str:
    """`urgent`, `large` or `0` … `lanes - 1`, the same in every process.

    Large is what decodes to `large_bytes` or more; where the header does not tell, its own size counts.
    """
    if data.priority == "urgent":
        return URGENT
    size = data.size_bytes if data.decoded_bytes is None else data.decoded_bytes
    if size >= large_bytes:
        return LARGE
    digest = blake2b(data.collection.encode(), digest_size=8).digest()
    return str(int.from_bytes(digest, "big") % lanes)


def lane_names(lanes: int) -> tuple[str, ...]:
    """Every lane there is: `0` … `lanes - 1`, `large`, `urgent`."""
    return (*map(str, range(lanes)), LARGE, URGENT)


def lane_class(lane: str) -> str:
    """`urgent`, `large`, or `lane` for each of the others: what metrics tell apart."""
    return lane if lane in (URGENT, LARGE) else "lane"
