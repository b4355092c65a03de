"""Letting an application in: who is signed in decides, and the browser carries a code to it."""

from __future__ import annotations

from uuid import UUID

from libs.common.audit.acts import about, note_done
from libs.common.database.postgres import Database
from libs.common.errors import InvalidRequest, NotAuthenticated, TooManyRequests
from libs.common.ids import UserId
from services.auth.machines.secrets import hash_secret, new_secret
from services.auth.metrics import AuthMetrics
from services.auth.provider import store
from services.auth.provider.asking import Fault, WithinScope, check, host_of, is_registered, redirect
from services.auth.provider.models import (
    AuthorizationAnswer,
    AuthorizationQuery,
    AuthorizationRequest,
    Registered,
)

MOST_CODES = 20
"""That an account is given within the life of one: no reader opens so many viewers in a minute."""
UNKNOWN_CODE = "unknown-application"
UNKNOWN = "This application is not registered here, or not with this address; its administrator can say more."


class Authorizing:
    """The use cases of the authorization endpoint."""

    def __init__(self, database: Database, issuer: str, metrics: AuthMetrics) -> None:
        """`issuer` is who answers, as applications know it."""
        self._database = database
        self._issuer = issuer
        self._metrics = metrics

    async def application(self, query: AuthorizationQuery) -> Registered:
        """Who asks. Raises InvalidRequest for an address that nothing may be told: it is no application's."""
        async with self._database.connection() as connection:
            found = await store.find(connection, query.client_id)
        if found is None or not is_registered(query.redirect_uri, found.redirect_uris):
            raise InvalidRequest(UNKNOWN, code=UNKNOWN_CODE)
        about("application", found.client_id)
        return found

    async def fault(self, query: AuthorizationQuery) -> str | None:
        """The address that tells an application what is wrong with its request; None: nothing is.

        Raises InvalidRequest.
        """
        asked = check(query, await self.application(query))
        return self._refused(query, asked) if isinstance(asked, Fault) else None

    async def decide(
        self, user_id: UserId, session_id: UUID, request: AuthorizationRequest
    ) -> AuthorizationAnswer:
        """Where the browser goes on to, or what its reader is to be asked.

        Raises InvalidRequest, NotAuthenticated (the sign-in is over) or TooManyRequests.
        """
        application = await self.application(request)
        asked = check(request, application)
        answer = AuthorizationAnswer(
            name=application.name, host=host_of(request.redirect_uri), scopes=[], redirect_to=None
        )
        if isinstance(asked, Fault):
            return answer.model_copy(update={"redirect_to": self._refused(request, asked)})
        if request.decision == "deny":
            self._metrics.application("denied")
            fault = Fault("access_denied", "Its reader has not let the application in.")
            return answer.model_copy(update={"redirect_to": self._refused(request, fault)})
        if request.decision is None and (asked.consent or not application.trusted):
            return answer.model_copy(update={"scopes": list(asked.scopes)})
        code = await self._code(user_id, session_id, application, request.redirect_uri, asked)
        self._metrics.application("let-in")
        where = redirect(request.redirect_uri, self._issuer, request.state, {"code": code})
        return answer.model_copy(update={"redirect_to": where})

    async def _code(
        self,
        user_id: UserId,
        session_id: UUID,
        application: Registered,
        redirect_uri: str,
        asked: WithinScope,
    ) -> str:
        code = new_secret()
        async with self._database.transaction() as connection:
            lately = await store.count_codes(connection, user_id)
            if lately is not None and lately >= MOST_CODES:
                raise TooManyRequests("Applications were let in too often: wait a minute.", retry_after=60)
            made = lately is not None and await store.insert_code(
                connection, hash_secret(code), application.client_id, session_id, redirect_uri, asked
            )
            if not made:
                raise NotAuthenticated("The session is over; sign in again.")
            await note_done(connection, "application", application.client_id, scopes=list(asked.scopes))
        return code

    def _refused(self, query: AuthorizationQuery, fault: Fault) -> str:
        told = {"error": fault.error, "error_description": fault.description}
        return redirect(query.redirect_uri, self._issuer, query.state, told)
