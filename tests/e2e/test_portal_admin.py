"""The administration in Chromium: accounts, groups, permissions, recent actions, and who sees what."""

from __future__ import annotations

import re
import secrets

import pytest
from playwright.sync_api import expect

from tests.builders import ct_instance
from tests.e2e.portal_page import WIDTHS, NewReader, Portal, seen

pytestmark = [pytest.mark.browser, pytest.mark.timeout(400)]
SECRET = "four unrelated words here"


def send(reader: Portal, name: str) -> str:
    """One file by its name; its id."""
    answer = reader.page.request.post(
        f"{reader.url}/api/files?file_name={name}",
        data=ct_instance(16, 16, seed=secrets.randbits(32)),
        headers={"Content-Type": "application/dicom", "Origin": reader.url},
    )
    assert answer.status in (200, 201, 202), answer.text()
    file_id: str = answer.json()["files"][0]["id"]
    return file_id


def test_an_administrator_looks_after_people(new_reader: NewReader) -> None:
    admin = new_reader("/", more=["--superuser"])
    page, name = admin.page, f"nuria-{secrets.token_hex(3)}"
    found = page.locator(".grid tbody tr[data-key]")
    send(admin, f"{name}.dcm")

    admin.go_by("g", "a", path="/admin")
    expect(page.get_by_role("heading", level=1)).to_have_text("Bienvenido al panel de administración")
    expect(page.locator(".brand-name")).to_have_text("Sistema de procesamiento DICOM")
    expect(page).to_have_title("Bienvenido al panel de administración · Sistema de procesamiento DICOM")

    page.get_by_role("link", name="Añadir: Grupo").click()
    page.get_by_label("Nombre", exact=True).fill(f"grupo {name}")
    permissions = page.get_by_role("group", name="Permisos")
    permissions.get_by_role("searchbox", name="Buscar en Permisos, Disponibles").fill("ver usuarios")
    permissions.get_by_role("option", name="Ver usuarios view_user").click()
    page.get_by_role("button", name="Guardar").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(f"grupo {name}")
    expect(page.locator(".log-entries")).to_contain_text("Añadió")

    admin.open("/admin/users/add")
    page.get_by_label("Usuario", exact=True).fill(name)
    page.get_by_label("Contraseña", exact=True).fill(SECRET[:5])
    page.get_by_role("button", name="Guardar").click()
    expect(page.get_by_label("Contraseña", exact=True)).to_be_focused()
    expect(page.locator(".field-error")).to_contain_text("Elija una contraseña más larga")
    assert all("400" in trouble for trouble in admin.troubles)  # as the browser tells of what was refused
    admin.troubles.clear()
    page.get_by_label("Contraseña", exact=True).fill(SECRET)
    page.get_by_label("Debe cambiar la contraseña al entrar").uncheck()
    groups = page.get_by_role("group", name="Grupos")
    groups.get_by_role("searchbox", name="Buscar en Grupos, Disponibles").fill(name)
    groups.get_by_role("option", name=f"grupo {name}").click()
    page.get_by_role("link", name="Usuarios").click()
    expect(page.get_by_role("dialog")).to_contain_text("Hay cambios sin guardar")
    page.get_by_role("button", name="Seguir editando").click()
    page.get_by_role("button", name="Guardar").click()
    expect(page.get_by_role("heading", level=1)).to_have_text(name)

    context = page.context.browser
    assert context is not None
    other = context.new_context(locale="es-ES")
    theirs = other.new_page()
    theirs.goto(f"{admin.url}/admin/users")
    theirs.locator('[name="username"]').fill(name)
    theirs.locator('[name="password"]').fill(SECRET)
    theirs.keyboard.press("Enter")
    expect(theirs.get_by_role("heading", level=1)).to_have_text("Usuarios")
    expect(theirs.get_by_role("link", name="Añadir")).to_have_count(0)

    page.get_by_role("button", name="Desactivar").click()
    page.get_by_role("dialog").get_by_role("button", name="Desactivar").click()
    expect(page.get_by_label("Activo")).not_to_be_checked()
    theirs.reload()
    expect(theirs.locator('[name="username"]')).to_be_visible()
    other.close()

    admin.open("/admin/users")
    page.get_by_role("searchbox", name=re.compile("Buscar: usuario")).fill(name)
    expect(found).to_have_count(1)
    expect(found).to_contain_text(f"grupo {name}")
    for path in ("/admin/files", "/admin/results"):
        admin.open(path)
        page.get_by_role("searchbox", name=re.compile("Buscar: nombre del archivo")).fill(name)
        expect(found).to_have_count(1)
        expect(found).to_contain_text(f"{name}.dcm")
        expect(found).to_contain_text(admin.username)
    admin.open("/admin")
    recent = page.get_by_role("region", name="Acciones recientes")
    expect(recent.get_by_role("link", name=name, exact=True).first).to_be_visible()
    expect(recent).to_contain_text("Activo")
    assert admin.troubles == []


@pytest.mark.browser_matrix
def test_an_auditor_reads_the_log_and_no_image(new_reader: NewReader) -> None:
    sender = new_reader("/", called="sender")
    file_id = send(sender, "theirs.dcm")
    auditor = new_reader("/admin", called="auditor", more=["--group", "auditor"])
    page, found = auditor.page, auditor.page.locator(".grid tbody tr[data-key]")
    expect(page.locator(".admin-resource", has_text="Registro de auditoría")).to_be_visible()
    expect(page.locator(".admin-resource", has_text="Archivos DICOM")).to_have_count(0)
    expect(page.get_by_role("link", name=re.compile("^Añadir"))).to_have_count(0)

    page.get_by_role("link", name="Registro de auditoría", exact=True).click()
    search = page.get_by_role("searchbox", name=re.compile("Buscar: persona"))
    search.fill(file_id)
    expect(found.filter(has_text="upload_files")).to_have_count(1)
    search.fill(sender.username)
    expect(found.first).to_contain_text(sender.username)
    found.filter(has_text="upload_files").click()
    expect(page.get_by_role("dialog")).to_contain_text(file_id)
    page.keyboard.press("Escape")
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV").click()
    lines = download.value.path().read_text().splitlines()
    assert len(lines) > 1
    assert sum(file_id in line for line in lines) >= 1
    assert auditor.troubles == []

    for path in (
        f"/api/results/{file_id}",
        f"/api/results/{file_id}/thumbnail",
        "/api/files",
        "/api/studies",
    ):
        assert page.request.get(auditor.url + path).status in (403, 404), path
    auditor.open("/admin/files")
    expect(page.locator(".empty-state")).to_contain_text("view_dicomfile")


PAGES = ("files", "results", "users", "groups", "permissions", "sessions", "shares", "links", "api-keys")
PAGES_OF_MACHINES = ("service-accounts", "audit")


@pytest.mark.browser_matrix
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("locale", "scheme"), [("es-ES", "light"), ("en-US", "dark")])
def test_every_page_of_the_administration_is_accessible(
    new_reader: NewReader, width: str, locale: str, scheme: str
) -> None:
    admin = new_reader("/admin", locale=locale, scheme=scheme, width=width, more=["--superuser"])
    page, name = admin.page, f"{width}-{locale[:2]}-{scheme}"
    send(admin, "one.dcm")
    expect(page.locator(".admin-resource").first).to_be_visible()
    seen(page, f"admin-{name}")
    for path in (*PAGES, *PAGES_OF_MACHINES):
        admin.open(f"/admin/{path}")
        expect(page.locator(".grid tbody tr[data-key], .empty-state").first).to_be_visible()
        seen(page, f"admin-{path}-{name}")
    for path in ("users/add", "groups/add", "service-accounts/add"):
        admin.open(f"/admin/{path}")
        expect(page.locator(".picker-list li").first).to_be_visible()
        seen(page, f"admin-{path.replace('/', '-')}-{name}")
    admin.open("/admin/users")
    page.locator(".grid tbody input").first.click()
    expect(page.locator(".action-bar")).to_be_visible()
    seen(page, f"admin-chosen-{name}")
    page.locator(".grid tbody tr[data-key] a").first.click()
    expect(page.locator(".log-entries, .admin p.quiet").first).to_be_visible()
    page.locator(".page-actions .danger").first.click()
    seen(page, f"admin-ask-{name}")
    admin.open("/admin/audit")
    page.locator(".grid tbody tr[data-key]").first.click()
    expect(page.get_by_role("dialog")).to_be_visible()
    seen(page, f"admin-entry-{name}")
    assert admin.troubles == []


@pytest.mark.browser_matrix
def test_members_are_put_into_a_group_and_taken_out(new_reader: NewReader) -> None:
    reader = new_reader("/", called="member")
    admin = new_reader("/admin/groups/add", more=["--superuser"])
    page = admin.page
    page.get_by_label("Nombre", exact=True).fill(f"de {reader.username}")
    page.get_by_role("button", name="Guardar").click()
    members = page.get_by_role("region", name="0 miembros")
    members.get_by_role("combobox").fill(reader.username)
    members.get_by_role("option", name=re.compile(reader.username)).click()
    members = page.get_by_role("region", name="1 miembro")
    expect(members.get_by_role("combobox")).to_be_focused()
    expect(members.get_by_role("link", name=reader.username)).to_be_visible()
    seen(page, "admin-members")
    members.get_by_role("button", name=f"Quitar a {reader.username} del grupo").click()
    expect(page.get_by_role("region", name="0 miembros")).to_contain_text("no tiene miembros")
    page.get_by_role("button", name="Borrar").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Con ello desaparece también")
    dialog.get_by_role("button", name="Borrar").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Grupos")
    assert admin.troubles == []


@pytest.mark.browser_matrix
def test_pages_are_walked_there_and_back(new_reader: NewReader) -> None:
    admin = new_reader("/admin/audit", more=["--superuser"])
    page = admin.page
    for _ in range(60):
        page.request.get(f"{admin.url}/api/auth/groups")
    found = page.locator(".grid tbody tr[data-key]")
    expect(found.first).to_be_visible()
    admin.open("/admin/audit?ending=success")
    pager = page.get_by_role("navigation", name="Páginas de la lista")
    expect(pager).to_contain_text("1–50")
    first = found.first.get_attribute("data-key")
    pager.get_by_role("link", name="Siguiente").click()
    expect(pager).to_contain_text("51–")
    assert found.first.get_attribute("data-key") != first
    pager.get_by_role("link", name="Anterior").click()
    expect(pager).to_contain_text("1–50")
    page.go_back()
    expect(pager).to_contain_text("51–")
    page.reload()
    expect(pager).to_contain_text("en esta página")
    pager.get_by_role("link", name="Primera").click()
    expect(pager).to_contain_text("1–50")
    assert admin.troubles == []


@pytest.mark.browser_matrix
def test_a_peer_acts_for_an_account_that_is_found_by_name(new_reader: NewReader) -> None:
    administrator = new_reader("/admin/peers/add", more=["--superuser"])
    page, title = administrator.page, f"CT{secrets.token_hex(4)}".upper()
    page.locator('[name="ae_title"]').fill(title)
    page.locator('[name="addresses"]').fill("10.1.2.3")
    account = page.get_by_role("combobox", name=re.compile("Actúa por|Acts for"))
    account.press_sequentially(administrator.username[:-1])
    page.get_by_role("option").first.click()
    expect(account).to_have_value(administrator.username)
    seen(page, "admin-peer-add")
    page.locator('form button[type="submit"]').click()
    expect(page).to_have_url(re.compile("/admin/peers/[0-9a-f-]{36}$"))
    made = page.request.get(f"{administrator.url}/api/peers?q={title}").json()["peers"]
    me = page.request.get(f"{administrator.url}/api/auth/me").json()
    assert [peer["account_id"] for peer in made] == [me["user_id"]]
    # By name there too, and nothing was changed by looking.
    expect(page.get_by_role("combobox", name=re.compile("Actúa por|Acts for"))).to_have_value(
        administrator.username
    )
