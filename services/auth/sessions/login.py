"""Signing in, staying signed in, signing out."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from libs.common.audit.acts import about, come_as, note_done
from libs.common.database.postgres import Connection, Database
from libs.common.errors import NotAuthenticated, PermissionDenied, Unavailable, WrongCredentials
from libs.common.ids import UserId, new_uuid
from libs.common.security.passwords import Passwords
from services.auth.identity import store as accounts
from services.auth.identity.models import Account, Identity, normal_username
from services.auth.metrics import AuthMetrics
from services.auth.second_factor import store as factors
from services.auth.second_factor.models import Method, Standing
from services.auth.sessions import rotation, store
from services.auth.sessions.models import Client, Session, SessionProof
from services.auth.sessions.rotation import Decision, RefreshToken
from services.auth.sessions.signing import TokenSigner
from services.auth.sessions.signing_key import SigningKey
from services.auth.sessions.throttle import Attempt, Throttle
from services.auth.settings import AuthSettings

log = logging.getLogger(__name__)

WRONG_CREDENTIALS = "Wrong user name or password."
SESSION_OVER = "The session is over; sign in again."
CHALLENGE_LIFE = timedelta(minutes=5)
"""How long a sign-in may wait for its second factor."""


@dataclass(frozen=True)
class Grant:
    """What a signed-in client gets; lifetimes in seconds."""

    access_token: str
    expires_in: int
    refresh_token: str
    session_expires_in: int


@dataclass(frozen=True)
class Challenge:
    """What somebody gets who knows the password, and must prove more; lifetime in seconds."""

    token: str
    expires_in: int
    methods: tuple[Method, ...]


class Sessions:
    """The use cases of a session; each is one transaction, and none holds a connection while hashing."""

    def __init__(
        self,
        database: Database,
        passwords: Passwords,
        key: SigningKey,
        settings: AuthSettings,
        metrics: AuthMetrics,
        throttle: Throttle,
    ) -> None:
        """All of them are shared with the rest of the service."""
        self._database = database
        self._passwords = passwords
        self._key = key
        self._metrics = metrics
        self._throttle = throttle
        self._by_password = settings.password_sign_in
        self._lifetime = timedelta(seconds=settings.access_token_seconds)
        self._session_seconds = settings.session_seconds
        self._idle = timedelta(seconds=settings.session_idle_seconds)
        self._grace = timedelta(seconds=settings.refresh_grace_seconds)

    async def sign_in(self, username: str, password: str, client: Client) -> Grant | Challenge:
        """Begin a session, or ask for the second factor of an account that has, or must have, one.

        Raises WrongCredentials, which never tells what was wrong, PermissionDenied where passwords are turned
        off, TooManyRequests or Unavailable.
        """
        try:
            await self._require_by_password(username)
            signer = await self._key.signer()
            attempt = await self._throttle.begin(username, client.address)
            try:
                account = await self._check(username, password, stranger=not attempt.known)
            except Unavailable:
                await self._throttle.abandon(attempt)
                raise
            begun = await self._begin(signer, account, password, client, attempt)
        except Unavailable:
            self._metrics.signed_in("busy")
            raise
        self._metrics.signed_in("ok" if isinstance(begun, Grant) else "challenged")
        return begun

    async def _require_by_password(self, username: str) -> None:
        if self._by_password:
            return
        account = await self._find(username)
        if account is not None:
            async with self._database.connection() as connection:
                if await accounts.is_let_in(connection, account.id):
                    return
        self._metrics.signed_in("turned_off")
        raise PermissionDenied(
            "Passwords are turned off: sign in with a provider.", code="password-sign-in-off"
        )

    async def _check(self, username: str, password: str, *, stranger: bool) -> Account:
        account = await self._find(username)
        about("user", *(() if account is None else (account.id,)))
        encoded = None if account is None else account.password
        matches = await self._passwords.verify(encoded, password, stranger=stranger)
        if account is None or not matches:
            self._metrics.signed_in("wrong_credentials")
            raise WrongCredentials(WRONG_CREDENTIALS)
        if not account.is_active:
            self._metrics.signed_in("inactive")
            raise WrongCredentials(WRONG_CREDENTIALS)
        return account

    async def _begin(
        self, signer: TokenSigner, account: Account, password: str, client: Client, attempt: Attempt
    ) -> Grant | Challenge:
        renewed = None
        if self._passwords.outdated(account.password):
            renewed = await self._passwords.hash(password)
        async with self._database.transaction() as connection:
            unchanged = await accounts.lock_unchanged(connection, account)
            identity = await accounts.get_identity(connection, account.id) if unchanged else None
            if identity is None:
                self._metrics.signed_in("inactive")
                raise WrongCredentials(WRONG_CREDENTIALS)
            await self._throttle.succeeded(connection, attempt)
            if renewed is not None:
                await accounts.replace_hash(connection, account.id, account.password, renewed)
            asked = await factors.asked(connection, account.id)
            if not asked.any:
                return await self.open(connection, signer, identity, client, "password")
            return await self.challenge(connection, signer, account.id, asked)

    async def challenge(
        self,
        connection: Connection,
        signer: TokenSigner,
        user_id: UserId,
        asked: Standing,
        identity_id: UUID | None = None,
    ) -> Challenge:
        """Ask for the second factor within the caller's transaction.

        `identity_id`: of who was let in by a provider.
        """
        challenge_id, seconds = new_uuid(), CHALLENGE_LIFE.total_seconds()
        await factors.insert_challenge(connection, challenge_id, user_id, seconds, identity_id)
        come_as(f"user:{user_id}", None)
        await note_done(connection, "challenge", challenge_id)
        token = signer.sign_challenge(challenge_id, datetime.now(UTC), CHALLENGE_LIFE)
        return Challenge(token, int(seconds), asked.methods)

    async def open(
        self,
        connection: Connection,
        signer: TokenSigner,
        identity: Identity,
        client: Client,
        proof: SessionProof,
        identity_id: UUID | None = None,
    ) -> Grant:
        """Begin a session within the caller's transaction, once everything is proved that is asked for.

        `identity_id`: of who was let in by a provider.
        """
        token = rotation.new_token(new_uuid())
        await accounts.note_login(connection, identity.id)
        expires_at = await store.insert_session(
            connection,
            token.session_id,
            identity.id,
            token.hash,
            self._session_seconds,
            client,
            proof,
            identity_id,
        )
        come_as(f"user:{identity.id}", f"session:{token.session_id.hex}")
        await note_done(connection, "session", token.session_id, proof=proof)
        return self._grant(signer, identity, token, expires_at)

    async def refresh(self, presented: str, client: Client, *, former: bool = False) -> Grant:
        """Exchange a refresh token. Raises NotAuthenticated; a token used before ends its session.

        `former`: it came in a cookie that only the release before has set.
        """
        try:
            grant = await self._refresh(presented, client, former=former)
        except Unavailable:
            self._metrics.refreshed("busy")
            raise
        self._metrics.refreshed("ok")
        return grant

    async def _refresh(self, presented: str, client: Client, *, former: bool) -> Grant:
        signer, token = await self._key.signer(), rotation.decode(presented)
        if token is None:
            self._metrics.refreshed("refused")
            raise NotAuthenticated(SESSION_OVER)
        async with self._database.transaction() as connection:
            session = await store.lock_session(connection, token.session_id)
            about("session", token.session_id)
            identity = None if session is None else await accounts.get_identity(connection, session.user_id)
            # Any host of the domain can plant a cookie of the former name, with a session of its own. What an
            # application uses is nobody's own, either.
            planted = session is not None and (
                (former and session.remote_address != "") or session.client_id is not None
            )
            if session is None or identity is None or planted or await lacks_proof(connection, session):
                self._metrics.refreshed("refused")
                raise NotAuthenticated(SESSION_OVER)
            following = await self.follow(connection, session, token)
            if following is not None:
                await store.note_use(connection, session.id, client)
        # Raised after the commit, which may just have ended the session.
        if following is None:
            raise NotAuthenticated(SESSION_OVER)
        return self._grant(signer, identity, following, session.expires_at)

    async def sign_out(self, presented: str) -> None:
        """End the session of a refresh token; an unknown one is nobody's session (RFC 7009 2.2)."""
        token = rotation.decode(presented)
        if token is not None:
            async with self._database.transaction() as connection:
                if await store.revoke_by_holder(connection, token.session_id, token.hash):
                    await note_done(connection, "session", token.session_id)

    async def identity(self, user_id: UserId) -> Identity:
        """The account as it is now. Raises NotAuthenticated when it has been closed."""
        async with self._database.connection() as connection:
            identity = await accounts.get_identity(connection, user_id)
        if identity is None:
            raise NotAuthenticated("This account is closed.")
        return identity

    async def _find(self, username: str) -> Account | None:
        try:
            name = normal_username(username)
        except ValueError:
            return None
        async with self._database.connection() as connection:
            return await accounts.find_account(connection, name)

    async def follow(
        self, connection: Connection, session: Session, token: RefreshToken
    ) -> RefreshToken | None:
        """Do what `rotation.decide` says, in the caller's transaction; the token to answer with, or None."""
        match rotation.decide(session, token, self._grace, self._idle):
            case Decision.ROTATE:
                salt = rotation.new_salt()
                following = token.successor(salt)
                await store.rotate_session(connection, session.id, following.hash, salt)
                return following
            case Decision.KEEP:
                return token
            case Decision.REPEAT if session.rotation_salt is not None:
                return token.successor(session.rotation_salt)
            case Decision.REVOKE:
                await store.revoke_session(connection, session.id)
                about("session", session.id, reused=True)
                self._metrics.refreshed("reused")
                log.warning("a replaced refresh token came again: session of user %s ended", session.user_id)
                return None
        self._metrics.refreshed("refused")
        return None

    def _grant(
        self, signer: TokenSigner, identity: Identity, token: RefreshToken, expires_at: datetime
    ) -> Grant:
        now = datetime.now(UTC)
        left = max(timedelta(seconds=1), expires_at - now)
        lifetime = min(self._lifetime, left)
        return Grant(
            access_token=signer.sign(identity, now, lifetime, session_id=token.session_id),
            expires_in=int(lifetime.total_seconds()),
            refresh_token=token.encode(),
            session_expires_in=int(left.total_seconds()),
        )


async def lacks_proof(connection: Connection, session: Session) -> bool:
    """Whether a group demands more by now than the session was begun with."""
    return session.proof != "second-factor" and await factors.is_required(connection, session.user_id)
