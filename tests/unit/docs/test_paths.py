"""What the documents name is there: folders, files and modules."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCUMENTS = (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"))
PATH = re.compile(r"(?<![\w./-])((?:bench|docs|infra|libs|services|tests)/[\w./-]*\w)")
MODULE = re.compile(r"python -m ((?:bench|docs|infra|libs|services)[\w.]*\w)")
MADE_LATER = {"infra/.env", "infra/compose.override.yml"}
"""By `make up`, or by the operator."""


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_named_paths_exist(document: Path) -> None:
    named = {found[1] for found in PATH.finditer(document.read_text())} - MADE_LATER
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_named_modules_exist(document: Path) -> None:
    named = {found[1] for found in MODULE.finditer(document.read_text())}
    folders = {module: ROOT / module.replace(".", "/") for module in named}
    assert [
        module
        for module, path in sorted(folders.items())
        if not (path / "__main__.py").exists() and not path.with_suffix(".py").exists()
    ] == []
