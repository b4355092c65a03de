"""A study as a ZIP archive: what is in it, for whom, and what becomes of objects that are lost."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from libs.common.ids import file_key
from tests.integration.test_studies import header
from tests.results_support import OWNER, STRANGER, Results, running_results
from tests.sharing_support import ANA, BEN, Sharing
from tests.unit.services.results.events import received


@pytest.fixture
async def results(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Results]:
    """One replica."""
    async with running_results(role_url("results"), tmp_path) as running:
        yield running


async def send(
    results: Results, content: bytes, of: str = "1.5.1", /, name: str = "a.dcm", **told: Any
) -> str:
    event = received(study_instance_uid="1.5", series_instance_uid=of, size_bytes=len(content))
    return str(await results.upload(event, content=content, file_name=name, dicom=header(**told)))


async def download(
    results: Results, user: int = OWNER, query: str = ""
) -> tuple[dict[str, bytes], dict[str, str]]:
    async with await results.get(f"/api/studies/1.5/zip{query}", user) as answer:
        assert (answer.status, answer.content_type) == (200, "application/zip")
        body = await answer.read()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}, dict(answer.headers)


async def test_every_file_is_in_the_folder_of_its_series(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.results.studies.download.PAGE", 2)
    big = bytes(range(256)) * 10_000
    await send(results, big, number="1", series="axial", name="disc/IM1")
    await send(results, b"two", number="1", series="axial", name="other/IM1")
    await send(results, b"three", "1.5.2", name="../../x.dcm", number="1", series="axial")
    await send(results, b"four", "1.5.3", name="..")
    entries, headers = await download(results)
    folder = next(name for name in entries if name.startswith("CT"))
    assert folder.endswith(".dcm")
    del entries[folder]
    assert entries == {
        "001 CT axial/IM1": big,
        "001 CT axial/IM1 (2)": b"two",
        "001 CT axial (2)/x.dcm": b"three",
    }
    assert (headers["X-Total-Files"], headers["X-Total-Bytes"]) == ("4", str(len(big) + 12))
    assert headers["Content-Disposition"] == 'attachment; filename="study-1.5.zip"'
    assert headers["Cache-Control"] == "no-store"


async def test_others_get_what_they_see(results: Results) -> None:
    file_id = await send(results, b"one", name="one.dcm")
    await send(results, b"two", name="two.dcm")
    async with await results.get("/api/studies/1.5/zip", STRANGER) as answer:
        assert answer.status == 404
    await Sharing(results).share(ANA, BEN, file_id=file_id)
    entries, headers = await download(results, BEN.id)
    assert [*entries.values()] == [b"one"]
    assert (headers["X-Total-Files"], headers["X-Total-Bytes"]) == ("1", "3")
    async with await results.get("/api/studies/1.5/zip?collection=user:8", BEN.id) as answer:
        assert answer.status == 404


async def test_lost_objects_are_named(results: Results) -> None:
    lost = await send(results, b"gone", name="gone.dcm")
    await send(results, b"kept", name="kept.dcm")
    await results.storage.delete(file_key(lost))  # type: ignore[arg-type]
    entries, _ = await download(results)
    assert entries["CT/kept.dcm"] == b"kept"
    assert "CT/gone.dcm" not in entries
    assert f"CT/gone.dcm ({lost})" in entries["missing.txt"].decode()


async def test_an_object_that_is_damaged_ends_the_archive_early(results: Results, tmp_path: Path) -> None:
    """Nobody takes half a file for a whole one."""
    file_id = await send(results, bytes(3 << 20))
    path = next(path for path in tmp_path.rglob(f"*{file_id}*") if path.is_file())
    damaged = bytearray(path.read_bytes())
    damaged[(2 << 20) + 5000] ^= 1
    path.chmod(0o600)
    path.write_bytes(damaged)
    async with await results.get("/api/studies/1.5/zip") as answer:
        assert answer.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
