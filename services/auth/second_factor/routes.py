"""HTTP of second factors: the second step of a sign-in, and one's own authenticator."""

from __future__ import annotations

from aiohttp import web

from libs.common.errors import (
    Conflict,
    NotAuthenticated,
    NotFound,
    PermissionDenied,
    TooManyRequests,
    WrongCredentials,
)
from libs.common.http.authenticate import check_origin, principal
from libs.common.http.client import address_of
from libs.common.http.json import BODY_PROBLEMS, json_response, read_body
from libs.common.http.openapi import Operation
from services.auth.http import path_id, read_actor, require_person
from services.auth.keys import FACTORS, SECOND_STEP
from services.auth.second_factor.models import (
    ChallengeRequest,
    FactorBegin,
    FactorConfirm,
    FactorProof,
    FactorState,
    NewAuthenticator,
    RecoveryCodes,
    SecondFactorRequest,
)
from services.auth.sessions.models import TokenResponse
from services.auth.sessions.routes import answer_grant, client_of
from services.auth.users.users import UNKNOWN


async def second_factor(request: web.Request) -> web.Response:
    """Exchange a challenge token and a code for tokens or, if asked, cookies."""
    body = await read_body(request, SecondFactorRequest)
    if body.cookie:
        check_origin(request)
    signed_in = await request.app[SECOND_STEP].complete(
        body.challenge_token.get_secret_value(), body.code.get_secret_value(), client_of(request)
    )
    return answer_grant(request, signed_in.grant, cookie=body.cookie, recovery_codes=signed_in.recovery_codes)


async def enrol_at_sign_in(request: web.Request) -> web.Response:
    """An authenticator for an account that must have one before it is let in."""
    body = await read_body(request, ChallengeRequest)
    return json_response(await request.app[SECOND_STEP].enrol(body.challenge_token.get_secret_value()))


async def get_second_factor(request: web.Request) -> web.Response:
    """One's own second factor."""
    require_person(request)
    return json_response(await request.app[FACTORS].state(principal(request).user_id))


async def begin_second_factor(request: web.Request) -> web.Response:
    """A new authenticator, asked for once its first code has come."""
    require_person(request)
    body = await read_body(request, FactorBegin)
    made = await request.app[FACTORS].begin(
        principal(request), address_of(request), body.password.get_secret_value()
    )
    return json_response(made)


async def confirm_second_factor(request: web.Request) -> web.Response:
    """Switch the new authenticator on; all other sessions end."""
    require_person(request)
    body = await read_body(request, FactorConfirm)
    shown = await request.app[FACTORS].confirm(
        principal(request), address_of(request), body.code.get_secret_value()
    )
    return json_response(shown)


async def renew_recovery_codes(request: web.Request) -> web.Response:
    """Ten new recovery codes in the place of those of before."""
    require_person(request)
    body = await read_body(request, FactorProof)
    shown = await request.app[FACTORS].renew_recovery_codes(
        principal(request),
        address_of(request),
        body.password.get_secret_value(),
        body.code.get_secret_value(),
    )
    return json_response(shown)


async def remove_second_factor(request: web.Request) -> web.Response:
    """Switch one's own second factor off."""
    require_person(request)
    body = await read_body(request, FactorProof)
    await request.app[FACTORS].remove(
        principal(request),
        address_of(request),
        body.password.get_secret_value(),
        body.code.get_secret_value(),
    )
    return web.Response(status=204)


async def reset_second_factor(request: web.Request) -> web.Response:
    """Take somebody's second factor away who has lost it; the account's sessions end."""
    user_id = path_id(request, "user_id", UNKNOWN)
    await request.app[FACTORS].reset(await read_actor(request), user_id)
    return web.Response(status=204)


OPERATIONS = (
    Operation(
        "POST",
        "/login/second-factor",
        second_factor,
        "Sign in: the second step",
        tag="session",
        body=SecondFactorRequest,
        response=TokenResponse,
        problems=(*BODY_PROBLEMS, NotAuthenticated, PermissionDenied, TooManyRequests),
        public=True,
    ),
    Operation(
        "POST",
        "/login/enrol",
        enrol_at_sign_in,
        "Sign in: set up the authenticator that a group demands",
        tag="session",
        body=ChallengeRequest,
        response=NewAuthenticator,
        problems=(*BODY_PROBLEMS, NotAuthenticated),
        public=True,
    ),
    Operation(
        "GET",
        "/totp",
        get_second_factor,
        "One's own second factor",
        audited="refusals",
        tag="second factor",
        response=FactorState,
    ),
    Operation(
        "POST",
        "/totp",
        begin_second_factor,
        "Set up an authenticator",
        tag="second factor",
        body=FactorBegin,
        response=NewAuthenticator,
        problems=(*BODY_PROBLEMS, WrongCredentials, Conflict, TooManyRequests),
    ),
    Operation(
        "POST",
        "/totp/confirm",
        confirm_second_factor,
        "Switch the new authenticator on by its first code",
        tag="second factor",
        body=FactorConfirm,
        response=RecoveryCodes,
        problems=(*BODY_PROBLEMS, TooManyRequests),
    ),
    Operation(
        "POST",
        "/totp/recovery-codes",
        renew_recovery_codes,
        "Ten new recovery codes",
        tag="second factor",
        body=FactorProof,
        response=RecoveryCodes,
        problems=(*BODY_PROBLEMS, WrongCredentials, NotFound, TooManyRequests),
    ),
    Operation(
        "DELETE",
        "/totp",
        remove_second_factor,
        "Switch one's own second factor off",
        tag="second factor",
        body=FactorProof,
        status=204,
        problems=(*BODY_PROBLEMS, WrongCredentials, NotFound, TooManyRequests),
    ),
    Operation(
        "DELETE",
        "/users/{user_id}/totp",
        reset_second_factor,
        "Take somebody's second factor away",
        tag="users",
        status=204,
        problems=(NotFound,),
        permission="change_user",
    ),
)
