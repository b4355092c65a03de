"""The page for programs: its lines do what it says, on a running system."""

from __future__ import annotations

import os
import re
import secrets
import subprocess
import sys
from pathlib import Path

from services.portal.guide import DOCS
from tests.builders import UID_ROOT, ct_instance
from tests.e2e.conftest import System
from tests.e2e.processes import PASSWORD

SNIPPET = re.compile(r"^```(sh|python)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def snippets(language: str) -> list[tuple[str, str]]:
    """Language and lines of each, in order."""
    return SNIPPET.findall((DOCS / "guide" / f"programs.{language}.md").read_text(encoding="utf-8"))


def study(seed: int) -> bytes:
    return ct_instance(
        16,
        16,
        seed=seed,
        PatientName="GARCÍA^MARÍA",
        StudyInstanceUID=f"{UID_ROOT}.{secrets.randbits(48)}",
        SpecificCharacterSet="ISO_IR 192",
    )


def test_every_line_runs_and_is_the_same_in_both_languages(embedded_system: System, tmp_path: Path) -> None:
    assert snippets("es") == snippets("en")
    name = f"program-{secrets.token_hex(4)}"
    embedded_system.create_user(name)
    for number, file in enumerate(("image.dcm", "first.dcm", "second.dcm")):
        (tmp_path / file).write_bytes(study(number))
    lines = []
    for number, (kind, text) in enumerate(snippets("es")):
        filled = text.replace("{address}", embedded_system.urls["portal"])
        if kind == "python":
            (tmp_path / f"{number}.py").write_text(filled)
            filled = f"{sys.executable} {number}.py\n"
        lines.append(filled)
    script = "set -euo pipefail\n" + "".join(lines)
    ran = subprocess.run(
        ["bash", "-c", script],
        cwd=tmp_path,
        env=os.environ,
        input=f"{name}\n{PASSWORD}\n",
        text=True,
        capture_output=True,
        timeout=250,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "processed" in ran.stdout
    assert "GARCÍA^MARÍA" in ran.stdout
    assert '"username"' in ran.stdout
    assert (tmp_path / "study.zip").read_bytes().startswith(b"PK")
    assert (tmp_path / "thumbnail.jpg").stat().st_size > 100
    assert (tmp_path / "results.json").stat().st_size > 1000
