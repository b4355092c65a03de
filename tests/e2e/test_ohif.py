"""OHIF's released build beside the portal, on an origin and a host of its own, in Chromium.

It signs its reader in by OpenID Connect, opens a study that the portal leads to, scrolls and measures.
"""

from __future__ import annotations

import io
import json
import os
import re
import secrets
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from libs.postgresql import folder as postgres_folder
from tests.builders import UID_ROOT, ct_instance
from tests.chromium import chromium
from tests.e2e.conftest import System
from tests.e2e.portal_page import NewReader, Portal, readers
from tests.e2e.processes import embedded, start_all, stop_all
from tests.fixtures_postgres import run_apart
from tests.ports import free_port
from tests.screenshots.phantom import CHEST, SIDE, slice_of

pytestmark = [pytest.mark.browser_matrix, pytest.mark.timeout(400)]
ROOT = Path(__file__).parents[2]
OHIF = ROOT / ".tools/ohif"
PICTURE = (960, 638)
"""Of what is kept: a noisy image packs badly, so it is smaller and of few colours."""
SLICES, SPACING, WIDE = 12, 1.2, 200
"""WIDE: of the couch under the body, in columns: the one straight edge, and the brightest row."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """With WebGL by software: there is no hardware for it."""
    with chromium(webgl=True) as started:
        yield started


@pytest.fixture(scope="module")
def viewer() -> str:
    """Where OHIF is: another site than the portal's, so that no cookie travels."""
    subprocess.run([str(ROOT / "infra/ohif/fetch.sh"), str(OHIF)], check=True)
    return f"http://localhost:{free_port()}"


@pytest.fixture(scope="module")
def system(viewer: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    data_dir = tmp_path_factory.mktemp("ohif") / "var"
    viewers = {"OHIF": f"{viewer}/viewer?StudyInstanceUIDs={{studyUid}}"}
    process = embedded(
        data_dir,
        CORS_ORIGINS=viewer,
        VIEWERS=json.dumps(viewers),
        # It renews a minute before the end.
        ACCESS_TOKEN_SECONDS="70",
    )
    folder = tmp_path_factory.mktemp("nginx")
    environment = {
        "PATH": f"{os.environ['PATH']}:/usr/sbin",
        "OHIF_FOLDER": str(folder),
        "OHIF_BUILD": str(OHIF.resolve()),
        "OHIF_LISTEN": f"127.0.0.1:{viewer.rpartition(':')[2]}",
        "PORTAL_URL": process.url,
        **({"OHIF_USER": "root"} if os.geteuid() == 0 else {}),
    }
    served = subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", str(ROOT / "infra/ohif/start.sh")], env=environment
    )
    try:
        run_apart(start_all([process]))
        sockets = postgres_folder.socket_folder(data_dir)
        yield System(
            {"portal": process.url},
            {"services": process},
            data_dir,
            lambda role: postgres_folder.url(sockets, "bddicomimage", role),
        )
    finally:
        served.terminate()
        served.wait(60)
        stop_all([process])


@pytest.fixture
def new_reader(browser: Browser, system: System) -> Iterator[NewReader]:
    yield from readers(browser, system)


def register(administrator: Portal, viewer: str) -> None:
    made = administrator.page.request.post(
        f"{administrator.url}/api/auth/applications",
        data={
            "name": "OHIF",
            "client_id": "ohif",
            "trusted": True,
            "redirect_uris": [f"{viewer}/callback"],
            "post_logout_redirect_uris": [f"{viewer}/"],
        },
        headers={"Origin": administrator.url},
    )
    assert made.status == 201, made.text()


def send_study(reader: Portal) -> str:
    """A chest on a couch, which lies a row lower on each slice; its Study Instance UID."""
    uid = f"{UID_ROOT}.{secrets.randbits(48)}"
    for number in range(SLICES):
        pixels = slice_of(CHEST, number / (SLICES - 1), number)
        left = (SIDE - WIDE) // 2
        pixels[264 + number : 270 + number, left : left + WIDE] = 1300
        content = ct_instance(
            SIDE,
            SIDE,
            pixels=pixels,
            sop_instance_uid=f"{uid}.1.{number + 1}",
            PatientName="OHIF^PRUEBA",
            PatientID="P-1",
            StudyInstanceUID=uid,
            SeriesInstanceUID=f"{uid}.1",
            SeriesNumber="1",
            InstanceNumber=str(number + 1),
            FrameOfReferenceUID=f"{uid}.9",
            ImageOrientationPatient=[1, 0, 0, 0, 1, 0],
            ImagePositionPatient=[0, 0, 2 * number],
            PixelSpacing=[SPACING, SPACING],
            SliceThickness=2,
        )
        reader.send(content)
    return uid


def kept(page: Page, name: str) -> None:
    if folder := os.environ.get("SCREENSHOTS"):
        seen = (
            Image.open(io.BytesIO(page.screenshot())).convert("RGB").resize(PICTURE, Image.Resampling.LANCZOS)
        )
        few = seen.quantize(128, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        few.save(Path(folder) / f"{name}.png", optimize=True)


def couch(page: Page) -> tuple[int, int, int, int]:
    """Where the couch is on the screen: left, top, right, bottom."""
    viewport = page.locator(".cornerstone-canvas").bounding_box()
    assert viewport is not None
    shot = np.asarray(Image.open(io.BytesIO(page.screenshot())).convert("L"))
    left, top = round(viewport["x"]), round(viewport["y"])
    seen = shot[top : top + round(viewport["height"]), left : left + round(viewport["width"])]
    # Nothing else is bright over half of the width that there is.
    rows = np.flatnonzero((seen > 190).sum(1) > viewport["height"] * WIDE / SIDE / 2)
    columns = np.flatnonzero((seen[rows] > 190).all(0))
    return left + int(columns[0]), top + int(rows[0]), left + int(columns[-1]) + 1, top + int(rows[-1]) + 1


def test_a_study_is_opened_scrolled_and_measured_in_ohif(new_reader: NewReader, viewer: str) -> None:
    register(new_reader("/", more=["--superuser"]), viewer)
    reader = new_reader("/")
    uid = send_study(reader)
    reader.page.goto(f"{reader.url}/studies/{uid}")
    reader.page.get_by_role("button", name="Abrir con…").click()
    with reader.page.expect_popup() as opened:
        reader.page.get_by_role("menuitem", name="OHIF").click()
    page = opened.value
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if "Refused" in message.text else None)
    # Of the house, yet of this very machine: its reader is asked.
    page.get_by_role("button", name="Permitir", exact=True).click()
    page.get_by_role("button", name="Confirm and hide").click(timeout=60_000)
    page.get_by_text("Skip all").click()
    # Through the portal, which knew its reader, and back.
    expect(page).to_have_url(f"{viewer}/viewer?StudyInstanceUIDs={uid}")
    image = page.get_by_text(re.compile(rf"\(\d+/{SLICES}\)"))
    expect(image).to_contain_text(f"(1/{SLICES})")
    kept(page, "ohif-study")
    before = couch(page)

    page.mouse.move(before[0] + 20, before[1] - 200)
    for number in (2, 3, 4):
        page.mouse.wheel(0, 100)
        expect(image).to_contain_text(f"({number}/{SLICES})")
    left, top, right, bottom = couch(page)
    # It begins at the head's end, and each image has the couch a row higher.
    assert before[1] - top == pytest.approx(3 * (right - left) / WIDE, abs=2)
    kept(page, "ohif-scrolled")

    page.locator('[data-cy="MeasurementTools-split-button-primary"]').click()
    middle = (top + bottom) // 2
    page.mouse.move(left, middle)
    page.mouse.down()
    page.mouse.move((left + right) // 2, middle, steps=5)
    page.mouse.move(right, middle, steps=5)
    page.mouse.up()
    told = page.locator("svg.svg-layer text").filter(has_text="mm").first
    expect(told).to_be_visible()
    page.get_by_role("button", name="No", exact=True).click()
    kept(page, "ohif-measured")
    length = float(re.findall(r"[0-9.]+", told.text_content() or "")[0])
    assert length == pytest.approx(WIDE * SPACING, abs=SPACING)
    assert refused == []

    # It renews by itself, is listed, and is out once its reader says so.
    granted = 'auth_application_grants_total{outcome="refreshed"}'
    poll(lambda: counted(reader, granted) >= 1)
    reader.page.goto(f"{reader.url}/account")
    entry = reader.page.locator("#sessions li").filter(has_text="OHIF")
    expect(entry).to_be_visible()
    kept(reader.page, "ohif-listed")
    entry.get_by_role("button").click()
    expect(entry).to_have_count(0)
    entries = page.evaluate("Object.entries(sessionStorage)")
    token = next(json.loads(value)["access_token"] for key, value in entries if key.startswith("oidc.user:"))
    headers = {"Authorization": f"Bearer {token}"}
    poll(lambda: reader.page.request.get(f"{reader.url}/dicom-web/studies", headers=headers).status == 401)


def counted(reader: Portal, name: str) -> float:
    """A figure of the system's metrics."""
    lines = reader.page.request.get(f"{reader.url}/metrics").text().splitlines()
    return next((float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} ")), 0.0)


def poll(told: Callable[[], bool], seconds: float = 60.0) -> None:
    """Wait until it is so."""
    until = time.monotonic() + seconds
    while not told():
        assert time.monotonic() < until, "it is not so yet"
        time.sleep(0.5)
