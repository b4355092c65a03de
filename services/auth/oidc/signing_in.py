"""Signing in with a provider: who comes, which account is theirs, which groups they are in."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from uuid import UUID

from yarl import URL

from libs.common.audit.acts import about, come_as, note_done
from libs.common.database.postgres import Connection, Database
from libs.common.errors import NotFound, SignInRefused, Unavailable
from libs.common.ids import UserId, new_uuid
from services.auth.identity import store as accounts
from services.auth.metrics import AuthMetrics
from services.auth.oidc import round_trip, store
from services.auth.oidc.client import MISMATCH, ProviderAnswer, ProviderClient
from services.auth.oidc.id_token import IdToken
from services.auth.oidc.person import groups_of, is_admitted, profile_of, usernames
from services.auth.oidc.providers import Provider
from services.auth.oidc.round_trip import Linking, RoundTrip, RoundTripSeal
from services.auth.oidc.transport import Transport
from services.auth.second_factor import store as factors
from services.auth.sessions import rotation
from services.auth.sessions.login import Challenge, Grant, Sessions
from services.auth.sessions.models import Client, SessionProof
from services.auth.sessions.signing import TokenSigner
from services.auth.sessions.signing_key import SigningKey
from services.auth.sessions.throttle import Throttle
from services.auth.users import store as users

log = logging.getLogger(__name__)

UNKNOWN_PROVIDER = "There is no provider of this name."
CLOSED = "This account is closed."
EXPIRED = "This sign-in has taken too long, or was begun in another browser: sign in again."


@dataclass(frozen=True)
class Departure:
    """Where the browser goes, and the cookie that it takes along."""

    url: str
    cookie: str


@dataclass(frozen=True)
class Arrival:
    """Where the browser goes next; `begun` is None where an account was linked."""

    next_page: str
    begun: Grant | Challenge | None


class ProviderSignIn:
    """The use cases of signing in with a provider."""

    def __init__(
        self,
        database: Database,
        key: SigningKey,
        sessions: Sessions,
        throttle: Throttle,
        providers: Sequence[Provider],
        base_url: str,
        metrics: AuthMetrics,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`base_url` begins the redirect URIs; `clock` counts from 1970."""
        self._database = database
        self._key = key
        self._sessions = sessions
        self._throttle = throttle
        self._metrics = metrics
        self._clock = clock
        self._clients = {
            provider.name: ProviderClient(
                provider, Transport(provider.ca_file), f"{base_url}/api/auth/oidc/{provider.name}/callback"
            )
            for provider in providers
        }
        self._base_url = base_url
        metrics.know_providers(self._clients)

    @property
    def providers(self) -> list[Provider]:
        """In the order of the file."""
        return [client.provider for client in self._clients.values()]

    def provider(self, name: str) -> Provider:
        """Raises NotFound."""
        return self._client(name).provider

    async def depart(self, name: str, next_page: str, linking: Linking | None = None) -> Departure:
        """Begin a round trip. Raises NotFound or Unavailable."""
        client = self._client(name)
        trip = round_trip.begin(name, client.provider.issuer, next_page, self._clock(), linking)
        url = await client.question(trip)
        return Departure(url, (await self._seals())[0].seal(trip))

    async def trip_of(self, cookie: str | None) -> RoundTrip | None:
        """The round trip that a browser is on. Raises Unavailable."""
        now = self._clock()
        # One of before the last rotation is good until its end.
        opened = (seal.open(cookie, now) for seal in await self._seals())
        return next((trip for trip in opened if trip is not None), None)

    async def arrive(
        self, name: str, trip: RoundTrip | None, answer: ProviderAnswer, caller: Client
    ) -> Arrival:
        """End a round trip. Raises NotFound, SignInRefused, TooManyRequests or Unavailable."""
        client = self._client(name)
        about("session", provider=name)
        if trip is None:
            raise SignInRefused(EXPIRED, code="sign-in-expired")
        if trip.provider != name:
            raise SignInRefused(MISMATCH, code="sign-in-mismatch")
        attempt = await self._throttle.begin_elsewhere(caller.address)
        token = await client.redeem(trip, answer, self._clock())
        if not is_admitted(token.claims, client.provider.required_claims):
            raise SignInRefused("The provider says nothing that lets you in here.", code="not-admitted")
        arrival = await self._enter(client.provider, trip, token, caller)
        await self._throttle.abandon(attempt)
        return arrival

    async def _enter(self, provider: Provider, trip: RoundTrip, token: IdToken, caller: Client) -> Arrival:
        signer = await self._key.signer()
        begun: Grant | Challenge | None
        async with self._database.transaction() as connection:
            if not await store.use_round_trip(connection, trip.id, 2 * round_trip.SECONDS):
                raise SignInRefused(EXPIRED, code="sign-in-expired")
            if trip.linking is not None:
                await self._link(connection, provider, token, trip.linking)
                begun = None
            else:
                identity_id, user_id = await self._account(connection, provider, token)
                await self._follow_groups(connection, provider, token, user_id)
                await store.note_use(connection, identity_id)
                trusted = token.has_factor(provider.second_factor_amr, provider.second_factor_acr)
                begun = await self._begin(connection, signer, user_id, caller, identity_id, trusted=trusted)
        return Arrival(trip.next_page, begun)

    async def _begin(
        self,
        connection: Connection,
        signer: TokenSigner,
        user_id: UserId,
        caller: Client,
        identity_id: UUID,
        *,
        trusted: bool,
    ) -> Grant | Challenge:
        """The session, or what is missing. `trusted`: the provider has asked for a second factor."""
        identity = await accounts.get_identity(connection, user_id)
        if identity is None:
            raise SignInRefused(CLOSED, code="account-closed")
        asked = await factors.asked(connection, user_id)
        if asked.any and not trusted:
            return await self._sessions.challenge(connection, signer, user_id, asked, identity_id)
        proof: SessionProof = "second-factor" if trusted else "provider"
        return await self._sessions.open(connection, signer, identity, caller, proof, identity_id)

    async def sign_out(self, presented: str) -> str | None:
        """End a session, here; where the browser goes to end the provider's too.

        Raises Unavailable without the database; a provider that is away is no reason to stay signed in.
        """
        token, issuer = rotation.decode(presented), None
        if token is not None:
            async with self._database.connection() as connection:
                issuer = await store.issuer_of_session(connection, token.session_id, token.hash)
        await self._sessions.sign_out(presented)
        client = next((one for one in self._clients.values() if one.provider.issuer == issuer), None)
        if client is None:
            return None
        try:
            endpoint = (await client.discovery.metadata()).end_session_endpoint
        except Unavailable as error:
            log.warning("signed out here only: %s", error.detail)
            return None
        if endpoint is None:
            return None
        asked = {
            "client_id": client.provider.client_id,
            "post_logout_redirect_uri": f"{self._base_url}/sign-in",
        }
        return str(URL(endpoint).update_query(asked))

    async def close(self) -> None:
        """Close the connections to all providers."""
        for client in self._clients.values():
            await client.close()

    def _client(self, name: str) -> ProviderClient:
        found = self._clients.get(name)
        if found is None:
            raise NotFound(UNKNOWN_PROVIDER)
        return found

    async def _seals(self) -> list[RoundTripSeal]:
        """Of every published key; the first one seals."""
        return [RoundTripSeal(signer.derived(round_trip.PURPOSE)) for signer in await self._key.published()]

    async def _account(
        self, connection: Connection, provider: Provider, token: IdToken
    ) -> tuple[UUID, UserId]:
        """The identity and its account, made if the provider may. Raises SignInRefused."""
        await store.lock_subject(connection, provider.issuer, token.subject)
        found = await store.find(connection, provider.issuer, token.subject)
        if found is not None:
            identity_id, user_id, active = found
            come_as(f"user:{user_id}", None)
            if not active:
                raise SignInRefused(CLOSED, code="account-closed")
            return identity_id, user_id
        if not provider.create_accounts:
            raise SignInRefused(
                "No account here is linked to yours at the provider: ask an administrator.",
                code="account-unknown",
            )
        user_id, identity_id = await _make_account(connection, provider, token), new_uuid()
        await store.insert(connection, identity_id, user_id, provider.issuer, token.subject)
        self._metrics.made_account(provider.name)
        return identity_id, user_id

    async def _follow_groups(
        self, connection: Connection, provider: Provider, token: IdToken, user_id: UserId
    ) -> None:
        """Have the account in those of the mapped groups that the claim names, and in no other of them."""
        mapped = await _group_ids(connection, provider, provider.groups.values())
        wanted = {mapped[name] for name in groups_of(token.claims, provider) if name in mapped}
        before = await users.groups_of(connection, user_id)
        after = (before - set(mapped.values())) | wanted
        if after != before:
            await users.set_groups(connection, user_id, sorted(after))
            await users.bump_access(connection, [user_id])
            added, removed = sorted(after - before), sorted(before - after)
            await note_done(connection, "user", user_id, change="groups", added=added, removed=removed)

    async def _link(
        self, connection: Connection, provider: Provider, token: IdToken, linking: Linking
    ) -> None:
        """Link the identity to who has asked for it, and is signed in still. Raises SignInRefused."""
        come_as(f"user:{linking.user_id}", f"session:{linking.session_id.hex}")
        if not await store.session_lives(connection, linking.session_id, linking.user_id):
            raise SignInRefused(EXPIRED, code="sign-in-expired")
        await store.lock_subject(connection, provider.issuer, token.subject)
        found = await store.find(connection, provider.issuer, token.subject)
        if found is not None and found[1] != linking.user_id:
            raise SignInRefused("Another account is linked to this one already.", code="identity-taken")
        if found is None:
            identity_id = new_uuid()
            await store.insert(connection, identity_id, linking.user_id, provider.issuer, token.subject)
            await note_done(connection, "identity", identity_id, change="added")


async def _make_account(connection: Connection, provider: Provider, token: IdToken) -> UserId:
    """An account without a password, under a name that nobody has."""
    user_id = await _insert_under_free_name(connection, provider, token)
    groups = await _group_ids(connection, provider, provider.new_account_groups)
    await users.set_groups(connection, user_id, sorted(groups.values()))
    come_as(f"user:{user_id}", None)
    await note_done(connection, "user", user_id, change="added", groups=sorted(groups.values()))
    return user_id


async def _insert_under_free_name(connection: Connection, provider: Provider, token: IdToken) -> UserId:
    profile, names = profile_of(token.claims), usernames(token.claims, provider.username_claim)
    while True:
        user_id = await store.insert_person(
            connection, next(names), profile.first_name, profile.last_name, profile.email
        )
        if user_id is not None:
            return user_id


async def _group_ids(connection: Connection, provider: Provider, names: Iterable[str]) -> dict[str, int]:
    """Our groups by name. One that is not there gives nobody anything."""
    wanted = frozenset(names)
    found = await store.group_ids(connection, wanted)
    for missing in sorted(wanted - found.keys()):
        log.warning("the provider %s speaks of the group %s, which is not here", provider.name, missing)
    return found
