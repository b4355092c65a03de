"""Tokens for applications: for a code once, then for refresh tokens that replace each other."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from libs.common.audit.acts import about, come_as, note_done
from libs.common.database.postgres import Connection, Database
from libs.common.ids import UserId, new_uuid
from libs.common.security import scopes
from services.auth.identity import store as accounts
from services.auth.identity.models import Identity
from services.auth.machines.clients import InvalidClient
from services.auth.machines.secrets import hash_secret, matches
from services.auth.metrics import AuthMetrics
from services.auth.provider import store
from services.auth.provider.asking import is_registered, proves
from services.auth.provider.id_tokens import IdTokenKeys, at_hash
from services.auth.provider.models import GrantAnswer, IdTokenKeySet, Registered, UserInfo
from services.auth.sessions import rotation
from services.auth.sessions import store as sessions
from services.auth.sessions.login import Sessions, lacks_proof
from services.auth.sessions.models import Client, Session
from services.auth.sessions.signing import TokenSigner
from services.auth.sessions.signing_key import SigningKey

log = logging.getLogger(__name__)

MARK = "or_"
"""What an application's refresh token begins with."""


class InvalidGrant(Exception):
    """The code or the refresh token is worth nothing, or not to this client (RFC 6749 5.2)."""


class Granting:
    """The use cases of the token endpoint and of its neighbours; each is one transaction."""

    def __init__(
        self,
        database: Database,
        key: SigningKey,
        people: Sessions,
        issuer: str,
        lifetime: timedelta,
        metrics: AuthMetrics,
    ) -> None:
        """`people`: the sessions that applications are let in from; `lifetime` is that of access tokens."""
        self._database = database
        self._key = key
        self._people = people
        self._issuer = issuer
        self._lifetime = lifetime
        self._metrics = metrics
        self._id_keys = IdTokenKeys()

    async def key_set(self) -> IdTokenKeySet:
        """The keys that ID tokens are verified with. Raises Unavailable."""
        return self._id_keys.published(await self._key.published())

    async def client(self, client_id: str, secret: str) -> Registered:
        """The application that calls; one without a secret is believed. Raises InvalidClient."""
        async with self._database.connection() as connection:
            found = await store.find(connection, client_id)
        if found is None or not (found.secret_hash is None or matches(secret, found.secret_hash)):
            raise InvalidClient
        about("application", found.client_id)
        return found

    async def exchange(
        self, application: Registered, code: str, redirect_uri: str, verifier: str, client: Client
    ) -> GrantAnswer:
        """Tokens for a code. Raises InvalidGrant; a code that comes again ends what it gave."""
        signer = await self._key.signer()
        async with self._database.transaction() as connection:
            answer = await self._exchange(
                connection, signer, application, hash_secret(code), redirect_uri, verifier, client
            )
        # Told after the commit, which may just have ended a session.
        if answer is None:
            raise InvalidGrant
        self._metrics.application("granted")
        return answer

    async def _exchange(
        self,
        connection: Connection,
        signer: TokenSigner,
        application: Registered,
        code_hash: bytes,
        redirect_uri: str,
        verifier: str,
        client: Client,
    ) -> GrantAnswer | None:
        current = await store.hold(connection, application.client_id)
        code = await store.lock_code(connection, code_hash)
        if current is None or code is None or code.client_id != application.client_id:
            self._metrics.application("refused")
            return None
        if code.used_at is not None:
            if code.granted_id is not None:
                await sessions.revoke_session(connection, code.granted_id)
            about("application", application.client_id, replayed=True)
            self._metrics.application("replayed")
            log.warning("an authorization code came again: session of user %s ended", code.user_id)
            return None
        good = code.expires_at > code.now and code.redirect_uri == redirect_uri
        # What it was registered for when its person said yes, and still is.
        held = tuple(scope for scope in code.scopes if scope in current.scopes)
        good = good and is_registered(redirect_uri, current.redirect_uris) and held != ()
        parent = await sessions.lock_session(connection, code.session_id)
        identity = await _person(connection, parent)
        if not (good and proves(verifier, code.challenge)) or identity is None:
            await store.use_code(connection, code_hash, None)
            self._metrics.application("refused")
            return None
        token = rotation.new_token(new_uuid(), MARK)
        begun = await store.begin(
            connection,
            code.session_id,
            token.session_id,
            token.hash,
            client,
            application.client_id,
            held,
        )
        await store.use_code(connection, code_hash, None if begun is None else token.session_id)
        if begun is None:
            self._metrics.application("refused")
            return None
        await store.note_used(connection, application.client_id)
        come_as(f"user:{identity.id}", f"client:{application.client_id}")
        await note_done(connection, "session", token.session_id, scopes=list(held))
        return self._answer(signer, identity, application, token, held, *begun, code.nonce)

    async def refresh(
        self, application: Registered, presented: str, scope: str | None, client: Client
    ) -> GrantAnswer:
        """Tokens for a refresh token, with less scope if asked. Raises InvalidGrant; one that was replaced
        before ends its session."""
        signer, token = await self._key.signer(), rotation.decode(presented, MARK)
        answer = None
        if token is not None:
            async with self._database.transaction() as connection:
                answer = await self._refresh(connection, signer, application, token, scope, client)
        if answer is None:
            self._metrics.application("refused")
            raise InvalidGrant
        self._metrics.application("refreshed")
        return answer

    async def _refresh(
        self,
        connection: Connection,
        signer: TokenSigner,
        application: Registered,
        token: rotation.RefreshToken,
        scope: str | None,
        client: Client,
    ) -> GrantAnswer | None:
        current = await store.hold(connection, application.client_id)
        session = await sessions.lock_session(connection, token.session_id)
        if session is None or session.client_id != application.client_id or session.parent_id is None:
            return None
        identity = await _person(connection, session)
        if identity is None:
            return None
        held = tuple(one for one in session.scopes if current is not None and one in current.scopes)
        if scope is not None:
            held = tuple(one for one in scopes.known(scope) if one in held)
        following = await self._people.follow(connection, session, token) if held else None
        if following is None:
            return None
        await sessions.note_use(connection, session.id, client)
        await store.note_used(connection, application.client_id)
        signed_in = await store.signed_in_at(connection, session.parent_id)
        if signed_in is None:
            return None
        return self._answer(signer, identity, application, following, held, session.expires_at, signed_in)

    async def revoke(self, application: Registered, presented: str) -> None:
        """End the session of a refresh token; an unknown one is nobody's (RFC 7009 2.2)."""
        token = rotation.decode(presented, MARK)
        if token is None:
            return
        async with self._database.transaction() as connection:
            session = await sessions.lock_session(connection, token.session_id)
            if session is None or session.client_id != application.client_id:
                return
            if await sessions.revoke_by_holder(connection, token.session_id, token.hash):
                self._metrics.application("ended")
                await note_done(connection, "session", token.session_id)

    async def sign_out(self, id_token: str, client_id: str | None) -> Registered | None:
        """End the sign-in that an ID token speaks of, and all that it let in; the application that asks.

        None for an ID token that this provider did not give to `client_id`. Its age is no matter.
        """
        claims = self._id_keys.claims_of(await self._key.published(), id_token)
        if claims is None or claims["iss"] != self._issuer or client_id not in (None, claims["aud"]):
            return None
        session_id = UUID(hex=claims["sid"])
        async with self._database.transaction() as connection:
            application = await store.find(connection, claims["aud"])
            if application is None:
                return None
            parent = await store.parent_of(connection, session_id, application.client_id)
            if parent is not None:
                await sessions.revoke_session(connection, parent)
                come_as(f"user:{claims['sub']}", f"client:{application.client_id}")
                await note_done(connection, "session", parent)
                self._metrics.application("ended")
        return application

    async def user_info(self, user_id: UserId, scope: frozenset[str] | None) -> UserInfo:
        """Who somebody is, as far as the scope goes. Raises NotAuthenticated."""
        held = frozenset(scopes.SCOPES) if scope is None else scope
        return UserInfo(**_claims(await self._people.identity(user_id), held))

    def _answer(
        self,
        signer: TokenSigner,
        identity: Identity,
        application: Registered,
        token: rotation.RefreshToken,
        held: tuple[str, ...],
        expires_at: datetime,
        signed_in: datetime,
        nonce: str | None = None,
    ) -> GrantAnswer:
        now = datetime.now(UTC)
        lifetime = min(self._lifetime, max(timedelta(seconds=1), expires_at - now))
        # The panel is for people, and an application does what its scopes say and its person may.
        limited = replace(
            identity, permissions=identity.permissions & scopes.permissions_of(held), staff=False
        )
        access_token = signer.sign(
            limited,
            now,
            lifetime,
            session_id=token.session_id,
            client_id=application.client_id,
            scope=" ".join(held),
        )
        id_token = None
        if "openid" in held:
            claims = {
                "iss": self._issuer,
                "aud": application.client_id,
                "iat": int(now.timestamp()),
                "exp": int((now + lifetime).timestamp()),
                "auth_time": int(signed_in.timestamp()),
                "sid": token.session_id.hex,
                "at_hash": at_hash(access_token),
                **_claims(identity, frozenset(held)),
                **({} if nonce is None else {"nonce": nonce}),
            }
            id_token = self._id_keys.of(signer).sign(claims)
        return GrantAnswer(
            access_token=access_token,
            expires_in=int(lifetime.total_seconds()),
            refresh_token=token.encode(),
            scope=" ".join(held),
            id_token=id_token,
        )


async def _person(connection: Connection, session: Session | None) -> Identity | None:
    """Whose session it is; None for whom the portal lets no further, either.

    Their account is closed, their password has to be changed, or a group demands a second factor by now.
    """
    if session is None or await lacks_proof(connection, session):
        return None
    identity = await accounts.get_identity(connection, session.user_id)
    return None if identity is None or identity.must_change_password else identity


def _claims(identity: Identity, held: frozenset[str]) -> dict[str, str]:
    """Who somebody is (OpenID Connect Core 5.1 and 5.4); what is not known is left out."""
    told = {"sub": str(identity.id)}
    if "profile" in held:
        told |= {
            "preferred_username": identity.username,
            "name": f"{identity.first_name} {identity.last_name}".strip() or identity.username,
            "given_name": identity.first_name,
            "family_name": identity.last_name,
            "locale": identity.language,
        }
    if "email" in held:
        told["email"] = identity.email
    return {name: value for name, value in told.items() if value}
