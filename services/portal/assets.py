"""The static files, read once: bodies, compressed bodies, entity tags and one version for all of them."""

from __future__ import annotations

import gzip
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from pathlib import Path

from services.portal.rolled import FOLDER, VENDOR, Roll, UnrollableError

CONTENT_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
TYPES = (".ts", ".mts")
"""For the type checker; no browser asks for them."""
DENSE = (".png",)
"""Compressed as they are."""
START = "app/main.js"
ADDRESS = "@base@/static/@version@/"
SHEET = re.compile(rf'<link rel="stylesheet" href="{ADDRESS}([^"]+)" />\s*')
SCRIPT = f'<script type="module" src="{ADDRESS}{START}"></script>'
ROLLED_SHEET = f"{FOLDER}/start.css"


@dataclass(frozen=True)
class Asset:
    """One file. `etag` is a hash of `body`, without quotes; `compressed` is None where that gains nothing."""

    body: bytes
    compressed: bytes | None
    content_type: str
    etag: str


@dataclass(frozen=True)
class Assets:
    """All files by path below `static/`, e.g. `app/main.js`, with those that are made of them (`rolled/`);
    `version` changes when any of them does."""

    version: str
    files: Mapping[str, Asset]
    index: Asset
    favicon: Asset


def _asset(body: bytes, suffix: str) -> Asset:
    return Asset(
        body=body,
        compressed=None if suffix in DENSE else gzip.compress(body, mtime=0),
        content_type=CONTENT_TYPES[suffix],
        etag=sha256(body).hexdigest()[:16],
    )


def _start_sheets(sources: Mapping[str, bytes]) -> tuple[list[str], list[str]]:
    """The sheets that the page links, and those of components: whatever page needs one finds it there."""
    linked = SHEET.findall(sources["index.html"].decode())
    return linked, [
        name for name in sources if name.startswith("ui/") and name.endswith(".css") and name not in linked
    ]


def _rolled(sources: Mapping[str, bytes]) -> tuple[dict[str, bytes], list[str]]:
    """The files made of `sources`, and the foreign modules of the start.

    Raises UnrollableError and ScriptError.
    """
    scripts = {
        name: body.decode()
        for name, body in sources.items()
        if name.endswith(".js") and not name.startswith(VENDOR)
    }
    roll = Roll(START, scripts)
    sheet = b"".join(sources[name] for names in _start_sheets(sources) for name in names)
    if b"url(" in sheet or b"@import" in sheet:
        raise UnrollableError("a sheet of the start names another file by an address that would change")
    files = {name: text.encode() for name, text in roll.files()}
    return {**files, ROLLED_SHEET: sheet}, roll.vendored(next(iter(roll.groups)))


def _page(sources: Mapping[str, bytes], modules: list[str], start: str) -> str:
    """`index.html` with the rolled files in the places of their sources. It names the modules that the start
    imports, so that a browser asks for all at once instead of finding one in the other."""
    page = sources["index.html"].decode()
    _, held = _start_sheets(sources)
    links = [f'<link rel="stylesheet" href="{ADDRESS}{ROLLED_SHEET}" data-holds="{" ".join(held)}" />']
    links += [f'<link rel="modulepreload" href="{ADDRESS}{name}" />' for name in modules]
    links += [f'<script type="module" src="{ADDRESS}{start}"></script>']
    return SHEET.sub("", page).replace(SCRIPT, "\n    ".join(links))


def load_assets(
    folder: Path, base: str = "", more: Mapping[str, bytes] | None = None, viewers: str = "[]"
) -> Assets:
    """Read every file below `folder`, roll modules and sheets (ADR 0048), and pack modules (ADR 0064); `more`
    come along as they are, by path below `folder`. `index.html` gets the version put in where it says
    `@version@`, `base`, the path that PUBLIC_URL may have (`/dicom`), where it says `@base@`, and where
    `@viewers@`, JSON of the `viewers`.

    The version is part of every asset's address, so that a browser may keep assets for ever and never
    mixes modules of two releases. Raises KeyError for a kind of file that `CONTENT_TYPES` does not list,
    UnrollableError and ScriptError.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in TYPES)
    sources = {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}
    rolled, modules = _rolled(sources)
    every = {**sources, **rolled, **(more or {})}
    files = {name: _asset(body, Path(name).suffix) for name, body in every.items()}
    version = sha256("".join(f"{name}\0{asset.etag}\n" for name, asset in files.items()).encode()).hexdigest()
    page = _page(sources, modules, next(iter(rolled)))
    page = page.replace("@version@", version[:12]).replace("@base@", escape(base))
    page = page.replace("@viewers@", escape(viewers))
    return Assets(
        version=version[:12],
        files=files,
        index=_asset(page.encode(), ".html"),
        favicon=files["favicon.svg"],
    )
