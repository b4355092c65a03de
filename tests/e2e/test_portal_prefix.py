"""The portal below a path, behind a gateway that serves other things at the root, in Chromium."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from libs.postgresql import folder as postgres_folder
from tests.builders import ct_instance
from tests.e2e.conftest import System
from tests.e2e.portal_page import NewReader, readers
from tests.e2e.processes import embedded, start_all, stop_all
from tests.fixtures_postgres import run_apart
from tests.ports import free_port

pytestmark = [pytest.mark.browser_matrix, pytest.mark.timeout(400)]
PREFIX = "/imagen/dicom"
NGINX = """
daemon off; pid {folder}/pid; error_log stderr warn;
events {{}}
http {{
    access_log off; client_max_body_size 0; client_body_temp_path {folder}/b; proxy_temp_path {folder}/p;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{
        listen 127.0.0.1:{port};
        location / {{ return 418; }}
        location {prefix}/ {{
            proxy_pass http://127.0.0.1:{target}/;
            proxy_http_version 1.1; proxy_buffering off; proxy_set_header Host $http_host;
        }}
    }}
}}
"""


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """One that knows its address, which a gateway leads to without the prefix."""
    data_dir, port = tmp_path_factory.mktemp("prefix") / "var", free_port()
    url = f"http://127.0.0.1:{port}{PREFIX}"
    process = embedded(data_dir, PUBLIC_URL=url)
    folder = tmp_path_factory.mktemp("nginx")
    folder.chmod(0o777)  # started by root it hands the work to nobody
    (folder / "nginx.conf").write_text(
        NGINX.format(folder=folder, port=port, target=process.port, prefix=PREFIX)
    )
    gateway = subprocess.Popen(
        ["setpriv", "--pdeathsig", "TERM", "nginx", "-c", str(folder / "nginx.conf")],
        env={"PATH": f"{os.environ['PATH']}:/usr/sbin"},
    )
    try:
        run_apart(start_all([process]))
        sockets = postgres_folder.socket_folder(data_dir)
        yield System(
            {"portal": url},
            {"services": process},
            data_dir,
            lambda role: postgres_folder.url(sockets, "bddicomimage", role),
        )
    finally:
        gateway.terminate()
        gateway.wait(60)
        stop_all([process])


@pytest.fixture
def new_reader(browser: Browser, system: System) -> Iterator[NewReader]:
    yield from readers(browser, system)


def test_everything_lies_below_the_prefix(new_reader: NewReader, tmp_path: Path) -> None:
    reader = new_reader("/", more=["--superuser"])
    page = reader.page
    outside: list[str] = []
    page.on(
        "request",
        lambda request: None if request.url.startswith(f"{reader.url}/") else outside.append(request.url),
    )
    expect(page).to_have_url(f"{reader.url}/studies")
    page.locator(".site-nav").get_by_role("link", name="Subir").click()
    (tmp_path / "one.dcm").write_bytes(ct_instance(32, 32, PatientName="PREFIX^BELOW"))
    page.locator("#choose-files").set_input_files(str(tmp_path / "one.dcm"))
    page.locator(".site-nav").get_by_role("link", name="Estudios").click()
    row = page.locator(".grid tbody tr[data-key]")
    expect(row).to_have_count(1)
    expect(row.locator("img")).not_to_have_js_property("naturalWidth", 0)
    row.get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("PREFIX, BELOW")
    for path, heading in (
        ("/files", "Archivos"),
        ("/shared", "Compartidos"),
        ("/account", "cuenta"),
        ("/admin", "Bienvenido al panel de administración"),
        ("/admin/users", "Usuarios"),
        ("/help", "Guía de uso"),
        ("/help/programs", "Para programas"),
    ):
        reader.open(path)
        expect(page.get_by_role("heading", level=1)).to_contain_text(heading)
    expect(page.locator(".help-code").first).to_contain_text(f"{reader.url}/api/auth/login")
    page.locator(".brand").click()
    expect(page).to_have_url(f"{reader.url}/studies")
    page.reload()
    expect(row).to_have_count(1)
    reader.sign_out()
    expect(page.locator('[name="username"]')).to_be_focused()
    assert outside == []
    assert reader.troubles == []
