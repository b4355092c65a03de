"""Refused openings cost time, as wrong passwords do at sign-in: growing delays, counted before the hashing.

Three counters: of a link from an address, of an address over all links, of a link over all addresses. Only
guesses count: a token that is right and needs no password, or is not given one yet, is none.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from libs.common.database.failures import Failures, Limit
from libs.common.database.postgres import Connection
from libs.common.errors import TooManyRequests
from libs.common.http.client import address_group

COUNTERS = Failures("results.link_failure")
FREE = 5
"""Wrong passwords of one link from one address until the next attempt must wait."""
FREE_MANY = 20
"""The same for one address over all links, unknown ones too, and for one link over all addresses."""
FIRST_DELAY = 1.0
"""Seconds; each further guess doubles them."""
LONGEST = 300.0
LONGEST_OF_LINK = 60.0
"""Over all addresses: it meets people on their way, whom only a stranger holds up."""
FORGET = 86_400.0
MOST = 100_000


@dataclass(frozen=True)
class Guess:
    """What one guess has counted, by key, and the key of its pair of link and address."""

    pair: str
    counted: dict[str, datetime]


async def require_unblocked(connection: Connection, address: str) -> None:
    """Raises TooManyRequests for an address that has to wait."""
    wait = await COUNTERS.blocked_for(connection, [_of_address(address)])
    if wait is not None:
        raise refusal(wait)


async def count(connection: Connection, link_id: UUID | None, address: str) -> Guess:
    """Count a guess as wrong before it is looked at, within a transaction; None: of a token, no password.

    Raises TooManyRequests.
    """
    pair = f"pair:{_digest(f'{link_id} {address_group(address)}')}"
    limits = [Limit(_of_address(address), FREE_MANY, LONGEST)]
    if link_id is not None:
        limits += [Limit(pair, FREE, LONGEST), Limit(f"link:{link_id}", FREE_MANY, LONGEST_OF_LINK)]
    wait = await COUNTERS.blocked_for(connection, [limit.key for limit in limits])
    if wait is not None:
        raise refusal(wait)
    counted = await COUNTERS.count(connection, limits, FIRST_DELAY, FORGET)
    if len(counted) < len(limits):
        # Another guess came first; nothing of this one is kept.
        raise refusal(FIRST_DELAY)
    return Guess(pair, counted)


async def was_right(connection: Connection, guess: Guess) -> None:
    """The pair starts anew, and nothing was counted elsewhere."""
    await COUNTERS.take_back(connection, guess.counted)
    await COUNTERS.forget(connection, guess.pair)


async def abandon(connection: Connection, guess: Guess) -> None:
    """It was never looked at."""
    await COUNTERS.take_back(connection, guess.counted)


def refusal(seconds: float) -> TooManyRequests:
    """The answer to who has to wait."""
    return TooManyRequests(
        "Too many attempts: wait before the next one.", retry_after=max(1, math.ceil(seconds))
    )


def _of_address(address: str) -> str:
    return f"address:{_digest(address_group(address))}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]
