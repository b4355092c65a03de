"""HTTP of machines: the token route, one's own API keys, service accounts."""

from __future__ import annotations

from aiohttp import web

from libs.common.errors import (
    Conflict,
    NotAuthenticated,
    NotFound,
)
from libs.common.http.authenticate import principal
from libs.common.http.json import BODY_PROBLEMS, json_response, parse_query, read_body
from libs.common.http.openapi import Operation
from libs.common.http.path import path_uuid
from libs.common.security.api_keys import ACCESS_TOKEN_TYPE, API_KEY_TYPE, TOKEN_EXCHANGE
from services.auth.http import path_id, read_actor, require_person
from services.auth.keys import API_KEYS, CLIENTS
from services.auth.machines import api_keys
from services.auth.machines.assertions import ASSERTION_TYPE
from services.auth.machines.clients import UNKNOWN, InvalidClient, InvalidScope
from services.auth.machines.forms import FORM, credentials, read_form, refusal
from services.auth.machines.models import (
    AccountApiKeyList,
    AccountApiKeyQuery,
    ApiKeyCreate,
    ApiKeyList,
    NewApiKey,
    NewServiceAccount,
    ServiceAccountCreate,
    ServiceAccountList,
    TokenAnswer,
    TokenRefusal,
)
from services.auth.machines.tokens import MachineToken

CLIENT_CREDENTIALS = "client_credentials"
_FIELDS = (
    "grant_type",
    "scope",
    "client_id",
    "client_secret",
    "client_assertion_type",
    "client_assertion",
    "subject_token",
    "subject_token_type",
)
FORM_SCHEMA = {
    "type": "object",
    "required": ["grant_type"],
    "properties": {name: {"type": "string"} for name in _FIELDS},
}


async def token(request: web.Request) -> web.Response:
    """An access token for a service account or an API key (RFC 6749 4.4, RFC 7523, RFC 8693)."""
    form = await read_form(request)
    match form.get("grant_type"):
        case "client_credentials":
            return await _client_credentials(request, form)
        case str(grant) if grant == TOKEN_EXCHANGE:
            return await _exchange(request, form)
        case None:
            return refusal(400, "invalid_request", "Name the grant_type.")
        case _:
            return refusal(
                400, "unsupported_grant_type", f"Use {CLIENT_CREDENTIALS}, or {TOKEN_EXCHANGE} for API keys."
            )


async def _client_credentials(request: web.Request, form: dict[str, str]) -> web.Response:
    clients, scope = request.app[CLIENTS], form.get("scope")
    try:
        if "client_assertion" in form:
            if form.get("client_assertion_type") != ASSERTION_TYPE:
                return refusal(400, "invalid_request", f"client_assertion_type must be {ASSERTION_TYPE}.")
            return _answer(await clients.with_assertion(form["client_assertion"], scope))
        client_id, secret = credentials(request, form)
        return _answer(await clients.with_secret(client_id, secret, scope))
    except InvalidClient:
        return refusal(401, "invalid_client", "The client did not prove who it is.")
    except InvalidScope:
        return refusal(400, "invalid_scope", "The client does not have all that it asks for.")


async def _exchange(request: web.Request, form: dict[str, str]) -> web.Response:
    if form.get("subject_token_type") != API_KEY_TYPE or "subject_token" not in form:
        return refusal(400, "invalid_request", f"Send an API key as subject_token of type {API_KEY_TYPE}.")
    try:
        found = await request.app[API_KEYS].exchange(form["subject_token"])
    except NotAuthenticated:
        return refusal(400, "invalid_grant", api_keys.REFUSED)
    return _answer(found, issued=ACCESS_TOKEN_TYPE)


def _answer(found: MachineToken, issued: str | None = None) -> web.Response:
    answer = TokenAnswer(
        access_token=found.access_token,
        expires_in=found.expires_in,
        scope=" ".join(sorted(found.scope)),
        issued_token_type=issued,
    )
    return json_response(answer.model_dump(exclude_none=True))


async def list_api_keys(request: web.Request) -> web.Response:
    """One's own API keys."""
    require_person(request)
    found = await request.app[API_KEYS].own(principal(request).user_id)
    return json_response(ApiKeyList(api_keys=found))


async def create_api_key(request: web.Request) -> web.Response:
    """Make an API key; it is shown this once."""
    require_person(request)
    wanted = await read_body(request, ApiKeyCreate)
    return json_response(await request.app[API_KEYS].create(await read_actor(request), wanted), status=201)


async def revoke_api_key(request: web.Request) -> web.Response:
    """End an API key."""
    require_person(request)
    key_id = path_uuid(request, "key_id", NotFound(api_keys.UNKNOWN))
    await request.app[API_KEYS].revoke(principal(request).user_id, key_id)
    return web.Response(status=204)


async def list_api_keys_of_all(request: web.Request) -> web.Response:
    """Everybody's API keys."""
    query = parse_query(request, AccountApiKeyQuery)
    found = await request.app[API_KEYS].searched(query, query.limit + 1)
    page, more = found[: query.limit], len(found) > query.limit
    return json_response(AccountApiKeyList(api_keys=page, next_cursor=page[-1].id.hex if more else None))


async def revoke_api_key_of_any(request: web.Request) -> web.Response:
    """End anybody's API key."""
    key_id = path_uuid(request, "key_id", NotFound(api_keys.UNKNOWN_TO_ALL))
    await request.app[API_KEYS].revoke_of(await read_actor(request), key_id)
    return web.Response(status=204)


async def list_service_accounts(request: web.Request) -> web.Response:
    """Every service account."""
    return json_response(ServiceAccountList(service_accounts=await request.app[CLIENTS].all()))


async def create_service_account(request: web.Request) -> web.Response:
    """Make a service account; its secret is shown this once."""
    wanted = await read_body(request, ServiceAccountCreate)
    return json_response(await request.app[CLIENTS].create(await read_actor(request), wanted), status=201)


async def renew_service_account_secret(request: web.Request) -> web.Response:
    """Give a service account another secret."""
    user_id = path_id(request, "user_id", UNKNOWN)
    return json_response(await request.app[CLIENTS].renew_secret(await read_actor(request), user_id))


OPERATIONS = (
    Operation(
        "POST",
        "/token",
        token,
        "An access token for a service account or an API key",
        tag="machines",
        body={FORM: FORM_SCHEMA},
        response=TokenAnswer,
        refusals={400: TokenRefusal, 401: TokenRefusal},
        problems=(*BODY_PROBLEMS, NotAuthenticated),
        public=True,
    ),
    Operation(
        "GET", "/me/api-keys", list_api_keys, "One's own API keys", tag="machines", response=ApiKeyList
    ),
    Operation(
        "POST",
        "/me/api-keys",
        create_api_key,
        "Make an API key",
        tag="machines",
        body=ApiKeyCreate,
        response=NewApiKey,
        status=201,
        problems=(*BODY_PROBLEMS, Conflict),
    ),
    Operation(
        "DELETE",
        "/me/api-keys/{key_id}",
        revoke_api_key,
        "End an API key",
        tag="machines",
        status=204,
        problems=(NotFound,),
    ),
    Operation(
        "GET",
        "/api-keys",
        list_api_keys_of_all,
        "List everybody's API keys",
        tag="machines",
        query=AccountApiKeyQuery,
        response=AccountApiKeyList,
        permission="view_apikey",
    ),
    Operation(
        "DELETE",
        "/api-keys/{key_id}",
        revoke_api_key_of_any,
        "End anybody's API key",
        tag="machines",
        status=204,
        problems=(NotFound,),
        permission="delete_apikey",
    ),
    Operation(
        "GET",
        "/service-accounts",
        list_service_accounts,
        "List service accounts",
        tag="machines",
        response=ServiceAccountList,
        permission="view_serviceaccount",
    ),
    Operation(
        "POST",
        "/service-accounts",
        create_service_account,
        "Make a service account",
        tag="machines",
        body=ServiceAccountCreate,
        response=NewServiceAccount,
        status=201,
        problems=(*BODY_PROBLEMS, Conflict),
        permission="add_serviceaccount",
    ),
    Operation(
        "POST",
        "/service-accounts/{user_id}/secret",
        renew_service_account_secret,
        "Give a service account another secret",
        tag="machines",
        response=NewServiceAccount,
        problems=(NotFound,),
        permission="change_serviceaccount",
    ),
)
