"""The static files, read once: bodies, compressed bodies, entity tags and one version for all of them."""

from __future__ import annotations

import gzip
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from html import escape
from pathlib import Path

CONTENT_TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".json": "application/json",
    ".mjs": "text/javascript",
    ".svg": "image/svg+xml",
    ".txt": "text/plain",
}
TYPES = (".ts", ".mts")
"""For the type checker; no browser asks for them."""
VERSION_MARK = b"@version@"
BASE_MARK = b"@base@"
MODULES_MARK = b"<!-- @modules@ -->"
START = "app/main.js"
IMPORT = re.compile(rb"(?:\bfrom|\bimport)\s*['\"](\.[^'\"]+)['\"]")
"""Of a module that is loaded with the one that names it; `import(…)` is loaded when it is called."""


@dataclass(frozen=True)
class Asset:
    """One file. `etag` is a hash of `body`, without quotes."""

    body: bytes
    compressed: bytes
    content_type: str
    etag: str


@dataclass(frozen=True)
class Assets:
    """All files by path below `static/`, e.g. `js/main.js`; `version` changes when any of them does."""

    version: str
    files: Mapping[str, Asset]
    index: Asset
    favicon: Asset


def _asset(body: bytes, suffix: str) -> Asset:
    return Asset(
        body=body,
        compressed=gzip.compress(body, mtime=0),
        content_type=CONTENT_TYPES[suffix],
        etag=sha256(body).hexdigest()[:16],
    )


def modules_from(start: str, files: Mapping[str, Asset]) -> list[str]:
    """The modules that come along with `start`, itself included, in the order in which they are met."""
    found = [start]
    for name in found:  # grows on the way
        for target in IMPORT.findall(files[name].body):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(name), target.decode()))
            if path not in found and path in files:
                found.append(path)
    return found


def load_assets(folder: Path, base: str = "") -> Assets:
    """Read every file below `folder`. `index.html` gets the version put in where it says `@version@`, and
    `base`, the path that PUBLIC_URL may have (`/dicom`), where it says `@base@`. It names all modules of the
    start, so that a browser asks for them at once instead of finding one in the other.

    The version is part of every asset's address, so that a browser may keep assets for ever and never
    mixes modules of two releases. Raises KeyError for a kind of file that `CONTENT_TYPES` does not list.
    """
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix not in TYPES)
    files = {path.relative_to(folder).as_posix(): _asset(path.read_bytes(), path.suffix) for path in paths}
    version = sha256("".join(f"{name}\0{asset.etag}\n" for name, asset in files.items()).encode()).hexdigest()
    modules = "\n    ".join(
        f'<link rel="modulepreload" href="@base@/static/@version@/{name}" />'
        for name in (modules_from(START, files) if START in files else ())
    )
    page = files["index.html"].body.replace(MODULES_MARK, modules.encode())
    page = page.replace(VERSION_MARK, version[:12].encode()).replace(BASE_MARK, escape(base).encode())
    index = _asset(page, ".html")
    return Assets(version=version[:12], files=files, index=index, favicon=files["favicon.svg"])
