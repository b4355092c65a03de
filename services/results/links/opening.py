"""Opening links, and whom an open one lets in."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

import asyncpg

from libs.common.access import Viewer
from libs.common.audit.acts import about, come_as, note_done
from libs.common.database.postgres import Database
from libs.common.errors import NotAuthenticated, NotFound, TooManyRequests, Unavailable
from libs.common.http.authenticate import Guest, Lease
from libs.common.permissions import Permission
from libs.common.security.passwords import Passwords
from services.results.links import store, throttle
from services.results.links.initials import initials_of
from services.results.links.secrets import hash_of, new_session
from services.results.links.watching import SessionWatch
from services.results.metrics import Opening, ResultsMetrics
from services.results.sharing.things_store import things_of

log = logging.getLogger(__name__)

SESSION_SECONDS = 3600.0
MOST_SESSIONS = 1000
"""Browsers that one link is open in: nobody who has it may fill the table."""
NOBODY = 0
"""In place of a user's id; no account has it."""


class OpenedLink(NamedTuple):
    """What a browser gets."""

    session: str
    expires_at: datetime


class Links:
    """The use cases of who has no account; none holds a connection while hashing."""

    def __init__(
        self, database: Database, passwords: Passwords, watch: SessionWatch, metrics: ResultsMetrics
    ) -> None:
        """All of them are shared with the rest of the service."""
        self.passwords = passwords
        self._database = database
        self._watch = watch
        self._metrics = metrics

    async def open(self, token: str, password: str | None, address: str) -> OpenedLink:
        """Open a link in a browser.

        Raises NotFound, the same for what never was and what is over, NotAuthenticated for its password,
        TooManyRequests or Unavailable.
        """
        try:
            opened = await self._open(hash_of(token), password, address)
        except TooManyRequests:
            self._count("throttled")
            raise
        except Unavailable:
            self._count("busy")
            raise
        self._count("opened")
        return opened

    async def _open(self, token_hash: bytes, password: str | None, address: str) -> OpenedLink:
        async with self._database.connection() as connection:
            await throttle.require_unblocked(connection, address)
            link = await store.find(connection, token_hash)
        if link is None:
            await self._guess(None, address)
            self._count("unknown")
            raise _unknown()
        about("link", link["id"])
        guess = None
        if link["password_hash"] is not None:
            guess = await self._check(link, password, address)
        session = new_session()
        async with self._database.transaction() as connection:
            if guess is not None:
                await throttle.was_right(connection, guess)
            expires_at = await store.begin(
                connection, link["id"], hash_of(session), SESSION_SECONDS, MOST_SESSIONS
            )
            if expires_at is not None:
                come_as(f"link:{link['id']}", None)
                await note_done(connection, "link", link["id"])
        if expires_at is None:
            self._count("unknown")
            raise _unknown()
        log.info("link %s: opened from %s", link["id"], address)
        return OpenedLink(session, expires_at)

    async def _check(self, link: asyncpg.Record, password: str | None, address: str) -> throttle.Guess:
        if not password:
            self._count("password-required")
            async with self._database.connection() as connection:
                [thing] = await things_of(connection, _viewer(link["id"], download=False), [link])
            raise NotAuthenticated(
                "This link asks for a password.",
                code="link-password-required",
                initials=None if thing is None else initials_of(thing["patient_name"]),
            )
        guess = await self._guess(link["id"], address)
        try:
            matches = await self.passwords.verify(link["password_hash"], password)
        except Unavailable:
            async with self._database.transaction() as connection:
                await throttle.abandon(connection, guess)
            raise
        if not matches:
            self._count("wrong-password")
            log.info("link %s: wrong password from %s", link["id"], address)
            raise NotAuthenticated("This is not the link's password.", code="wrong-password")
        return guess

    async def _guess(self, link_id: UUID | None, address: str) -> throttle.Guess:
        async with self._database.transaction() as connection:
            return await throttle.count(connection, link_id, address)

    async def session(self, presented: str | None) -> asyncpg.Record:
        """What is open in a browser. Raises NotAuthenticated."""
        async with self._database.connection() as connection:
            found = await store.get_session(connection, hash_of(presented or ""))
        if found is None:
            raise NotAuthenticated(
                "No link is open in this browser, or it is over: open it again.", code="link-session-over"
            )
        return found

    async def close(self, presented: str) -> None:
        """Forget a browser; one that nobody knows has nothing open."""
        async with self._database.connection() as connection:
            await store.end(connection, hash_of(presented))

    async def guest(self, presented: str | None) -> Guest:
        """Whom a browser speaks for. Raises NotAuthenticated."""
        found = await self.session(presented)
        viewer = _viewer(found["id"], download=found["download"])
        ended = partial(self._watch.wait, hash_of(presented or ""))
        return Guest(viewer, Lease(found["session_expires_at"], ended), found["id"])

    def _count(self, outcome: Opening) -> None:
        self._metrics.link_openings.labels(outcome).inc()


def _viewer(link_id: UUID, *, download: bool) -> Viewer:
    permissions: set[Permission] = {"view_dicomresult"}
    if download:
        permissions.add("view_dicomfile")
    return Viewer(NOBODY, MappingProxyType({}), frozenset(permissions), (f"{store.WHOM}{link_id}",))


def _unknown() -> NotFound:
    return NotFound("There is no such link: it never was, it is over, or it was taken back.")
