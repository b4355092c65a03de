"""How OHIF is served: what start.sh makes of the templates."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.waiting import wait_until

START = Path(__file__).parents[3] / "infra/ohif/start.sh"
STAY = 'add_header Strict-Transport-Security "max-age=63072000" always;'


def put_nginx(folder: Path, script: str) -> None:
    (folder / "nginx").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "nginx").chmod(0o755)


def start(folder: Path, environment: Mapping[str, str], script: Path = START) -> subprocess.Popen[bytes]:
    """start.sh in a group of its own, with the `nginx` that lies in `folder`."""
    given = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "OHIF_FOLDER": str(folder),
        "OHIF_POLL": "0.1",
        "PORTAL_URL": "https://dicom.example.org:8443/dicom",
        **environment,
    }
    return subprocess.Popen([str(script)], env=given, start_new_session=True)


def configuration(folder: Path, **environment: str) -> str:
    """nginx's configuration; what is started in its place ends at once."""
    put_nginx(folder, "exit 0")
    started = start(folder, environment)
    assert started.wait(60) == 0
    return (folder / "nginx.conf").read_text()


def replace(path: Path, text: str) -> None:
    """At once, so that nobody reads half of it."""
    (draft := path.with_name(".draft")).write_text(text)
    draft.rename(path)


def group_ended(group: int) -> bool:
    """Whether no process of it is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return True
    return False


def test_browsers_are_told_to_stay_with_tls_where_there_is_tls(tmp_path: Path) -> None:
    certificates = tmp_path / "certificates"
    certificates.mkdir()
    for name in ("tls.crt", "tls.key"):
        (certificates / name).write_text("x")
    assert STAY in configuration(tmp_path, OHIF_CERTIFICATES=str(certificates))
    assert STAY not in configuration(tmp_path)


def test_a_new_certificate_and_what_a_release_changes_are_read_without_a_restart(tmp_path: Path) -> None:
    served, certificates = tmp_path / "ohif", tmp_path / "certificates"
    shutil.copytree(START.parent, served)
    certificates.mkdir()
    for name in ("tls.crt", "tls.key"):
        (certificates / name).write_text("x")
    calls = tmp_path / "calls"
    put_nginx(tmp_path, f'echo "$@" >>{calls}; case "$*" in *daemon*) exec sleep 60;; esac')

    def reloads() -> int:
        return calls.read_text().count("-s reload") if calls.exists() else 0

    started = start(tmp_path, {"OHIF_CERTIFICATES": str(certificates)}, served / "start.sh")
    try:
        wait_until(calls.exists)
        replace(certificates / "tls.crt", "renewed")
        wait_until(lambda: reloads() == 1)
        template = served / "app-config.js.template"
        replace(template, template.read_text().replace("name: 'dicom'", "name: 'other'"))
        wait_until(lambda: reloads() == 2)
        assert "name: 'other'" in (tmp_path / "app-config.js").read_text()
    finally:
        started.terminate()
        started.wait(60)
    # What looks ends with what it looks after.
    wait_until(lambda: group_ended(started.pid))
    assert reloads() == 2


def test_it_calls_the_portals_origin_and_nobody_else(tmp_path: Path) -> None:
    found = configuration(tmp_path)
    assert "connect-src 'self' https://dicom.example.org:8443 data: blob:;" in found
    assert "@" not in found.partition("http {")[2]
