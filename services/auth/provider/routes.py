"""HTTP of the OpenID provider: what applications call themselves, and `browser_routes`."""

from __future__ import annotations

from aiohttp import web

from libs.common.errors import NotAuthenticated
from libs.common.http.authenticate import principal
from libs.common.http.json import BODY_PROBLEMS, NO_STORE, json_response
from libs.common.http.openapi import Operation
from libs.common.ids import UserId
from libs.common.security.scopes import SCOPES
from services.auth.keys import GRANTING, SETTINGS
from services.auth.machines.clients import InvalidClient
from services.auth.machines.forms import FORM, credentials, read_form, refusal
from services.auth.machines.models import TokenRefusal
from services.auth.provider import browser_routes
from services.auth.provider.granting import InvalidGrant
from services.auth.provider.models import (
    GrantAnswer,
    IdTokenKeySet,
    ProviderMetadata,
    Registered,
    UserInfo,
)
from services.auth.sessions.routes import KEY_SET_MAX_AGE, PREFIX, client_of

KEPT = {"Cache-Control": f"public, max-age={KEY_SET_MAX_AGE}"}
_TOKEN_FIELDS = (
    "grant_type",
    "code",
    "redirect_uri",
    "code_verifier",
    "refresh_token",
    "scope",
    "client_id",
    "client_secret",
)
TOKEN_FORM = {
    "type": "object",
    "required": ["grant_type"],
    "properties": {name: {"type": "string"} for name in _TOKEN_FIELDS},
}
REVOCATION_FORM = {
    "type": "object",
    "required": ["token"],
    "properties": {
        name: {"type": "string"} for name in ("token", "token_type_hint", "client_id", "client_secret")
    },
}


async def provider_metadata(request: web.Request) -> web.Response:
    """What applications need to know of this provider."""
    here = f"{request.app[SETTINGS].base_url}{PREFIX}"
    found = ProviderMetadata(
        issuer=here,
        authorization_endpoint=f"{here}/oauth/authorize",
        token_endpoint=f"{here}/oauth/token",
        userinfo_endpoint=f"{here}/oauth/userinfo",
        jwks_uri=f"{here}/oauth/jwks.json",
        end_session_endpoint=f"{here}/oauth/end-session",
        revocation_endpoint=f"{here}/oauth/revoke",
        scopes_supported=list(SCOPES),
    )
    return json_response(found, headers=KEPT)


async def id_token_keys(request: web.Request) -> web.Response:
    """The keys that verify ID tokens."""
    return json_response(await request.app[GRANTING].key_set(), headers=KEPT)


async def grant_tokens(request: web.Request) -> web.Response:
    """Tokens for a code or a refresh token (RFC 6749 4.1.3, 6)."""
    granting, form = request.app[GRANTING], await read_form(request)
    try:
        application = await _client(request, form)
        match form.get("grant_type"):
            case "authorization_code":
                answer = await granting.exchange(
                    application,
                    form.get("code", ""),
                    form.get("redirect_uri", ""),
                    form.get("code_verifier", ""),
                    client_of(request),
                )
            case "refresh_token":
                answer = await granting.refresh(
                    application, form.get("refresh_token", ""), form.get("scope"), client_of(request)
                )
            case _:
                return refusal(400, "unsupported_grant_type", "Use authorization_code or refresh_token.")
    except InvalidClient:
        return refusal(401, "invalid_client", "The client did not prove who it is.")
    except InvalidGrant:
        return refusal(400, "invalid_grant", "It is over, was used before, or is another client's.")
    return json_response(answer.model_dump(exclude_none=True))


async def revoke_grant(request: web.Request) -> web.Response:
    """End the session of a refresh token (RFC 7009)."""
    form = await read_form(request)
    try:
        application = await _client(request, form)
    except InvalidClient:
        return refusal(401, "invalid_client", "The client did not prove who it is.")
    await request.app[GRANTING].revoke(application, form.get("token", ""))
    return web.Response(headers=NO_STORE)


async def user_info(request: web.Request) -> web.Response:
    """Who the token speaks for, as far as its scope goes."""
    caller = principal(request)
    found = await request.app[GRANTING].user_info(UserId(caller.user_id), caller.scope)
    return json_response(found.model_dump(exclude_none=True))


async def _client(request: web.Request, form: dict[str, str]) -> Registered:
    """Who calls the token endpoint. Raises InvalidClient."""
    client_id, secret = credentials(request, form)
    return await request.app[GRANTING].client(client_id, secret)


OPERATIONS = (
    *browser_routes.OPERATIONS,
    Operation(
        "GET",
        "/.well-known/openid-configuration",
        provider_metadata,
        "What applications need to know of this OpenID provider",
        audited="never",
        tag="applications",
        response=ProviderMetadata,
        public=True,
    ),
    Operation(
        "GET",
        "/oauth/jwks.json",
        id_token_keys,
        "Public keys of the ID tokens",
        audited="never",
        tag="applications",
        response=IdTokenKeySet,
        public=True,
    ),
    Operation(
        "POST",
        "/oauth/token",
        grant_tokens,
        "Tokens of an application for a code or a refresh token",
        audited="refusals",
        tag="applications",
        body={FORM: TOKEN_FORM},
        response=GrantAnswer,
        refusals={400: TokenRefusal, 401: TokenRefusal},
        problems=(*BODY_PROBLEMS, NotAuthenticated),
        public=True,
    ),
    Operation(
        "POST",
        "/oauth/revoke",
        revoke_grant,
        "End an application's session",
        audited="refusals",
        tag="applications",
        body={FORM: REVOCATION_FORM},
        refusals={400: TokenRefusal, 401: TokenRefusal},
        problems=(*BODY_PROBLEMS, NotAuthenticated),
        public=True,
    ),
    Operation(
        "GET",
        "/oauth/userinfo",
        user_info,
        "Who an application's token speaks for",
        audited="refusals",
        tag="applications",
        response=UserInfo,
    ),
    Operation(
        "POST",
        "/oauth/userinfo",
        user_info,
        "The same, of an application that asks with POST",
        audited="refusals",
        tag="applications",
        response=UserInfo,
        operation_id="user_info_by_post",
    ),
)
