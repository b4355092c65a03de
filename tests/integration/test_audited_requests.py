"""Each way in which a request can end leaves exactly one entry, whatever its operation is."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from libs.common.audit.acts import note_done
from libs.common.database.postgres import Connection, Database
from libs.common.errors import Conflict, NotFound, Unavailable
from libs.common.http.application import create_app
from libs.common.http.audited import note_ahead, speak_of
from libs.common.http.openapi import Operation, add_operations
from libs.common.resources import add_audit_trail, service_database
from libs.common.telemetry.tracing import Telemetry
from services.auth.settings import AuthSettings

Client = TestClient[web.Request, web.Application]
DATABASE = web.AppKey("database", Database)
ENDINGS = {
    "done": ("POST", 200, ["success"]),
    "done_and_undone": ("POST", 409, ["refused"]),
    "done_by_no_transaction": ("POST", 200, ["success"]),
    "done_elsewhere": ("POST", 200, ["success"]),
    "failed_elsewhere": ("POST", 503, ["success", "error"]),
    "read": ("GET", 200, ["success"]),
    "streamed": ("GET", 200, ["success"]),
    "broken_off": ("GET", 200, ["success"]),
    "redirected": ("GET", 302, ["success"]),
    "redirected_by_an_error": ("GET", 302, ["success"]),
    "not_found": ("GET", 404, ["refused"]),
    "too_large": ("POST", 413, ["refused"]),
    "unavailable": ("GET", 503, ["error"]),
    "unforeseen": ("GET", 500, ["error"]),
}
"""How each handler below is called and answers, and which entries it leaves."""


async def done(request: web.Request) -> web.Response:
    async with request.app[DATABASE].transaction() as connection:
        await note_done(connection, "thing", 7)
    return web.Response()


async def done_and_undone(request: web.Request) -> web.Response:
    async with request.app[DATABASE].transaction() as connection:
        await note_done(connection, "thing", 7)
        raise Conflict("It is not to be.")


async def done_by_no_transaction(request: web.Request) -> web.Response:
    return web.Response()


async def done_elsewhere(request: web.Request) -> web.Response:
    await note_ahead(request, "thing", 7)
    return web.Response()


async def failed_elsewhere(request: web.Request) -> web.Response:
    await note_ahead(request, "thing", 7)
    raise Unavailable("It is away.")


async def read(request: web.Request) -> web.Response:
    speak_of(request, "thing", 7, studies=["1.2", None])
    return web.Response()


async def streamed(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"x")
    return response


async def broken_off(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    response.content_length = 100
    await response.prepare(request)
    raise RuntimeError("in the middle")


async def redirected(request: web.Request) -> web.Response:
    return web.Response(status=302, headers={"Location": "/"})


async def redirected_by_an_error(request: web.Request) -> web.Response:
    raise web.HTTPFound("/")


async def not_found(request: web.Request) -> web.Response:
    raise NotFound("There is none.")


async def too_large(request: web.Request) -> web.Response:
    raise web.HTTPRequestEntityTooLarge(1, 2)


async def unavailable(request: web.Request) -> web.Response:
    raise Unavailable("It is away.")


async def unforeseen(request: web.Request) -> web.Response:
    raise ZeroDivisionError


HANDLERS = (
    done, done_and_undone, done_by_no_transaction, done_elsewhere, failed_elsewhere, read, streamed,
    broken_off, redirected, redirected_by_an_error, not_found, too_large, unavailable, unforeseen,
)  # fmt: skip


@pytest.fixture
async def client(role_url: Callable[[str], str]) -> AsyncIterator[Client]:
    settings = AuthSettings(database_url=SecretStr(role_url("ingest")))
    app = create_app(settings, Telemetry("ingest", settings))
    app[DATABASE] = service_database(settings, "ingest")

    async def database(_: web.Application) -> AsyncIterator[None]:
        await app[DATABASE].open()
        yield
        await app[DATABASE].close()

    app.cleanup_ctx.append(database)
    add_audit_trail(app, "ingest", settings, app[DATABASE])
    operations = [
        Operation(ENDINGS[one.__name__][0], f"/{one.__name__}/{{thing_id}}", one, "A test", public=True)
        for one in HANDLERS
    ]
    add_operations(app, prefix="/api/test", title="Test", service="ingest", operations=operations)
    async with TestClient(TestServer(app)) as made:
        yield made


async def test_one_entry_however_it_ends(client: Client, sql: Connection) -> None:
    assert {one.__name__ for one in HANDLERS} == set(ENDINGS)
    for action, (method, status, _) in ENDINGS.items():
        sent = client.request(method, f"/api/test/{action}/8", allow_redirects=False)
        try:
            async with sent as answer:
                assert answer.status == status, action
                await answer.read()
        except aiohttp.ClientPayloadError:
            assert action == "broken_off"
    await client.close()  # writes the rest
    noted: dict[str, list[Any]] = {action: [] for action in ENDINGS}
    for row in await sql.fetch("SELECT entry::text AS entry FROM auth.audit_pending ORDER BY id"):
        entry = orjson.loads(row["entry"])
        noted[entry["action"]].append(entry)
    assert {action: [entry["ending"] for entry in found] for action, found in noted.items()} == {
        action: endings for action, (*_, endings) in ENDINGS.items()
    }
    for action, found in noted.items():
        for entry in found:
            assert entry["actor"] == "anonymous"
            assert entry["route"] == f"{ENDINGS[action][0]} /api/test/{action}/{{thing_id}}"
            assert entry["object_type"] == "thing"
            assert len(entry["trace_id"]) == 32
    [read_entry] = noted["read"]
    assert (read_entry["objects"], read_entry["studies"]) == (["8", "7"], ["1.2"])


@pytest.mark.parametrize(
    "spelt",
    [
        "01a225da-5786-765b-993c-73d43c1ba83e",
        "01A225DA-5786-765B-993C-73D43C1BA83E",
        "01a225da5786765b993c73d43c1ba83e",
    ],
)
async def test_nobody_hides_what_they_asked_for_in_another_spelling(
    client: Client, sql: Connection, spelt: str
) -> None:
    async with client.get(f"/api/test/not_found/{spelt}") as answer:
        assert answer.status == 404
    await client.close()
    entry = await sql.fetchval("SELECT entry::text FROM auth.audit_pending")
    assert orjson.loads(entry)["objects"] == ["01a225da-5786-765b-993c-73d43c1ba83e"]


async def test_a_path_says_no_name(client: Client, sql: Connection) -> None:
    names = ("GARCIA^MARIA", "garcia", "12x", "0" * 33, "%F0%9F%92%89", "1;DROP")
    for name in names:
        async with client.get(f"/api/test/read/{name}") as answer:
            assert answer.status == 200
    await client.close()
    rows = await sql.fetch("SELECT entry::text AS entry FROM auth.audit_pending")
    assert [orjson.loads(row["entry"])["objects"] for row in rows] == [["7"]] * len(names)
