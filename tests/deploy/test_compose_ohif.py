"""OHIF's container beside the stack, where test_compose has left it: at another address than at first.

In Chromium, a study is opened with it from the portal; then it is taken out while everything runs.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator

import aiohttp
import pytest
from playwright.sync_api import Browser, expect

from tests.builders import UID_ROOT, ct_instance
from tests.chromium import chromium
from tests.deploy.stack import Behind, Stack
from tests.e2e.portal_page import NewReader, Portal, readers

pytestmark = [pytest.mark.deploy, pytest.mark.timeout(1200)]
SLICES, SIDE = 3, 128
LONG = 60_000
"""Milliseconds: a study is there when its files are measured, and OHIF's page weighs megabytes."""
DRAWN = """() => {
    const copy = Object.assign(document.createElement('canvas'), { width: 64, height: 64 });
    const context = copy.getContext('2d');
    context.drawImage(document.querySelector('.cornerstone-canvas'), 0, 0, 64, 64);
    return new Set(new Uint32Array(context.getImageData(0, 0, 64, 64).data.buffer)).size > 16;
}"""
"""Whether the viewport shows many colours: an image, not the empty canvas."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """With WebGL by software: there is no hardware for it."""
    with chromium(webgl=True) as started:
        yield started


@pytest.fixture
def new_reader(browser: Browser, system: Behind) -> Iterator[NewReader]:
    yield from readers(browser, system)


async def test_it_is_served_from_an_origin_that_may_call_the_portal(stack: Stack) -> None:
    stack.podman("healthcheck", "run", stack.name("ohif"))
    own, portal = stack.kept["OHIF_URL"], f"https://localhost:{stack.port}"
    assert own == f"https://localhost:{stack.kept['OHIF_PORT']}"
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=stack.tls)) as session:

        async def get(url: str, **headers: str) -> tuple[aiohttp.ClientResponse, str]:
            async with session.get(url, headers=headers) as answer:
                return answer, await answer.text()

        page, text = await get(f"{own}/viewer?StudyInstanceUIDs=1.2")
        assert (page.status, "<title>OHIF Viewer</title>" in text) == (200, True)
        policy = page.headers["Content-Security-Policy"]
        assert f"connect-src 'self' {portal} data: blob:;" in policy
        assert "default-src 'none'" in policy
        assert "max-age" in page.headers["Strict-Transport-Security"]
        _, configuration = await get(f"{own}/app-config.js")
        for said in (
            f"authority: '{portal}/api/auth'",
            "client_id: 'ohif'",
            f"wadoRoot: '{portal}/dicom-web'",
        ):
            assert said in configuration
        discovery = f"{portal}/api/auth/.well-known/openid-configuration"
        answer, text = await get(discovery, Origin=own)
        assert (answer.status, json.loads(text)["issuer"]) == (200, f"{portal}/api/auth")
        assert answer.headers["Access-Control-Allow-Origin"] == own
        # Answered by auth; the rest of /dicom-web by results and ingest.
        answer, _ = await get(f"{portal}/dicom-web/studies", Origin=own)
        assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (401, own)
        asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
        async with session.options(f"{portal}/dicom-web/studies", headers={"Origin": own, **asked}) as answer:
            assert answer.headers["Access-Control-Allow-Headers"] == "authorization"
    # The address of the first start is nobody's any more.
    assert stack.kept["CORS_ORIGINS"] == own
    assert registered(stack) == [f"{own}/callback"]


def registered(stack: Stack) -> list[str]:
    """Where OHIF may have codes sent to."""
    rows = stack.sql("SELECT unnest(redirect_uris) FROM auth.application WHERE client_id = 'ohif'")
    return [row[0] for row in rows]


def send_study(reader: Portal) -> str:
    """A few slices; its Study Instance UID, once they are measured."""
    uid = f"{UID_ROOT}.{secrets.randbits(48)}"
    for number in range(SLICES):
        content = ct_instance(
            SIDE,
            SIDE,
            seed=number,
            sop_instance_uid=f"{uid}.1.{number + 1}",
            PatientName="OHIF^PRUEBA",
            StudyInstanceUID=uid,
            SeriesInstanceUID=f"{uid}.1",
            InstanceNumber=str(number + 1),
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            ImagePositionPatient=[0, 0, 2 * number],
            PixelSpacing=[1, 1],
        )
        reader.send(content)
    return uid


def test_a_study_is_opened_in_it_from_the_portal(stack: Stack, new_reader: NewReader) -> None:
    reader = new_reader("/")
    uid = send_study(reader)
    page = reader.page
    page.goto(f"{reader.url}/studies/{uid}")
    page.get_by_role("button", name="Abrir con…").click(timeout=LONG)
    with page.expect_popup() as opened:
        page.get_by_role("menuitem", name="OHIF").click()
    viewer = opened.value
    refused: list[str] = []
    viewer.on("console", lambda message: refused.append(message.text) if "Refused" in message.text else None)
    # By way of the portal, which knew its reader and asks nothing: it is of the house, at an https address.
    expect(viewer).to_have_url(f"{stack.kept['OHIF_URL']}/viewer?StudyInstanceUIDs={uid}", timeout=LONG)
    viewer.get_by_role("button", name="Confirm and hide").click(timeout=LONG)
    expect(viewer.get_by_text(f"(1/{SLICES})")).to_be_visible(timeout=LONG)
    viewer.wait_for_function(DRAWN, timeout=LONG)
    assert refused == []


def test_taken_out_nothing_leads_to_it_and_the_rest_goes_on(stack: Stack, new_reader: NewReader) -> None:
    """`make up` without it, while everything runs."""
    kept = {name: stack.inspect(name)["State"]["StartedAt"] for name in ("postgres", "rabbitmq")}
    stack.up("--no-build")
    assert stack.containers("ohif") == []
    assert registered(stack) == []
    assert not {"OHIF_URL", "VIEWERS", "CORS_ORIGINS"} & stack.kept.keys()
    # What has not changed was not replaced.
    assert {name: stack.inspect(name)["State"]["StartedAt"] for name in kept} == kept
    reader = new_reader("/")
    uid = send_study(reader)
    reader.page.goto(f"{reader.url}/studies/{uid}")
    expect(reader.page.get_by_role("heading", level=1)).to_be_visible(timeout=LONG)
    expect(reader.page.get_by_role("button", name="Abrir con…")).to_have_count(0)
