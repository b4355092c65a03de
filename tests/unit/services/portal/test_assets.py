"""Reading the static folder: versions and entity tags follow the bytes."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from services.portal.assets import Assets, load_assets, modules_from


def make(folder: Path, script: str) -> Assets:
    (folder / "app").mkdir(exist_ok=True)
    (folder / "index.html").write_text('<script src="/static/@version@/app/main.js"></script>')
    (folder / "favicon.svg").write_text("<svg/>")
    (folder / "app" / "main.js").write_text(script)
    return load_assets(folder)


def test_one_changed_byte_changes_the_version_in_the_page(tmp_path: Path) -> None:
    first, same, other = make(tmp_path, "a"), make(tmp_path, "a"), make(tmp_path, "b")
    assert first.version == same.version != other.version
    assert f"/static/{first.version}/app/main.js".encode() in first.index.body
    assert first.index.etag != other.index.etag
    assert first.files["app/main.js"].etag != other.files["app/main.js"].etag


def test_compressed_bodies_hold_the_same_bytes(tmp_path: Path) -> None:
    assets = make(tmp_path, "export const a = 1;")
    for asset in (*assets.files.values(), assets.index):
        assert gzip.decompress(asset.compressed) == asset.body


def test_a_kind_of_file_without_a_content_type_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "font.woff2").write_bytes(b"")
    with pytest.raises(KeyError, match="woff2"):
        make(tmp_path, "a")


def test_the_page_names_the_modules_of_the_start(tmp_path: Path) -> None:
    (tmp_path / "ui").mkdir()
    (tmp_path / "ui" / "a.js").write_text("import '../app/main.js'; import { b } from './b.mjs';")
    (tmp_path / "ui" / "b.mjs").write_text("export const b = () => import('./later.js');")
    (tmp_path / "ui" / "later.js").write_text("")
    assets = make(tmp_path, "import { a } from '../ui/a.js';")
    assert modules_from("app/main.js", assets.files) == ["app/main.js", "ui/a.js", "ui/b.mjs"]
    (tmp_path / "index.html").write_text("<!-- @modules@ -->")
    page = load_assets(tmp_path, "/dicom").index.body.decode()
    assert page.count("modulepreload") == 3
    assert '<link rel="modulepreload" href="/dicom/static/' in page
