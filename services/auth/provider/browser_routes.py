"""HTTP of the OpenID provider that a browser is led through: to a decision, and to the end of a session."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ValidationError
from yarl import URL

from libs.common.errors import InvalidRequest, PermissionDenied, TooManyRequests
from libs.common.http.authenticate import principal
from libs.common.http.json import BODY_PROBLEMS, NO_STORE, json_response, parse_query, read_body
from libs.common.http.openapi import Operation
from libs.common.http.problems import RequestHandler, invalid_request
from libs.common.ids import UserId
from services.auth.http import require_person
from services.auth.keys import AUTHORIZING, GRANTING, SETTINGS
from services.auth.machines.forms import FORM, read_form
from services.auth.provider import stranded
from services.auth.provider.asking import redirect
from services.auth.provider.authorizing import UNKNOWN_CODE
from services.auth.provider.models import (
    AuthorizationAnswer,
    AuthorizationQuery,
    AuthorizationRequest,
    EndSessionQuery,
)
from services.auth.sessions.routes import PREFIX

M = TypeVar("M", bound=BaseModel)

CONSENT_PAGE = "/authorize"
"""Of the portal: it signs its reader in, asks them, and goes on."""
AWAY = {**NO_STORE, "Referrer-Policy": "no-referrer"}


def _form_of(model: type[BaseModel]) -> dict[str, Any]:
    """What a query may say, as a form."""
    fields = model.model_fields
    return {
        "type": "object",
        "required": [name for name, field in fields.items() if field.is_required()],
        "properties": {name: {"type": "string"} for name in fields},
    }


async def authorize(request: web.Request) -> web.Response:
    """Lead a browser to the page that asks its reader; or back, with what is wrong with the request."""
    try:
        query = await _asked(request, AuthorizationQuery)
        back = await request.app[AUTHORIZING].fault(query)
    except InvalidRequest as error:
        return _told(request, error)
    page = URL(request.app[SETTINGS].base_url).path.rstrip("/") + CONSENT_PAGE
    return _see(back or f"{page}?{urlencode(query.model_dump(exclude_none=True))}")


async def decide_authorization(request: web.Request) -> web.Response:
    """Let an application in or not, as whoever is signed in; or learn what it asks for."""
    require_person(request)
    caller, asked = principal(request), await read_body(request, AuthorizationRequest)
    if caller.session_id is None:
        raise PermissionDenied("Sign in first: applications are let in from a session.")
    answer = await request.app[AUTHORIZING].decide(UserId(caller.user_id), UUID(hex=caller.session_id), asked)
    return json_response(answer)


async def end_session(request: web.Request) -> web.Response:
    """Sign out where an ID token says who, and lead the browser back (RP-Initiated Logout)."""
    try:
        query = await _asked(request, EndSessionQuery)
    except InvalidRequest as error:
        return _told(request, error)
    settings, granting = request.app[SETTINGS], request.app[GRANTING]
    home = _home(request)
    if query.id_token_hint is None:
        # Whoever is meant signs out there themselves: a foreign page may not do it for them.
        return _see(home)
    application = await granting.sign_out(query.id_token_hint, query.client_id)
    if application is None:
        wrong = InvalidRequest("The id_token_hint is no ID token of this provider for this client.")
        return _told(request, wrong)
    where = query.post_logout_redirect_uri
    if where is None or where not in application.post_logout_redirect_uris:
        return _see(home)
    return _see(redirect(where, f"{settings.base_url}{PREFIX}", query.state, {}))


async def _asked(request: web.Request, model: type[M]) -> M:
    """What a browser was sent here with, as a query or as a form (OpenID Connect Core 3.1.2.1).

    Raises InvalidRequest, and for a form as `read_form`.
    """
    if request.method != "POST":
        return parse_query(request, model)
    try:
        return model.model_validate(await read_form(request))
    except ValidationError as error:
        raise invalid_request(error) from error


def _home(request: web.Request) -> str:
    return URL(request.app[SETTINGS].base_url).path.rstrip("/") + "/"


def _told(request: web.Request, error: InvalidRequest) -> web.Response:
    """Why the browser goes nowhere: in words to somebody who sees it, else as the problem that it is."""
    if not stranded.is_asked_for(request.headers.get("Accept", "")):
        raise error
    return stranded.page(
        _home(request),
        unknown=error.code == UNKNOWN_CODE,
        accepted=request.headers.get("Accept-Language", ""),
        status=error.status,
    )


def _see(url: str) -> web.Response:
    return web.Response(status=302, headers={**AWAY, "Location": url})


def _led(path: str, handler: RequestHandler, summary: str, query: type[BaseModel]) -> tuple[Operation, ...]:
    """Where applications send browsers, with a query or with a form that says the same."""
    led = Operation(
        "GET",
        path,
        handler,
        summary,
        audited="refusals",
        tag="applications",
        query=query,
        refusal_types=(stranded.HTML,),
        status=302,
        public=True,
    )
    by_form = replace(
        led,
        method="POST",
        summary="The same, of an application that has a browser send a form",
        query=None,
        body={FORM: _form_of(query)},
        problems=BODY_PROBLEMS,
        operation_id=f"{handler.__name__}_by_form",
    )
    return led, by_form


OPERATIONS = (
    *_led(
        "/oauth/authorize",
        authorize,
        "Where an application sends a browser to have its reader sign in",
        AuthorizationQuery,
    ),
    Operation(
        "POST",
        "/oauth/authorizations",
        decide_authorization,
        "Let an application in, or learn what it asks for",
        tag="applications",
        body=AuthorizationRequest,
        response=AuthorizationAnswer,
        problems=(*BODY_PROBLEMS, TooManyRequests),
    ),
    *_led(
        "/oauth/end-session",
        end_session,
        "Where an application sends a browser to sign its reader out",
        EndSessionQuery,
    ),
)
