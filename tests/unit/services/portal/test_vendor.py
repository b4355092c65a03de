"""The portal's foreign modules are those that vendor.json pins, and a browser can load them as they are."""

from __future__ import annotations

import json
import re
from hashlib import sha256

import pytest

from infra.vendor import LICENCES, MANIFEST, SPECIFIERS, VENDOR, rewritten
from services.portal.app import STATIC
from services.portal.assets import load_assets

MANIFEST_READ = json.loads(MANIFEST.read_text())
MODULES = sorted(VENDOR.glob("*.mjs"))


def test_nobody_changed_what_was_fetched() -> None:
    found = {
        path.name: sha256(path.read_bytes()).hexdigest() for path in VENDOR.iterdir() if path != MANIFEST
    }
    assert found == MANIFEST_READ["sha256"]


def test_every_file_comes_from_a_pinned_package_with_its_licence() -> None:
    named = {target for package in MANIFEST_READ["packages"].values() for target in package["files"]}
    assert named | {LICENCES} == set(MANIFEST_READ["sha256"])
    licences = (VENDOR / LICENCES).read_text()
    for name, package in MANIFEST_READ["packages"].items():
        assert package["integrity"].startswith("sha512-")
        assert f"{name} {package['version']} ({package['license']})" in licences


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_modules_import_their_neighbours_only(path: str) -> None:
    source = (VENDOR / path).read_text()
    for target in re.findall(r"\bfrom\s*[\"']([^\"']+)[\"']", source):
        assert (VENDOR / target).is_file(), target
    assert "sourceMappingURL" not in source


def test_bare_names_lead_to_the_vendored_files() -> None:
    source = (
        b"import{h}from\"preact\";export*from'preact/hooks';import x from './own.mjs'\n"
        b"//# sourceMappingURL=a.map\n"
    )
    assert rewritten(source) == (
        b"import{h}from\"./preact.mjs\";export*from'./hooks.mjs';import x from './own.mjs'\n"
    )
    assert {(VENDOR / target).is_file() for target in SPECIFIERS.values()} == {True}


def test_types_are_not_served() -> None:
    served = {name for name in load_assets(STATIC).files if name.startswith("vendor/")}
    assert served == {
        *(f"vendor/{path.name}" for path in MODULES),
        f"vendor/{LICENCES}",
        f"vendor/{MANIFEST.name}",
    }
