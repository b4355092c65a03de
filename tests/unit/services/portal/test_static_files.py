"""Rules that every static file keeps, so that the Content-Security-Policy never has to bend."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from services.portal.app import STATIC

SCRIPTS = sorted(STATIC.rglob("*.js"))
SHEETS = sorted(STATIC.rglob("*.css"))
LAYERS = {
    # What a folder may import from, beside itself.
    "dicom": set(),
    "ui": {"app", "dicom"},
    "app": {"dicom", "ui"},
    "account": {"app", "ui"},
    "help": {"app", "ui"},
    "admin": {"app", "ui"},
    "results": {"app", "dicom", "shares", "ui", "viewer"},
    "shares": {"app", "dicom", "ui"},
    "stories": {"app", "dicom", "ui"},
    "studies": {"app", "dicom", "shares", "ui", "viewers"},
    "upload": {"app", "dicom", "ui"},
    "viewer": {"app", "dicom", "ui", "viewers"},
    "viewers": {"app", "ui"},
}
ROUTES = {"app/main.js", "app/routes.js"}
"""Where views are put together."""
MOUNTED = {("shares/link-page.js", folder) for folder in ("results", "studies", "viewer")}
"""Pages that show others inside themselves."""
IMPORT = re.compile(r"(?:\bfrom|\bimport)\s*\(?\s*'(\.[^']+)'")
PAGE = (STATIC / "index.html").read_text()
SOURCE = "\n".join(path.read_text() for path in SCRIPTS)
SINKS = re.compile(
    r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|\.cssText|DOMParser"
    r"|dangerouslySet|createContextualFragment|setAttribute\(\s*'style'|javascript:"
)


def name_of(path: Path) -> str:
    return path.relative_to(STATIC).as_posix()


def test_the_page_has_no_inline_script_style_or_handler() -> None:
    assert not re.search(r"<style|\sstyle=|\son\w+=", PAGE)
    assert all(re.search(r'\ssrc="@base@/', tag) for tag in re.findall(r"<script[^>]*>", PAGE))


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_no_script_can_turn_text_into_markup_or_code(path: Path) -> None:
    assert SINKS.findall(path.read_text()) == []


@pytest.mark.parametrize("path", [*SCRIPTS, *SHEETS, STATIC / "index.html"], ids=name_of)
def test_nothing_is_fetched_from_another_host(path: Path) -> None:
    links = re.findall(r"https?://[^\s'\"]+", path.read_text())
    assert [link for link in links if link != "http://www.w3.org/2000/svg"] == []


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_imports_lead_to_modules_and_names_that_exist(path: Path) -> None:
    for names, source in re.findall(r"import \{([^}]*)\} from '(\.[^']+)'", path.read_text()):
        if "/vendor/" in source:
            continue  # minified; the type checker knows what they export
        exported = (path.parent / source).read_text()
        for name in (part.strip().split(" as ")[0] for part in names.split(",")):
            if name:
                assert re.search(rf"export [^;\n]*\b{name}\b", exported), f"{source} exports no {name}"


@pytest.mark.parametrize("path", SCRIPTS, ids=name_of)
def test_folders_import_only_what_lies_below_them(path: Path) -> None:
    for target in IMPORT.findall(path.read_text()):
        to = (path.parent / target).resolve().relative_to(STATIC).parts[0]
        own = name_of(path).split("/")[0]
        if to in ("vendor", own) or name_of(path) in ROUTES or (name_of(path), to) in MOUNTED:
            continue
        assert to in LAYERS[own], f"{name_of(path)} imports {target}"


def test_every_folder_has_its_layer() -> None:
    folders = {name_of(path).split("/")[0] for path in SCRIPTS}
    assert folders == set(LAYERS)


def test_every_resource_of_the_administration_is_named() -> None:
    named = re.findall(r"from '\./descriptors/([^']+)'", (STATIC / "admin/resources.js").read_text())
    assert sorted(named) == sorted(path.name for path in (STATIC / "admin/descriptors").glob("*.js"))


def test_every_sheet_is_linked_and_every_link_leads_somewhere() -> None:
    linked = re.findall(r'href="@base@/static/@version@/([^"]+\.css)"', PAGE)
    loaded = [
        (path.parent / target).relative_to(STATIC).as_posix()
        for path in SCRIPTS
        for target in re.findall(r"linkSheet\(new URL\('\./([^']+)'", path.read_text())
    ]
    assert sorted({*linked, *loaded}) == [name_of(path) for path in SHEETS]


def test_every_icon_that_a_script_names_is_in_the_sprite() -> None:
    sprite = set(re.findall(r'<symbol id="([^"]+)"', (STATIC / "icons.svg").read_text()))
    named = {
        name
        for names in re.findall(
            r"(?:\bicon\(|\bicon: |\bname=\$\{)'([^']+)'|\bicon=\"([^\"]+)\"|Icon} name=\"([^\"]+)\"", SOURCE
        )
        for name in names
        if name
    }
    assert named <= sprite


@pytest.mark.parametrize("path", [*SCRIPTS, *SHEETS], ids=name_of)
def test_modules_stay_small(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= 220


SHOWN_ELSEWHERE = {
    # Part of every story, of the frame, or made of a whole page.
    *("icon", "toast", "not-found", "list-view", "selection-bar", "live-mark"),
}


def test_every_component_has_a_story() -> None:
    stories = "\n".join(path.read_text() for path in SCRIPTS if name_of(path).startswith("stories/"))
    shown = set(re.findall(r"'\.\./ui/([\w-]+)\.js'", stories))
    made = {
        path.stem
        for path in SCRIPTS
        if path.parent.name == "ui" and re.search(r"^export function [A-Z]", path.read_text(), re.MULTILINE)
    }
    assert made - shown == SHOWN_ELSEWHERE
