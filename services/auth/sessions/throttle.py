"""Wrong passwords cost time: growing delays, counted in the database before a password is hashed.

Three counters: of an account from an address, of an address over all accounts, of an account over all
addresses. From an address where the account has signed in lately only the first one counts, so that neither a
stranger who guesses nor a neighbour behind the same address locks anybody out. Names that nobody has are
counted like those that somebody has.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import datetime

from libs.common.database.failures import Limit
from libs.common.database.postgres import Connection, Database
from libs.common.errors import TooManyRequests
from libs.common.http.client import address_group
from services.auth.identity.models import normal_username
from services.auth.metrics import AuthMetrics
from services.auth.sessions import failures
from services.auth.sessions.failures import COUNTERS
from services.auth.settings import AuthSettings

TOO_MANY = "Too many wrong passwords: wait before the next attempt."
ACCOUNT_LONGEST = 60.0
"""Longest account-wide delay in seconds: it meets people on their way, whom only a stranger holds up."""


@dataclass(frozen=True)
class Attempt:
    """What one attempt has counted, by key, and the key of its pair of account and address.

    `known`: the account has signed in from there lately.
    """

    pair: str
    counted: dict[str, datetime]
    known: bool


class Throttle:
    """Asked before every password is looked at."""

    def __init__(self, database: Database, settings: AuthSettings, metrics: AuthMetrics) -> None:
        """All of them are shared with the rest of the service."""
        self._database = database
        self._settings = settings
        self._metrics = metrics

    async def begin(self, username: str, address: str) -> Attempt:
        """Count an attempt as failed before it is made. Raises TooManyRequests or Unavailable."""
        settings = self._settings
        subscriber = address_group(address)
        account, pair = _account_key(username), f"{_pair_prefix(username)}{_digest(subscriber)}"
        longest = settings.sign_in_longest_delay_seconds
        limits = [Limit(pair, settings.sign_in_free_failures, longest)]
        async with self._database.transaction() as connection:
            known = await _is_known(connection, username, subscriber)
            if not known:
                many = settings.sign_in_free_failures_many
                limits.append(Limit(f"address:{_digest(subscriber)}", many, longest))
                limits.append(Limit(account, many, min(longest, ACCOUNT_LONGEST)))
            keys = [limit.key for limit in limits]
            wait = await COUNTERS.blocked_for(connection, keys)
            if wait is not None:
                raise self._refusal(wait)
            counted = await COUNTERS.count(
                connection,
                limits,
                settings.sign_in_first_delay_seconds,
                settings.sign_in_forget_seconds,
            )
            if len(counted) < len(keys):
                # Another attempt came first; nothing of this one is kept.
                raise self._refusal(settings.sign_in_first_delay_seconds)
        return Attempt(pair, counted, known)

    async def succeeded(self, connection: Connection, attempt: Attempt) -> None:
        """The password was right: the pair starts anew, and nothing was counted elsewhere."""
        await COUNTERS.take_back(connection, attempt.counted)
        await COUNTERS.forget(connection, attempt.pair)

    async def abandon(self, attempt: Attempt) -> None:
        """The password was never looked at."""
        async with self._database.transaction() as connection:
            await COUNTERS.take_back(connection, attempt.counted)

    async def lift(self, connection: Connection, username: str) -> None:
        """Forget the wrong passwords of an account."""
        await failures.forget_account(connection, _account_key(username), _pair_prefix(username))

    async def prune(self) -> None:
        """Keep the table small. Raises Unavailable."""
        settings = self._settings
        async with self._database.transaction() as connection:
            await COUNTERS.prune(connection, settings.sign_in_forget_seconds, settings.sign_in_most_counters)
        async with self._database.connection() as connection:
            self._metrics.show_throttle(*await COUNTERS.sizes(connection))

    def _refusal(self, seconds: float) -> TooManyRequests:
        self._metrics.signed_in("throttled")
        return TooManyRequests(TOO_MANY, retry_after=max(1, math.ceil(seconds)))


async def _is_known(connection: Connection, username: str, subscriber: str) -> bool:
    try:
        found = await failures.known_addresses(connection, normal_username(username))
    except ValueError:
        return False
    return subscriber in map(address_group, found)


def _account_key(username: str) -> str:
    return f"account:{_digest(_spelling(username))}"


def _pair_prefix(username: str) -> str:
    return f"pair:{_digest(_spelling(username))}:"


def _spelling(username: str) -> str:
    try:
        return normal_username(username).casefold()
    except ValueError:
        return username.casefold()


def _digest(text: str) -> str:
    """No names and addresses in the table: people type passwords into the field above."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
