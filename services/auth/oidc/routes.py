"""HTTP of sign-in with a provider: browsers are led, programs are answered."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

from aiohttp import web
from yarl import URL

from libs.common.errors import (
    Conflict,
    InvalidRequest,
    NotFound,
    PermissionDenied,
    RequestError,
    SignInRefused,
    TooManyRequests,
    Unavailable,
    WrongCredentials,
)
from libs.common.http.audited import note_refusal
from libs.common.http.authenticate import over_https, principal
from libs.common.http.client import address_of
from libs.common.http.json import BODY_PROBLEMS, NO_STORE, json_response, read_body
from libs.common.http.openapi import Operation
from libs.common.http.path import path_uuid
from libs.common.security.cookies import ROUND_TRIP_COOKIE, cookie_name
from services.auth.http import path_id, read_actor, require_person
from services.auth.keys import AUTH_METRICS, IDENTITIES, OWN_PASSWORD, PROVIDER_SIGN_IN, SETTINGS
from services.auth.oidc import round_trip
from services.auth.oidc.client import ProviderAnswer
from services.auth.oidc.linking import UNKNOWN_IDENTITY
from services.auth.oidc.models import (
    IdentityGiven,
    IdentityLinkRequest,
    IdentityList,
    LinkedIdentity,
    LinkStarted,
    ProviderEntry,
    ProviderList,
    SignedOut,
    SignInQuery,
)
from services.auth.oidc.next_page import FIRST_PAGE, local_page
from services.auth.oidc.round_trip import Linking, RoundTrip
from services.auth.oidc.signing_in import Arrival
from services.auth.sessions.login import Challenge
from services.auth.sessions.models import RefreshRequest
from services.auth.sessions.routes import (
    PREFIX,
    client_of,
    drop_session_cookies,
    read_refresh_token,
    set_session_cookies,
)
from services.auth.users.users import UNKNOWN

SIGN_IN_PAGE = "/sign-in"
AWAY = {**NO_STORE, "Referrer-Policy": "no-referrer"}
"""The code and state in the address are nobody else's business."""


async def list_providers(request: web.Request) -> web.Response:
    """How people sign in here."""
    providers = [
        ProviderEntry(name=one.name, title=one.title, sign_in_path=f"{PREFIX}/oidc/{one.name}/sign-in")
        for one in request.app[PROVIDER_SIGN_IN].providers
    ]
    return json_response(
        ProviderList(providers=providers, password_sign_in=request.app[SETTINGS].password_sign_in)
    )


async def sign_in_with_provider(request: web.Request) -> web.Response:
    """Lead the browser to a provider."""
    sign_in, name = request.app[PROVIDER_SIGN_IN], request.match_info["provider"]
    try:
        departure = await sign_in.depart(name, _page_asked(request, request.query.get("next")))
    except Unavailable as error:
        request.app[AUTH_METRICS].came_back(name, "provider-unavailable")
        await note_refusal(request, error)
        return _see(str(_own(request, SIGN_IN_PAGE).with_query(problem="provider-unavailable")))
    response = _see(departure.url)
    _keep_round_trip(request, response, departure.cookie)
    return response


async def return_from_provider(request: web.Request) -> web.Response:
    """Take what the browser brings back from a provider, and sign it in or say why not."""
    sign_in, name = request.app[PROVIDER_SIGN_IN], request.match_info["provider"]
    metrics, trip = request.app[AUTH_METRICS], None
    sign_in.provider(name)
    try:
        trip = await sign_in.trip_of(request.cookies.get(_round_trip_cookie(request)))
        arrival = await sign_in.arrive(name, trip, _answer_in(request), client_of(request))
    except (RequestError, Unavailable) as error:
        code = "provider-unavailable" if isinstance(error, Unavailable) else error.code
        metrics.came_back(name, code)
        await note_refusal(request, error)
        response = _see(_problem_page(request, trip, code))
    else:
        response = _arrived(request, name, arrival)
    response.del_cookie(
        _round_trip_cookie(request), path="/", secure=over_https(request), httponly=True, samesite="Lax"
    )
    return response


async def link_own_identity(request: web.Request) -> web.Response:
    """Begin linking one's account to who one is at a provider; takes the password once more."""
    require_person(request)
    sign_in, name, caller = request.app[PROVIDER_SIGN_IN], request.match_info["provider"], principal(request)
    sign_in.provider(name)
    wanted = await read_body(request, IdentityLinkRequest)
    if caller.session_id is None:
        raise PermissionDenied("Sign in first: an account is linked from its own session.")
    await request.app[IDENTITIES].require_password(caller.user_id)
    # Whoever found somebody's screen open must neither guess nor stay.
    password = wanted.password.get_secret_value()
    await request.app[OWN_PASSWORD].require(caller, address_of(request), password)
    linking = Linking(user_id=caller.user_id, session_id=UUID(hex=caller.session_id))
    departure = await sign_in.depart(name, _page_asked(request, wanted.next), linking)
    response = json_response(LinkStarted(authorization_url=departure.url))
    _keep_round_trip(request, response, departure.cookie)
    return response


async def sign_out_everywhere(request: web.Request) -> web.Response:
    """End the session and clear the cookies; tell where to sign out at the provider."""
    presented = await read_refresh_token(request)
    url = await request.app[PROVIDER_SIGN_IN].sign_out(presented.token)
    response = json_response(SignedOut(end_session_url=url))
    drop_session_cookies(request, response)
    return response


async def list_own_identities(request: web.Request) -> web.Response:
    """Who one is to providers."""
    require_person(request)
    found = await request.app[IDENTITIES].listed(principal(request).user_id)
    return json_response(IdentityList(identities=found))


async def unlink_own_identity(request: web.Request) -> web.Response:
    """Unlink one's account from a provider."""
    require_person(request)
    await request.app[IDENTITIES].unlink_own(
        principal(request).user_id, path_uuid(request, "identity_id", NotFound(UNKNOWN_IDENTITY))
    )
    return web.Response(status=204)


async def list_identities(request: web.Request) -> web.Response:
    """Who an account is to providers."""
    found = await request.app[IDENTITIES].listed(path_id(request, "user_id", UNKNOWN))
    return json_response(IdentityList(identities=found))


async def link_identity(request: web.Request) -> web.Response:
    """Link somebody's account to who they are at a provider."""
    user_id, given = path_id(request, "user_id", UNKNOWN), await read_body(request, IdentityGiven)
    try:
        provider = request.app[PROVIDER_SIGN_IN].provider(given.provider)
    except NotFound as error:
        raise InvalidRequest(error.detail) from error
    found = await request.app[IDENTITIES].link(await read_actor(request), user_id, provider, given.subject)
    return json_response(found, status=201)


async def unlink_identity(request: web.Request) -> web.Response:
    """Unlink somebody's account from a provider; the sessions begun there end."""
    user_id = path_id(request, "user_id", UNKNOWN)
    await request.app[IDENTITIES].unlink(
        await read_actor(request), user_id, path_uuid(request, "identity_id", NotFound(UNKNOWN_IDENTITY))
    )
    return web.Response(status=204)


OPERATIONS = (
    Operation(
        "GET",
        "/oidc",
        list_providers,
        "How people sign in here",
        audited="never",
        tag="provider",
        response=ProviderList,
        public=True,
    ),
    Operation(
        "GET",
        "/oidc/{provider}/sign-in",
        sign_in_with_provider,
        "Lead a browser to a provider",
        audited="refusals",
        tag="provider",
        query=SignInQuery,
        status=302,
        problems=(NotFound,),
        public=True,
    ),
    Operation(
        "GET",
        "/oidc/{provider}/callback",
        return_from_provider,
        "Where a provider leads a browser back to: on to `next`, or to /sign-in?problem=<code>",
        tag="provider",
        status=302,
        problems=(NotFound,),
        public=True,
    ),
    Operation(
        "POST",
        "/oidc/{provider}/link",
        link_own_identity,
        "Begin linking one's account to a provider",
        tag="provider",
        body=IdentityLinkRequest,
        response=LinkStarted,
        problems=(*BODY_PROBLEMS, NotFound, Conflict, WrongCredentials, TooManyRequests),
    ),
    Operation(
        "POST",
        "/oidc/sign-out",
        sign_out_everywhere,
        "Sign out, and learn where to sign out at the provider",
        tag="provider",
        body=RefreshRequest,
        body_required=False,
        response=SignedOut,
        problems=(PermissionDenied, *BODY_PROBLEMS),
        public=True,
    ),
    Operation(
        "GET",
        "/me/identities",
        list_own_identities,
        "Who one is to providers",
        audited="refusals",
        tag="provider",
        response=IdentityList,
    ),
    Operation(
        "DELETE",
        "/me/identities/{identity_id}",
        unlink_own_identity,
        "Unlink one's account from a provider",
        tag="provider",
        status=204,
        problems=(NotFound, Conflict),
    ),
    Operation(
        "GET",
        "/users/{user_id}/identities",
        list_identities,
        "Who an account is to providers",
        tag="provider",
        response=IdentityList,
        problems=(NotFound,),
        permission="view_user",
    ),
    Operation(
        "POST",
        "/users/{user_id}/identities",
        link_identity,
        "Link an account to who somebody is at a provider",
        tag="provider",
        body=IdentityGiven,
        response=LinkedIdentity,
        status=201,
        problems=(*BODY_PROBLEMS, NotFound, Conflict),
        permission="change_user",
    ),
    Operation(
        "DELETE",
        "/users/{user_id}/identities/{identity_id}",
        unlink_identity,
        "Unlink an account from a provider",
        tag="provider",
        status=204,
        problems=(NotFound,),
        permission="change_user",
    ),
)


def _see(url: str) -> web.Response:
    return web.Response(status=302, headers={**AWAY, "Location": url})


def _arrived(request: web.Request, name: str, arrival: Arrival) -> web.Response:
    """On to the page, signed in; or to the second step, its token where no server and no log sees it."""
    metrics, begun = request.app[AUTH_METRICS], arrival.begun
    if isinstance(begun, Challenge):
        metrics.came_back(name, "challenged")
        page = _own(request, SIGN_IN_PAGE).with_query(next=arrival.next_page)
        told = {
            "challenge_token": begun.token,
            "expires_in": str(begun.expires_in),
            "methods": ",".join(begun.methods),
        }
        return _see(f"{page}#{urlencode(told)}")
    metrics.came_back(name, "linked" if begun is None else "ok")
    response = _see(arrival.next_page)
    if begun is not None:
        set_session_cookies(request, response, begun)
    return response


def _problem_page(request: web.Request, trip: RoundTrip | None, code: str) -> str:
    """Who has asked for a link is signed in still, and is told where they were."""
    page = _own(request, SIGN_IN_PAGE) if trip is None or trip.linking is None else URL(trip.next_page)
    return str(page.update_query(problem=code))


def _page_asked(request: web.Request, asked: str | None) -> str:
    """The page to go to, as `local_page` lets it through."""
    page = local_page(asked)
    return str(_own(request, page)) if page == FIRST_PAGE else page


def _own(request: web.Request, page: str) -> URL:
    """A page of the portal, below the path that PUBLIC_URL may have."""
    return URL(URL(request.app[SETTINGS].base_url).path.rstrip("/") + page)


def _answer_in(request: web.Request) -> ProviderAnswer:
    """What of the address is an answer. Raises SignInRefused for what is there twice."""
    query = request.query
    if any(len(query.getall(name, ())) > 1 for name in ("state", "code", "error", "iss")):
        raise SignInRefused("A parameter is there twice.", code="sign-in-mismatch")
    return ProviderAnswer(query.get("state"), query.get("code"), query.get("error"), query.get("iss"))


def _round_trip_cookie(request: web.Request) -> str:
    return cookie_name(ROUND_TRIP_COOKIE, secure=over_https(request))


def _keep_round_trip(request: web.Request, response: web.Response, cookie: str) -> None:
    response.set_cookie(
        _round_trip_cookie(request),
        cookie,
        path="/",
        max_age=round_trip.SECONDS,
        secure=over_https(request),
        httponly=True,
        samesite="Lax",
    )
