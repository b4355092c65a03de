"""Files and results in Chromium: a long list that stays small and live, a result, two compared."""

from __future__ import annotations

import re
import secrets

import asyncpg
import pytest
from playwright.sync_api import expect

from tests.builders import UID_ROOT, ct_instance, encapsulated_instance
from tests.e2e.conftest import System
from tests.e2e.portal_page import NewReader, Portal, seen
from tests.fixtures_postgres import run_apart

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
MANY = 2_700
NODES = 4_000
ROWS = ".grid tbody tr[data-key]"

_FILL = """
    INSERT INTO results.upload_dicomresult (file_id, owner_id, collection, state, precedence, failure_reason,
        file_name, folder, device_name, modality, size_bytes, received_at, search, patient_name,
        average_before_normalization, average_after_normalization)
    SELECT (lpad(to_hex(1700000000000 + $2 * 1000 + n), 12, '0') || '7000'
            || substr(md5($1::bigint || ' ' || $2::int || ' ' || n), 1, 16))::uuid,
        $1, 'user:' || $1, CASE WHEN n % 100 = 0 THEN 'failed' ELSE 'processed' END, 1,
        CASE WHEN n % 100 = 0 THEN 'decode-failed' END, 'IM' || lpad(n::text, 5, '0'),
        'DISCO/SERIE' || n / 300, 'Tomo 64', CASE WHEN n % 2 = 0 THEN 'CT' ELSE 'MR' END, 524288,
        now() - interval '1 day' + n * interval '1 s', 'im' || lpad(n::text, 5, '0'), 'GARCIA^MARIA', n, 0.5
    FROM generate_series($2 + 1, $2 + $3::int) AS n RETURNING file_id, file_name
"""
_CHANGE = """
    WITH changed AS (
        UPDATE results.upload_dicomresult SET state = 'failed', failure_reason = 'decode-failed'
        WHERE owner_id = $1 AND file_name = $2 RETURNING file_id, owner_id, collection, state
    ) INSERT INTO results.change_feed (file_id, owner_id, collection, state) SELECT * FROM changed
"""
_TELL = """
    INSERT INTO results.change_feed (file_id, owner_id, collection, state)
    SELECT file_id, owner_id, collection, state FROM results.upload_dicomresult
    WHERE owner_id = $1 AND file_name = $2
"""


class Rows:
    """Rows of the results' database that nobody uploaded, in a reader's collection."""

    def __init__(self, system: System, reader: Portal) -> None:
        """Asks who the reader is."""
        self.url = system.database_url("results")
        self.owner = reader.page.request.get(f"{reader.url}/api/auth/me").json()["user_id"]
        self.there = 0

    def add(self, count: int) -> None:
        """So many more, the last one the newest."""
        self._run(_FILL, self.there, count)
        self.there += count

    def fail(self, name: str) -> None:
        """A file fails, and the change feed says so."""
        self._run(_CHANGE, name)

    def tell(self, name: str) -> None:
        """The change feed says that a file came."""
        self._run(_TELL, name)

    def _run(self, statement: str, *values: object) -> None:
        async def run() -> None:
            connection = await asyncpg.connect(self.url)
            try:
                await connection.execute(statement, self.owner, *values)
            finally:
                await connection.close()

        run_apart(run())


def send(reader: Portal, name: str, content: bytes) -> str:
    """Upload one file without the page; gives its id."""
    answer = reader.page.request.post(
        f"{reader.url}/api/files",
        multipart={"file": {"name": name, "mimeType": "application/dicom", "buffer": content}},
        headers={"Origin": reader.url},
    )
    assert answer.status == 202, answer.text()
    return str(answer.json()["files"][0]["id"])


def slices(reader: Portal, count: int) -> list[str]:
    """Images of one series, sent from the last to the first; their ids from the first on."""
    root, seed = f"{UID_ROOT}.{secrets.randbits(48)}", secrets.randbits(24) * 64
    ids: list[str] = []
    for number in range(count, 0, -1):
        content = ct_instance(
            16,
            16,
            seed=seed + number,
            PatientName="GARCÍA^MARÍA",
            PatientAge="055Y",
            StudyInstanceUID=f"{root}.1",
            SeriesInstanceUID=f"{root}.1.1",
            StudyDescription="TAC de abdomen",
            InstanceNumber=number,
            ImagePositionPatient=["0", "0", str(number)],
            SpecificCharacterSet="ISO_IR 192",
        )
        ids.insert(0, send(reader, f"IM{number:04}.dcm", content))
    return ids


def broken_file() -> bytes:
    """One that cannot be decoded."""
    uid = f"{UID_ROOT}.{secrets.randbits(48)}"
    return encapsulated_instance([b"", secrets.token_bytes(600)], SOPInstanceUID=uid)


@pytest.mark.browser_matrix
def test_a_long_list_stays_small_live_and_where_one_was(
    new_reader: NewReader, embedded_system: System
) -> None:
    reader = new_reader("/account")
    page, rows = reader.page, reader.page.locator(ROWS)
    made = Rows(embedded_system, reader)
    made.add(MANY)
    page.locator('.site-nav a[href="/files"]').click()
    expect(page.locator(".page-head p")).to_have_text("2700 archivos")
    expect(rows.first).to_contain_text("DISCO/SERIE9")
    expect(page.locator('[data-counter="failed"] .counter-number')).to_have_text("27")

    rows.first.focus()
    page.keyboard.press("End")
    expect(rows.last).to_be_focused()
    expect(rows.last).to_contain_text("IM00001")
    nodes = page.evaluate("document.querySelectorAll('*').length")
    assert nodes <= NODES
    page.mouse.move(600, 500)
    page.mouse.wheel(0, -60_000)
    focused = page.locator(".grid tr:focus")
    expect(rows.filter(has_text="IM01005")).to_be_visible()
    expect(focused).to_contain_text("IM00001")  # far from what is seen, and still there
    made.fail("IM01007")
    expect(rows.filter(has_text="IM01007")).to_have_attribute("data-state", "failed")
    made.add(1)
    made.tell(f"IM{MANY + 1:05}")
    expect(page.locator(".fresh")).to_contain_text("1 archivo nuevo · Mostrar")
    expect(focused).to_contain_text("IM00001")

    page.get_by_role("button", name="Modalidad", exact=True).click()
    page.get_by_role("menuitemradio", name="CT (1350)").click()
    expect(page).to_have_url(re.compile("modality=CT"))
    expect(page.locator('[data-counter="failed"] .counter-number')).to_have_text("27")
    rows.nth(3).focus()
    page.keyboard.press("ArrowDown")
    place = page.evaluate("[document.activeElement.dataset.key, window.scrollY]")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text(re.compile("IM0"))
    page.go_back()
    expect(focused).to_have_count(1)
    assert page.evaluate("[document.activeElement.dataset.key, window.scrollY]") == place
    page.keyboard.press("Space")
    page.keyboard.press("Shift+ArrowDown")
    expect(page.locator(".selection-bar strong")).to_have_text("2 de 1350 elegidos")
    page.keyboard.press("Control+a")
    expect(page.locator(".selection-bar strong")).to_contain_text(" de 1350 elegidos")
    page.get_by_role("button", name="Elegir los 1350 que cumplen").click()
    expect(page.locator(".selection-bar strong")).to_have_text("1350 elegidos")
    began = page.evaluate("performance.now()")
    reader.speak("en")
    expect(page.locator(".selection-bar strong")).to_have_text("1,350 selected")
    print(f"{nodes} nodes, language in {page.evaluate('performance.now()') - began:.0f} ms with the menu")
    assert reader.troubles == []


def test_a_result_leads_along_its_series_and_to_a_comparison(new_reader: NewReader) -> None:
    reader = new_reader("/account")
    page = reader.page
    first, second, third = slices(reader, 3)
    bad = send(reader, "broken.dcm", broken_file())
    reader.settled(first, second, third, bad)
    page.goto(f"{reader.url}/results/{second}")
    expect(page.locator(".neighbours")).to_contain_text("2 de 3")
    expect(page.locator(".result-of")).to_contain_text("GARCÍA, MARÍA · TAC de abdomen")
    expect(page.locator('[data-step="end"]')).to_contain_text("Resultado listo")
    expect(page.locator('[data-step^="attempt"] [data-part="decode"]').last).to_contain_text(
        "Descodificación"
    )
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile(third))
    expect(page.get_by_role("heading", level=1)).to_have_text("IM0003.dcm")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("heading", level=1)).to_have_text("IM0002.dcm")
    expect(page.locator(".neighbours")).to_contain_text("2 de 3")
    page.keyboard.press("ArrowLeft")
    expect(page.get_by_role("heading", level=1)).to_have_text("IM0001.dcm")
    name = page.locator('#metadata [data-tag="00100010"]')
    expect(name).to_contain_text("Nombre del paciente")
    expect(name.locator(".metadata-read")).to_have_text("GARCÍA, MARÍA")
    page.get_by_label("Buscar en la cabecera").fill("edad del")
    expect(page.locator("#metadata tbody tr")).to_have_count(1)
    expect(page.locator("#metadata tbody tr")).to_contain_text("55 años")

    page.get_by_role("button", name="Comparar con…").click()
    page.get_by_role("dialog").get_by_role("button", name="IM0003.dcm").click()
    expect(page).to_have_url(re.compile(rf"/compare\?a={first}&b={third}"))
    expect(page.locator("#histogram-b path")).to_be_visible()
    expect(page.locator('[data-measure="frames"] .compare-difference')).to_have_text("igual")
    expect(page.locator('#headers [data-tag="00200013"] td')).to_have_text(["1", "3"])
    expect(page.locator('#headers [data-tag="00100010"]')).to_have_count(0)
    page.get_by_label("Mostrar también lo que es igual").check()
    expect(page.locator('#headers [data-tag="00100010"]')).to_have_count(1)

    page.goto(f"{reader.url}/results/{bad}")
    expect(page.locator(".notice.bad")).to_contain_text("decode-failed")
    page.get_by_role("button", name="Reintentar").click()
    expect(page.locator('[data-step^="attempt"]').nth(1)).to_be_visible()
    assert reader.troubles == []


@pytest.mark.browser_matrix
def test_what_is_chosen_is_tried_again_and_columns_are_kept(new_reader: NewReader) -> None:
    reader = new_reader("/files")
    page, rows = reader.page, reader.page.locator(ROWS)
    for number in range(2):
        send(reader, f"broken-{number}.dcm", broken_file())
    expect(page.locator(f"{ROWS}[data-state=failed]")).to_have_count(2)
    page.get_by_role("checkbox", name="Elegir todos").click()
    page.get_by_role("button", name="Reintentar los fallidos").click()
    expect(page.locator(".toast")).to_contain_text("2 archivos reintentados. 2 han vuelto a fallar.")
    page.get_by_role("button", name="No elegir ninguno").click()
    expect(page.locator(".selection-bar")).to_have_count(0)
    page.goto(f"{reader.url}/studies")
    page.get_by_role("checkbox", name="Elegir todos").click()
    page.get_by_role("button", name="Reintentar los fallidos").click()
    expect(page.locator(".toast")).to_contain_text("2 archivos reintentados. 2 han vuelto a fallar.")

    page.goto(f"{reader.url}/files")
    page.get_by_role("button", name="Columnas").click()
    page.get_by_role("menuitemcheckbox", name="Tamaño").click()
    expect(page.get_by_role("columnheader", name="Tamaño")).to_have_count(0)
    page.reload()
    expect(rows).to_have_count(2)
    expect(page.get_by_role("columnheader", name="Paciente")).to_be_visible()
    expect(page.get_by_role("columnheader", name="Tamaño")).to_have_count(0)
    assert reader.troubles == []


@pytest.mark.browser_matrix
@pytest.mark.parametrize("width", ["phone", "desktop"])
@pytest.mark.parametrize(("locale", "scheme"), [("es-ES", "light"), ("en-US", "dark")])
def test_the_pages_of_files_are_accessible(
    new_reader: NewReader, width: str, locale: str, scheme: str
) -> None:
    reader = new_reader("/files", locale=locale, scheme=scheme, width=width)
    page, name = reader.page, f"{width}-{locale[:2]}-{scheme}"
    expect(page.locator(".empty-state")).to_be_visible()
    seen(page, f"files-empty-{name}")
    first, second = slices(reader, 2)
    bad = send(reader, "broken.dcm", broken_file())
    expect(page.locator(ROWS)).to_have_count(3)
    expect(page.locator(f"{ROWS}[data-state=failed]")).to_have_count(1)
    page.locator(ROWS).nth(1).get_by_role("checkbox").click()
    seen(page, f"files-chosen-{name}")
    page.get_by_role("button", name=re.compile("^(Recibido|Received)$")).first.click()
    seen(page, f"files-span-{name}")
    page.get_by_role("button", name=re.compile("^(Hoy|Today)$")).click()
    expect(page.locator(".chip")).to_have_count(1)
    page.get_by_role("button", name=re.compile("^(Columnas|Columns)$")).click()
    seen(page, f"files-columns-{name}")
    for path in (f"results/{first}", f"results/{bad}", f"compare?a={first}&b={second}", "compare"):
        page.goto(f"{reader.url}/{path}")
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        expect(page.locator(".skeleton")).to_have_count(0)
        seen(page, f"{re.split('[/?]', path)[0]}-{path[-4:]}-{name}")
    page.goto(f"{reader.url}/results/{first}")
    page.get_by_role("button", name=re.compile("^(Comparar con…|Compare with…)$")).click()
    expect(page.get_by_role("dialog").get_by_role("listitem")).to_have_count(1)
    seen(page, f"compare-dialog-{name}")
    assert reader.troubles == []
