"""Wrong passwords cost time: growing delays, counted in the database before a password is hashed.

Three counters: of an account from an address, of an address over all accounts, of an account over all
addresses. From an address where the account has signed in lately only the first one counts, so that neither a
stranger who guesses nor a neighbour behind the same address locks anybody out. Names that nobody has are
counted like those that somebody has.

Whom the account's counter refuses gets a ticket: at its time the attempt is made, however often others have
renewed the account's delay meanwhile.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from datetime import datetime

from libs.common.database.failures import Limit, WaitingList
from libs.common.database.postgres import Connection, Database
from libs.common.errors import TooManyRequests
from libs.common.http.client import address_group
from services.auth.identity.models import normal_username
from services.auth.metrics import AuthMetrics
from services.auth.sessions import failures
from services.auth.sessions.failures import COUNTERS
from services.auth.settings import AuthSettings

TOO_MANY = "Too many wrong passwords: wait before the next attempt."
TOO_MANY_MAILS = "Too many links were asked for: wait before the next attempt."
MAILS_FREE = 3
MAIL_FIRST, MAIL_LONGEST = 60.0, 3600.0
"""Links to one name until the next waits, and for how many seconds: a mailbox is quickly full."""
TOO_MANY_CODES = "Too many wrong codes: wait before the next attempt."
ACCOUNT_LONGEST = 60.0
"""Longest account-wide delay in seconds: it meets people on their way, whom only a stranger holds up."""
FRESH_SPACING = 5.0
"""Seconds between two tickets for one account of addresses that have not failed with it."""
TRIED_SPACING = 15.0
"""The same of addresses that have: a stranger's go behind that of an owner who is on their way."""
TICKET_GOOD_FOR = 300.0
"""Seconds, for people."""


@dataclass(frozen=True)
class Attempt:
    """What one attempt has counted, by key, and the key of its pair of account and address.

    `known`: the account has signed in from there lately. `ticket`: the key of the one that it has used.
    """

    pair: str
    counted: dict[str, datetime]
    known: bool
    ticket: str | None = None


class _AccountBlockedError(Exception):
    """By its own counter alone."""


class Throttle:
    """Asked before every password is looked at."""

    def __init__(self, database: Database, settings: AuthSettings, metrics: AuthMetrics) -> None:
        """All of them are shared with the rest of the service."""
        self._database = database
        self._settings = settings
        self._metrics = metrics

    async def begin(self, username: str, address: str) -> Attempt:
        """Count an attempt as failed before it is made. Raises TooManyRequests or Unavailable."""
        subscriber = address_group(address)
        prefix = _pair_prefix(username)
        pair, ticket = f"{prefix}{_digest(subscriber)}", f"{prefix}ticket:{_digest(subscriber)}"
        queue = WaitingList(f"{prefix}queue", FRESH_SPACING, TRIED_SPACING, TICKET_GOOD_FOR)
        try:
            async with self._database.transaction() as connection:
                return await self._count(connection, username, subscriber, pair, queue, ticket)
        except _AccountBlockedError:
            async with self._database.transaction() as connection:
                blocked = await COUNTERS.blocked_for(connection, [_account_key(username)]) or 0.0
                wait = await COUNTERS.ticket(connection, queue, ticket, pair, blocked)
            raise self._refusal(wait) from None

    async def _count(
        self,
        connection: Connection,
        username: str,
        subscriber: str,
        pair: str,
        queue: WaitingList,
        ticket: str,
    ) -> Attempt:
        settings = self._settings
        account, longest = _account_key(username), settings.sign_in_longest_delay_seconds
        limits = [Limit(pair, settings.sign_in_free_failures, longest)]
        known, redeemed = await _is_known(connection, username, subscriber), False
        many = settings.sign_in_free_failures_many
        if not known:
            limits.append(Limit(f"address:{_digest(subscriber)}", many, longest))
        wait = await COUNTERS.blocked_for(connection, [limit.key for limit in limits])
        if wait is not None:
            raise self._refusal(wait)
        if not known:
            if await COUNTERS.blocked_for(connection, [account]) is None:
                limits.append(Limit(account, many, min(longest, ACCOUNT_LONGEST)))
            elif await COUNTERS.redeem(connection, queue, ticket):
                redeemed = True
            else:
                raise _AccountBlockedError
        first, forget = settings.sign_in_first_delay_seconds, settings.sign_in_forget_seconds
        counted = await COUNTERS.count(connection, limits, first, forget)
        missing = {limit.key for limit in limits} - counted.keys()
        # Another attempt came first; nothing of this one is kept.
        if missing == {account}:
            raise _AccountBlockedError
        if missing:
            raise self._refusal(first)
        return Attempt(pair, counted, known, ticket if redeemed else None)

    async def begin_code(self, username: str, address: str) -> Attempt:
        """Count the code of a second factor as wrong before it is looked at.

        Whoever gets here knows the password, and a code has six digits: one counter for all addresses from
        which the account has not signed in lately, which grows as long as that of a pair, and no tickets.
        Raises TooManyRequests or Unavailable.
        """
        settings, subscriber = self._settings, address_group(address)
        # Begins like the account's pairs, so that `lift` takes it away.
        everybody = f"{_pair_prefix(username)}code"
        async with self._database.transaction() as connection:
            known = await _is_known(connection, username, subscriber)
            key = f"{everybody}:{_digest(subscriber)}" if known else everybody
            wait = await COUNTERS.blocked_for(connection, [key])
            first, forget = settings.sign_in_first_delay_seconds, settings.sign_in_forget_seconds
            limit = Limit(key, settings.sign_in_free_failures, settings.sign_in_longest_delay_seconds)
            counted = {} if wait else await COUNTERS.count(connection, [limit], first, forget)
        if not counted:
            raise self._refusal(wait or first, TOO_MANY_CODES)
        return Attempt(key, counted, known)

    async def begin_mail(self, name: str, address: str) -> bool:
        """Count that somebody asks for a link by mail; False: too many went to that name, which is not told.

        Names that nobody has are counted like those that somebody has. Raises TooManyRequests for an address
        that asks too often, whomever for, or Unavailable.
        """
        settings, subscriber = self._settings, address_group(address)
        forget = settings.sign_in_forget_seconds
        whence = Limit(
            f"mail-from:{_digest(subscriber)}",
            settings.sign_in_free_failures_many,
            settings.sign_in_longest_delay_seconds,
        )
        who = Limit(f"mail-to:{_digest(_spelling(name))}", MAILS_FREE, MAIL_LONGEST)
        async with self._database.transaction() as connection:
            wait = await COUNTERS.blocked_for(connection, [whence.key])
            first = settings.sign_in_first_delay_seconds
            asked = {} if wait else await COUNTERS.count(connection, [whence], first, forget)
            allowed = bool(asked and await COUNTERS.count(connection, [who], MAIL_FIRST, forget))
        if not asked:
            raise TooManyRequests(TOO_MANY_MAILS, retry_after=max(1, math.ceil(wait or first)))
        return allowed

    async def begin_elsewhere(self, address: str) -> Attempt:
        """Count an attempt at a provider, of whose account nothing is known yet; `abandon` takes it back.

        Raises TooManyRequests or Unavailable.
        """
        settings, key = self._settings, f"provider:{_digest(address_group(address))}"
        limit = Limit(key, settings.sign_in_free_failures_many, settings.sign_in_longest_delay_seconds)
        first, forget = settings.sign_in_first_delay_seconds, settings.sign_in_forget_seconds
        async with self._database.transaction() as connection:
            wait = await COUNTERS.blocked_for(connection, [key])
            counted = {} if wait else await COUNTERS.count(connection, [limit], first, forget)
        if not counted:
            raise self._refusal(wait or first)
        return Attempt(key, counted, known=False)

    async def succeeded(self, connection: Connection, attempt: Attempt) -> None:
        """The password was right: the pair starts anew, and nothing was counted elsewhere."""
        await COUNTERS.take_back(connection, attempt.counted)
        await COUNTERS.forget(connection, attempt.pair)
        if attempt.ticket is not None:
            await COUNTERS.forget(connection, attempt.ticket)

    async def abandon(self, attempt: Attempt) -> None:
        """The password was never looked at."""
        async with self._database.transaction() as connection:
            await COUNTERS.take_back(connection, attempt.counted)
            if attempt.ticket is not None:
                await COUNTERS.give_back(connection, attempt.ticket)

    async def lift(self, connection: Connection, username: str) -> None:
        """Forget the wrong passwords of an account, and who waits for it (all begin like its pairs)."""
        await failures.forget_account(connection, _account_key(username), _pair_prefix(username))

    async def prune(self) -> None:
        """Keep the table small. Raises Unavailable."""
        settings = self._settings
        async with self._database.transaction() as connection:
            await COUNTERS.prune(connection, settings.sign_in_forget_seconds, settings.sign_in_most_counters)
        async with self._database.connection() as connection:
            self._metrics.show_throttle(*await COUNTERS.sizes(connection))

    def _refusal(self, seconds: float, detail: str = TOO_MANY) -> TooManyRequests:
        self._metrics.signed_in("throttled")
        return TooManyRequests(detail, retry_after=max(1, math.ceil(seconds)))


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
