"""Reading the static folder: versions and entity tags follow the bytes."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from services.portal.assets import Assets, load_assets
from services.portal.rolled import UnrollableError

PAGE = """<link rel="stylesheet" href="@base@/static/@version@/app/a.css" />
<link rel="stylesheet" href="@base@/static/@version@/ui/b.css" />
<script type="module" src="@base@/static/@version@/app/main.js"></script>"""


def make(folder: Path, script: str, base: str = "") -> Assets:
    for name in ("app", "ui"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "index.html").write_text(PAGE)
    (folder / "favicon.svg").write_text("<svg/>")
    for name in ("app/a", "ui/b", "ui/c"):
        (folder / f"{name}.css").write_text(f".{name[-1]} {{}}\n")
    (folder / "app" / "main.js").write_text(script)
    return load_assets(folder, base)


def test_one_changed_byte_changes_the_version_in_the_page(tmp_path: Path) -> None:
    first, same, other = make(tmp_path, "a"), make(tmp_path, "a"), make(tmp_path, "b")
    assert first.version == same.version != other.version
    assert f"/static/{first.version}/rolled/app-main.js".encode() in first.index.body
    assert first.index.etag != other.index.etag
    assert first.files["app/main.js"].etag != other.files["app/main.js"].etag


def test_compressed_bodies_hold_the_same_bytes(tmp_path: Path) -> None:
    assets = make(tmp_path, "export const a = 1;")
    for asset in (*assets.files.values(), assets.index):
        assert asset.compressed is not None
        assert gzip.decompress(asset.compressed) == asset.body


def test_a_kind_of_file_without_a_content_type_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "font.woff2").write_bytes(b"")
    with pytest.raises(KeyError, match="woff2"):
        make(tmp_path, "a")


def test_the_page_names_the_rolled_files_and_what_they_import(tmp_path: Path) -> None:
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "h.mjs").write_text("export default 1")
    assets = make(tmp_path, "import h from '../vendor/h.mjs';\n", "/dicom")
    page = assets.index.body.decode()
    root = f"/dicom/static/{assets.version}"
    assert f'<link rel="stylesheet" href="{root}/rolled/start.css" data-holds="ui/c.css" />' in page
    assert f'<link rel="modulepreload" href="{root}/vendor/h.mjs" />' in page
    assert f'<script type="module" src="{root}/rolled/app-main.js"></script>' in page
    assert page.count("<link") == 2
    assert assets.files["rolled/start.css"].body == b".a {}\n.b {}\n.c {}\n"


def test_a_sheet_that_names_a_file_stops_the_start(tmp_path: Path) -> None:
    make(tmp_path, "a")
    (tmp_path / "ui" / "c.css").write_text(".c { background: url(./c.svg) }")
    with pytest.raises(UnrollableError):
        load_assets(tmp_path)
