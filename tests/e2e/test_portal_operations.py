"""The operator's pages in Chromium: lanes paused, dead letters read and sent again, and no image seen."""

from __future__ import annotations

import re
import secrets

import asyncpg
import pytest
from playwright.sync_api import Route, expect

from tests.builders import ct_instance
from tests.e2e.conftest import System
from tests.e2e.portal_page import WIDTHS, NewReader, seen
from tests.fixtures_postgres import run_apart
from tests.waiting import eventually

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
OPERATOR = ["--group", "operator"]
REASON = "no such shape as this"


def give_up(system: System, file_id: str, reason: str) -> None:
    """Have an event of this file that was carried already lie dead, as if a subscription had given it up."""

    async def mark() -> None:
        connection = await asyncpg.connect(system.database_url("ingest"))
        try:

            async def marked() -> bool:
                # The relay notes that it is through once all who take it have done so.
                done = await connection.execute(
                    "UPDATE ingest.outbox SET published_at = NULL, dead_at = now(), dead_reason = $2, "
                    "dead_subscription = 'results.files' "
                    "WHERE event->>'subject' = $1 AND published_at IS NOT NULL AND token IS NULL",
                    file_id,
                    reason,
                )
                return bool(done == "UPDATE 1")

            await eventually(marked)
        finally:
            await connection.close()

    run_apart(mark())


def sent(new_reader: NewReader, system: System, reason: str) -> str:
    """A file whose event is dead; its id."""
    technician = new_reader("/upload")
    answer = technician.page.request.post(
        f"{technician.url}/api/files?file_name=one.dcm",
        data=ct_instance(16, 16, seed=secrets.randbits(32)),
        headers={"Content-Type": "application/dicom", "Origin": technician.url},
    )
    file_id: str = answer.json()["files"][0]["id"]
    path = f"{technician.url}/api/results/{file_id}"
    technician.page.wait_for_function(
        "async (path) => (await (await fetch(path)).json()).state === 'processed'", arg=path
    )
    give_up(system, file_id, reason)
    return file_id


def test_an_operator_steers_the_work_and_sees_no_image(
    new_reader: NewReader, embedded_system: System
) -> None:
    reason = f"{REASON} {secrets.token_hex(3)}"
    file_id = sent(new_reader, embedded_system, reason)
    operator = new_reader("/admin", more=OPERATOR)
    page = operator.page
    # Whoever looks after processing is shown no patient and no picture.
    expect(page.get_by_role("heading", level=1)).to_have_text("Bienvenido al panel de administración")
    assert page.get_by_role("link", name=re.compile("^(Estudios|Archivos)$")).count() == 0

    page.get_by_role("link", name="Procesamiento", exact=True).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Procesamiento")
    expect(page.locator(".worker")).to_have_count(1)
    lane = page.locator('[data-lane="urgent"]')
    lane.get_by_role("button", name="Pausar: Urgentes").click()
    expect(lane).to_contain_text("En pausa desde")
    lane.get_by_role("button", name="Reanudar: Urgentes").click()
    expect(lane).to_contain_text("En marcha")

    operator.open("/admin/dead")
    row = page.locator(".grid tbody tr[data-key]", has_text=reason)
    expect(row).to_contain_text("results.files")
    row.locator(".cell-main").click()
    letter = page.get_by_role("dialog")
    expect(letter).to_contain_text(file_id)
    letter.get_by_role("button", name="Reenviar").click()
    page.get_by_role("dialog").last.get_by_role("button", name="Reenviar").click()
    expect(row).to_have_count(0)

    operator.open("/admin/settings")
    ingest = page.locator('[data-service="ingest"]')
    page.get_by_role("searchbox", name="Buscar un ajuste").fill("database_url")
    expect(ingest.locator('[data-setting="DATABASE_URL"]')).to_contain_text("fijado, secreto")
    expect(ingest).to_contain_text("Almacén")
    assert operator.troubles == []


@pytest.mark.browser_matrix
def test_all_dead_letters_are_dropped_by_a_word_only(new_reader: NewReader, embedded_system: System) -> None:
    reason = f"{REASON} {secrets.token_hex(3)}"
    sent(new_reader, embedded_system, reason)
    operator = new_reader(f"/admin/dead?reason={reason.replace(' ', '+')}", more=OPERATOR)
    page = operator.page
    expect(page.locator(".grid tbody tr[data-key]")).to_have_count(1)
    page.get_by_role("button", name="Borrar todos").click()
    asked = page.get_by_role("dialog")
    expect(asked).to_contain_text("cumplen los filtros")
    expect(asked.get_by_role("button", name="Borrar todos")).to_be_disabled()
    asked.get_by_label("Escriba «borrar» para confirmar").fill("Borrar")
    asked.get_by_role("button", name="Borrar todos").click()
    expect(page.get_by_text("Borrado 1 mensaje.")).to_be_visible()
    expect(page.locator(".grid tbody tr[data-key]")).to_have_count(0)
    assert operator.troubles == []


@pytest.mark.browser_matrix
def test_jobs_are_cancelled_and_go_on(new_reader: NewReader) -> None:
    admin = new_reader("/admin/jobs", more=["--superuser"])
    page = admin.page
    expect(page.locator(".empty-state, .grid").first).to_be_visible()
    answer = page.request.post(
        f"{admin.url}/api/processing/jobs",
        data={"where": {"state": "failed", "modality": f"X{secrets.token_hex(2).upper()}"}},
        headers={"Origin": admin.url},
    )
    assert answer.status == 201
    # It comes by itself.
    row = page.locator(f'.grid tbody tr[data-key="{answer.json()["id"]}"]')
    expect(row).to_be_visible()
    expect(row).to_contain_text("Modalidad: X")
    assert admin.troubles == []


@pytest.mark.browser_matrix
def test_what_is_known_stays_when_the_next_look_fails(new_reader: NewReader) -> None:
    operator = new_reader("/admin/processing", more=OPERATOR)
    page = operator.page
    expect(page.locator('[data-lane="large"]')).to_be_visible()

    def refuse(route: Route) -> None:
        route.fulfill(status=503, json={"code": "unavailable", "title": "x", "status": 503, "detail": "x"})

    page.route("**/api/processing/queues", refuse)
    stale = page.locator(".notice.bad")
    expect(stale).to_contain_text("Esto es lo último que se supo")
    expect(page.locator('[data-lane="large"]')).to_be_visible()
    seen(page, "processing-stale")
    page.unroute("**/api/processing/queues")
    stale.get_by_role("button", name="Volver a intentar").click()
    expect(stale).to_have_count(0)
    page.route("**/api/processing/queues", refuse)
    page.reload()
    expect(page.locator(".error-state")).to_be_visible()
    assert all("503" in trouble for trouble in operator.troubles)


@pytest.mark.browser_matrix
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("locale", "scheme"), [("es-ES", "light"), ("en-US", "dark")])
def test_every_page_of_the_operator_is_accessible(
    new_reader: NewReader, embedded_system: System, width: str, locale: str, scheme: str
) -> None:
    sent(new_reader, embedded_system, REASON)
    admin = new_reader("/admin", locale=locale, scheme=scheme, width=width, more=["--superuser"])
    page, name = admin.page, f"{width}-{locale[:2]}-{scheme}"
    shown = {
        "processing": "[data-lane], .worker",
        "jobs": ".grid, .empty-state",
        "dead": ".dead-total",
        "settings": "[data-setting]",
        "log": ".grid, .empty-state",
    }
    for path, what in shown.items():
        admin.open(f"/admin/{path}")
        expect(page.locator(what).first).to_be_visible()
        seen(page, f"admin-{path}-{name}")
    admin.open("/admin/dead")
    page.locator(".dead-total .danger").click()
    expect(page.get_by_role("dialog")).to_be_visible()
    seen(page, f"admin-drop-{name}")
    assert admin.troubles == []
