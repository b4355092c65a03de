"""Whom a route lets in: said where it is added, enforced before its handler runs."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from libs.common.http.application import create_app
from libs.common.http.authenticate import declare, principal, viewer
from libs.common.http.openapi import Operation, add_operations, describe
from libs.common.ids import UserId
from libs.common.keys import VERIFIER
from libs.common.permissions import ALL, ORDINARY, Permission
from libs.common.security.tokens import TokenVerifier
from libs.common.settings.service import ServiceSettings
from libs.common.telemetry.tracing import Telemetry
from services.auth.identity.models import Identity
from services.auth.sessions.signing import TokenSigner, generate_seed, key_set_of

Client = TestClient[web.Request, web.Application]
SIGNER = TokenSigner(generate_seed())


async def show(request: web.Request) -> web.Response:
    """Who was let in; the viewer is made once."""
    assert viewer(request) is viewer(request)
    return web.json_response({"user": principal(request).user_id, "sees_all": viewer(request).sees_all})


async def open_to_all(request: web.Request) -> web.Response:
    """No one is known here, whatever was sent."""
    return web.json_response({"known": "viewer" in request})


async def narrow(request: web.Request) -> web.Response:
    """For those with a permission that not everybody has."""
    return await show(request)


async def usual(request: web.Request) -> web.Response:
    """For those with a permission that everybody has."""
    return await show(request)


OPERATIONS = (
    Operation("GET", "/open", open_to_all, "Anyone", public=True),
    Operation("GET", "/signed-in", show, "Any account"),
    Operation("GET", "/usual", usual, "An ordinary permission", permission="view_dicomresult"),
    Operation("GET", "/narrow", narrow, "A rare permission", permission="view_all_dicomresult"),
)


def make_app() -> web.Application:
    settings = ServiceSettings()
    app = create_app(settings, Telemetry("test", settings))

    async def keys() -> bytes:
        return key_set_of([SIGNER]).model_dump_json().encode()

    app[VERIFIER] = TokenVerifier(keys)
    return app


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    app = make_app()
    add_operations(app, prefix="/api/test", title="Test", service="test", operations=OPERATIONS)
    async with TestClient(TestServer(app)) as made:
        yield made
    await app[VERIFIER].close()


def bearer(user: int, *, staff: bool = False, permissions: tuple[Permission, ...] = ()) -> dict[str, str]:
    held = ALL if staff else ORDINARY | frozenset(permissions)
    identity = Identity(UserId(user), f"user{user}", staff, staff, (), held, "", "", "")
    return {"Authorization": f"Bearer {SIGNER.sign(identity, datetime.now(UTC), timedelta(minutes=5))}"}


@pytest.mark.parametrize(
    ("path", "anonymous", "ordinary", "permitted", "staff"),
    [
        ("/open", 200, 200, 200, 200),
        ("/signed-in", 401, 200, 200, 200),
        ("/usual", 401, 200, 200, 200),
        ("/narrow", 401, 403, 200, 200),
        ("/unknown", 404, 404, 404, 404),
    ],
)
async def test_a_route_lets_in_whom_it_names(
    client: Client, path: str, anonymous: int, ordinary: int, permitted: int, staff: int
) -> None:
    callers: tuple[dict[str, str], ...] = (
        {},
        bearer(7),
        bearer(8, permissions=("view_all_dicomresult",)),
        bearer(1, staff=True),
    )
    found = [(await client.get(f"/api/test{path}", headers=headers)).status for headers in callers]
    assert found == [anonymous, ordinary, permitted, staff]


async def test_who_is_refused_learns_which_permission_is_missing(client: Client) -> None:
    answer = await client.get("/api/test/narrow", headers=bearer(7))
    problem = await answer.json(content_type=None)
    assert answer.content_type == "application/problem+json"
    assert (problem["code"], problem["permission"]) == ("permission-denied", "view_all_dicomresult")
    assert "view_all_dicomresult" in problem["detail"]


def test_the_description_names_the_permission() -> None:
    paths = describe("/api/test", "Test", OPERATIONS)["paths"]
    narrow, signed_in, public = (paths[f"/api/test/{p}"]["get"] for p in ("narrow", "signed-in", "open"))
    assert narrow["x-permission"] == "view_all_dicomresult"
    assert "`view_all_dicomresult`" in narrow["responses"]["403"]["description"]
    assert "x-permission" not in signed_in
    assert "403" not in public["responses"]


async def test_a_route_that_says_nothing_keeps_the_service_from_starting() -> None:
    app = make_app()
    app.router.add_get("/api/forgotten", show)
    with pytest.raises(LookupError, match="/api/forgotten"):
        await TestServer(app).start_server()


def test_a_handler_cannot_let_in_two_kinds_of_callers() -> None:
    app = make_app()
    declare(app, "view_dicomresult", show)
    with pytest.raises(ValueError, match="show"):
        declare(app, "anyone", show)
