"""DICOMweb's addresses: made from PUBLIC_URL, for the collection that path or query name; how a 401 asks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from libs.common.http.application import create_app
from libs.common.http.cross_origin import parse_origins
from libs.common.http.dicomweb import DicomWebQuery, asked_collection, in_collections, web_addresses
from libs.common.http.openapi import Operation, add_operations, describe
from libs.common.settings.service import ServiceSettings
from libs.common.telemetry.tracing import Telemetry

VIEWER = "https://viewer.example.org"
Client = TestClient[web.Request, web.Application]


async def show(request: web.Request) -> web.Response:
    """Where an instance of the asked collection is found."""
    found = asked_collection(request)
    return web.Response(text=web_addresses(request, found).instance_url("1.2", "1.3", "1.4"))


async def closed(request: web.Request) -> web.Response:
    """For those who are signed in."""
    return web.Response()


OPERATIONS = (
    *in_collections((Operation("GET", "/shown", show, "x", query=DicomWebQuery, public=True),)),
    Operation("GET", "/closed", closed, "y"),
)


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    settings = ServiceSettings(public_url="https://pacs.example/base/", cors_origins=parse_origins(VIEWER))
    app = create_app(settings, Telemetry("test", settings))
    add_operations(app, prefix="/dicom-web", title="t", service="test", operations=OPERATIONS)
    add_operations(
        app,
        prefix="/api/x",
        title="t",
        service="test",
        operations=(Operation("GET", "/closed", closed, "y"),),
    )
    async with TestClient(TestServer(app)) as made:
        yield made


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("/dicom-web/shown", "/dicom-web"),
        ("/dicom-web/shown?collection=group:3", "/dicom-web/collections/group:3"),
        ("/dicom-web/collections/group:3/shown", "/dicom-web/collections/group:3"),
        ("/dicom-web/collections/group%3A3/shown", "/dicom-web/collections/group:3"),
        ("/dicom-web/collections/user:7/shown?collection=user:7", "/dicom-web/collections/user:7"),
    ],
)
async def test_urls_lead_where_the_caller_asked_and_never_to_the_host_header(
    client: Client, path: str, root: str
) -> None:
    answer = await client.get(path, headers={"Host": "evil.example"})
    expected = f"https://pacs.example/base{root}/studies/1.2/series/1.3/instances/1.4"
    assert (answer.status, await answer.text()) == (200, expected)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/dicom-web/collections/nothing/shown", 404),
        ("/dicom-web/collections/group:0/shown", 404),
        ("/dicom-web/shown?collection=nothing", 400),
        ("/dicom-web/shown?collection=user:1&collection=user:1", 400),
        ("/dicom-web/collections/user:1/shown?collection=user:2", 400),
    ],
)
async def test_what_names_no_collection_or_two_is_refused(client: Client, path: str, status: int) -> None:
    assert (await client.get(path)).status == status


async def test_a_401_offers_basic_to_programs_and_not_to_the_portals_scripts(client: Client) -> None:
    answer = await client.get("/dicom-web/closed")
    assert answer.status == 401
    bearer, basic = answer.headers.getall("WWW-Authenticate")
    assert bearer == "Bearer"
    assert basic.startswith('Basic realm="')
    for path, headers in (
        ("/dicom-web/closed", {"Sec-Fetch-Site": "same-origin"}),
        ("/api/x/closed", {}),
    ):
        answer = await client.get(path, headers=headers)
        assert answer.status == 401
        assert answer.headers.getall("WWW-Authenticate") == ["Bearer"]


async def test_pages_of_other_origins_ask_ahead_without_a_token(client: Client) -> None:
    asked = {"Origin": VIEWER, "Access-Control-Request-Method": "POST"}
    answer = await client.options("/dicom-web/closed", headers=asked)
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (204, VIEWER)
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "Access-Control-Allow-Credentials" not in answer.headers
    closed = await client.get("/dicom-web/closed", headers={"Origin": VIEWER})
    assert (closed.status, closed.headers["Access-Control-Allow-Origin"]) == (401, VIEWER)
    assert (
        await client.options("/dicom-web/closed", headers={**asked, "Origin": "https://evil.example"})
    ).status != 204


def test_the_document_says_how_to_sign_in() -> None:
    paths = describe("/dicom-web", "t", OPERATIONS)["paths"]
    assert {"basic": []} in paths["/dicom-web/closed"]["get"]["security"]
    assert {"basic": []} not in paths["/dicom-web/shown"]["get"]["security"]
    elsewhere = describe("/api/x", "t", OPERATIONS)["paths"]
    assert {"basic": []} not in elsewhere["/api/x/closed"]["get"]["security"]


def test_the_document_tells_both_paths_apart() -> None:
    paths = describe("/dicom-web", "t", OPERATIONS)["paths"]
    first, second = (
        paths["/dicom-web/shown"]["get"],
        paths["/dicom-web/collections/{collection}/shown"]["get"],
    )
    assert (first["operationId"], second["operationId"]) == ("show", "show_in_collection")
    assert "404" in second["responses"]
    assert "404" not in first["responses"]
