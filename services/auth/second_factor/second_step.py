"""The second step of a sign-in: from the right password, by a code, to a session."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from libs.common.audit.acts import about, come_as, note_done
from libs.common.database.postgres import Database
from libs.common.errors import NotAuthenticated, Unavailable
from services.auth.identity import store as accounts
from services.auth.metrics import AuthMetrics
from services.auth.second_factor import store
from services.auth.second_factor.checking import WRONG_CODE, Codes, NewCodes, RightCode, RightStep, wrong_code
from services.auth.second_factor.models import Challenged, NewAuthenticator
from services.auth.sessions import store as session_store
from services.auth.sessions.login import Grant, Sessions
from services.auth.sessions.models import Client
from services.auth.sessions.signing_key import SigningKey
from services.auth.sessions.throttle import Attempt, Throttle


@dataclass(frozen=True)
class SignedIn:
    """What a client gets that has proved everything; recovery codes where it has just set up its app."""

    grant: Grant
    recovery_codes: list[str] | None


@dataclass(frozen=True)
class FirstCode:
    """What confirms a new authenticator, and the recovery codes that come with it."""

    step: RightStep
    new: NewCodes


class SecondStep:
    """Each step is one transaction; a challenge becomes one session, once."""

    def __init__(
        self,
        database: Database,
        key: SigningKey,
        sessions: Sessions,
        codes: Codes,
        throttle: Throttle,
        metrics: AuthMetrics,
    ) -> None:
        """All of them are shared with the rest of the service."""
        self._database = database
        self._key = key
        self._sessions = sessions
        self._codes = codes
        self._throttle = throttle
        self._metrics = metrics

    async def enrol(self, challenge_token: str) -> NewAuthenticator:
        """A new authenticator for an account that has none. Raises NotAuthenticated or Unavailable."""
        challenged = await self._find(challenge_token)
        async with self._database.transaction() as connection:
            await store.lock_user(connection, challenged.user_id)
            if await store.find_challenge(connection, challenged.id) is None:
                raise _over()
            made = await self._codes.begin(connection, challenged.user_id, challenged.username)
            if made is None:
                # Whoever knows the password alone does not replace it.
                raise _over()
            come_as(f"user:{challenged.user_id}", f"challenge:{challenged.id.hex}")
            await note_done(connection, "user", challenged.user_id, second_factor="begun")
        return made

    async def complete(self, challenge_token: str, code: str, client: Client) -> SignedIn:
        """Begin the session. Raises NotAuthenticated, TooManyRequests or Unavailable."""
        try:
            challenged = await self._find(challenge_token)
            about("user", challenged.user_id)
            attempt = await self._throttle.begin_code(challenged.username, client.address)
            try:
                async with self._database.connection() as connection:
                    asked = await store.asked(connection, challenged.user_id)
                right = await self._look(challenged, code, confirmed=asked.confirmed_at is not None)
                signed_in = await self._begin(challenged, right, client, attempt)
            except Unavailable:
                await self._throttle.abandon(attempt)
                raise
        except Unavailable:
            self._metrics.signed_in("busy")
            raise
        except NotAuthenticated as error:
            if error.code == WRONG_CODE:
                self._metrics.signed_in("wrong_code")
            raise
        self._metrics.signed_in("ok")
        return signed_in

    async def _find(self, challenge_token: str) -> Challenged:
        now = datetime.now(UTC)
        # One of before the last rotation is good until its end.
        read = (signer.read_challenge(challenge_token, now) for signer in await self._key.published())
        challenge_id = next((found for found in read if found is not None), None)
        if challenge_id is None:
            raise _over()
        async with self._database.connection() as connection:
            challenged = await store.find_challenge(connection, challenge_id)
        if challenged is None:
            raise _over()
        return challenged

    async def _look(self, challenged: Challenged, code: str, *, confirmed: bool) -> RightCode | FirstCode:
        """Raises NotAuthenticated or Unavailable."""
        if confirmed:
            right = await self._codes.look(challenged.user_id, code)
            if right is None:
                raise wrong_code()
            return right
        first = await self._codes.first(challenged.user_id, code)
        if first is None:
            raise wrong_code()
        return FirstCode(first, await self._codes.new_recovery_codes())

    async def _begin(
        self, challenged: Challenged, right: RightCode | FirstCode, client: Client, attempt: Attempt
    ) -> SignedIn:
        signer = await self._key.signer()
        async with self._database.transaction() as connection:
            # In the order of whoever changes the account: its row first.
            await store.lock_user(connection, challenged.user_id)
            if not await store.use_challenge(connection, challenged.id):
                raise _over()
            identity = await accounts.get_identity(connection, challenged.user_id)
            if identity is None:
                raise _over()
            if isinstance(right, FirstCode):
                await self._codes.confirm(connection, challenged.user_id, right.step, right.new)
                # Those of before were begun with the password alone.
                await session_store.revoke_sessions(connection, challenged.user_id)
            else:
                await self._codes.use(connection, challenged.user_id, right)
            await self._throttle.succeeded(connection, attempt)
            grant = await self._sessions.open(
                connection, signer, identity, client, "second-factor", challenged.identity_id
            )
        return SignedIn(grant, right.new.shown if isinstance(right, FirstCode) else None)


def _over() -> NotAuthenticated:
    """Expired, used, of a former password, or none of ours: the cases are not told apart."""
    return NotAuthenticated("This sign-in has taken too long: begin anew.", code="challenge-over")
