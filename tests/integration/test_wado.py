"""WADO-RS: instances as they were sent, and their headers."""

from __future__ import annotations

import io
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pydicom
import pytest

from libs.common.ids import file_key
from tests.builders import MPEG4_HP41, ct_instance, encapsulated_instance
from tests.results_support import OWNER, STRANGER, Results, running_results
from tests.sharing_support import ANA, BEN, Sharing
from tests.wado_support import parts_of, store

AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
EXPLICIT = "1.2.840.10008.1.2.1"
RLE = "1.2.840.10008.1.2.5"


@pytest.fixture
async def results(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Results]:
    """One replica."""
    async with running_results(
        role_url("results"), tmp_path, public_url="https://dicom.example.org"
    ) as running:
        yield running


def slice_of(number: int, **elements: Any) -> bytes:
    return ct_instance(seed=number, SOPInstanceUID=f"1.2.9.{number}", **elements)


async def test_a_study_comes_in_parts_as_it_was_sent(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.results.dicomweb.retrieve.PAGE", 2)
    sent = [await store(results, slice_of(number)) for number in range(3)]
    await store(results, slice_of(9, StudyInstanceUID="1.2.8"))
    async with await results.get(sent[0].study_path, Accept=AS_STORED) as answer:
        parts = await parts_of(answer)
    assert [part.body for part in parts] == [one.content for one in sent]
    assert {part.content_type for part in parts} == {f"application/dicom; transfer-syntax={EXPLICIT}"}
    async with await results.get(sent[1].path, Accept=AS_STORED) as answer:
        assert [part.body for part in await parts_of(answer)] == [sent[1].content]
    async with await results.get(sent[1].series_path) as answer:
        assert len(await parts_of(answer)) == 3


async def test_one_instance_comes_by_itself(results: Results) -> None:
    sent = await store(results, slice_of(1))
    async with await results.get(sent.path, Accept="application/dicom") as answer:
        assert (answer.status, answer.content_type) == (200, "application/dicom")
        assert await answer.read() == sent.content
        etag = answer.headers["ETag"]
    async with await results.get(sent.path, Accept="application/dicom", If_None_Match=etag) as answer:
        assert answer.status == 304
    async with await results.get(f"{sent.path}?accept=application/dicom") as answer:
        assert await answer.read() == sent.content
    async with await results.get(sent.study_path, Accept="application/dicom") as answer:
        assert (answer.status, (await answer.json())["code"]) == (406, "not-acceptable")


async def test_head_of_searches_and_of_the_root_says_what_get_would(results: Results) -> None:
    sent = await store(results, slice_of(1))
    for path in (
        "/dicom-web",
        "/dicom-web/studies",
        f"{sent.series_path}/instances",
        "/dicom-web/studies?limit=x",
    ):
        async with await results.get(path) as answer:
            told = (answer.status, answer.content_type)
        async with await results.get(path, method="HEAD") as answer:
            assert (answer.status, answer.content_type, await answer.read()) == (*told, b""), path


async def test_an_archive_holds_what_is_named(results: Results) -> None:
    sent = await store(results, slice_of(1))
    await store(results, slice_of(2, SeriesInstanceUID="1.2.7"))
    async with await results.get(sent.series_path, Accept="application/zip") as answer:
        assert (answer.status, answer.content_type) == (200, "application/zip")
        with zipfile.ZipFile(io.BytesIO(await answer.read())) as archive:
            assert [archive.read(name) for name in archive.namelist()] == [sent.content]


async def test_a_syntax_that_cannot_be_had_is_refused(results: Results) -> None:
    sent = await store(results, slice_of(1))
    rle = await store(
        results, encapsulated_instance([b"\1" * 64], transfer_syntax=RLE, SOPInstanceUID="1.2.9.5")
    )
    for syntax, statuses in ((RLE, (406, 200)), ("1.2.840.10008.1.2.4.90", (406, 406)), ("*", (200, 200))):
        accept = f'multipart/related; type="application/dicom"; transfer-syntax={syntax}'
        for one, status in zip((sent, rle), statuses, strict=True):
            async with await results.get(one.path, Accept=accept) as answer:
                assert answer.status == status, (syntax, one)
    either = f"multipart/related; type=application/dicom; transfer-syntax={RLE}, {AS_STORED}; q=0.5"
    async with await results.get(sent.study_path, Accept=either) as answer:
        assert [part.content_type.split("=")[1] for part in await parts_of(answer)] == [EXPLICIT, RLE]


async def test_a_video_withholds_no_study(results: Results) -> None:
    """It cannot be transcoded: who names no transfer syntax has it as it is stored, and its part says so."""
    sent = await store(results, slice_of(1))
    content = encapsulated_instance(
        [b"", b"\1" * 500], transfer_syntax=MPEG4_HP41, frames=9, SOPInstanceUID="1.2.9.6"
    )
    video = await store(results, content)
    default = 'multipart/related; type="application/dicom"'
    for accept in (default, "*/*"):
        async with await results.get(sent.study_path, Accept=accept) as answer:
            parts = {part.content_type.split("=")[1]: part.body for part in await parts_of(answer)}
        assert parts == {EXPLICIT: sent.content, MPEG4_HP41: video.content}
    for path, accept in (
        (sent.study_path, f"{default}; transfer-syntax={EXPLICIT}"),
        (video.path, default),
        (video.path, "application/dicom"),
    ):
        async with await results.get(path, Accept=accept) as answer:
            assert (answer.status, (await answer.json())["code"]) == (406, "not-acceptable"), path


async def test_headers_come_with_absolute_addresses(results: Results) -> None:
    sent = await store(results, slice_of(1, SpecificCharacterSet="ISO_IR 192", PatientName="Núñez^Ana"))
    async with await results.get(f"{sent.path}/metadata", Accept="application/dicom+json") as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (200, "application/dicom+json")
        (told,) = await answer.json(content_type=None)
    url = f"https://dicom.example.org{sent.path}/bulkdata/7FE00010"
    assert told["7FE00010"] == {"vr": "OW", "BulkDataURI": url}
    assert told["00080005"] == {"vr": "CS", "Value": ["ISO_IR 192"]}
    assert told["00100010"]["Value"] == [{"Alphabetic": "Núñez^Ana"}]
    for xml in ('multipart/related; type="application/dicom+xml"', "application/dicom+xml, */*;q=0.1"):
        async with await results.get(f"{sent.series_path}/metadata", Accept=xml) as answer:
            (part,) = await parts_of(answer)
        assert part.content_type == "application/dicom+xml"
        assert f'<BulkData uri="{url}"/>'.encode() in part.body
        assert "Núñez".encode() in part.body
    read = pydicom.Dataset.from_json(told, bulk_data_uri_handler=lambda uri: b"")
    assert read.SOPInstanceUID == sent.instance


async def test_headers_of_many_are_told_in_pieces(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.results.dicomweb.store.HEADERS_BYTES", 5000)
    sent = [await store(results, slice_of(number)) for number in range(7)]
    for path, coding in ((sent[0].study_path, "identity"), (sent[0].series_path, "gzip")):
        async with await results.get(f"{path}/metadata", Accept_Encoding=coding) as answer:
            assert answer.headers.get("Content-Encoding", "identity") == coding
            told = await answer.json(content_type=None)
            etag = answer.headers["ETag"]
        assert [one["00080018"]["Value"] for one in told] == [[one.instance] for one in sent]
    async with await results.get(f"{sent[0].series_path}/metadata", If_None_Match=etag) as answer:
        assert answer.status == 304
    await store(results, slice_of(8))
    async with await results.get(f"{sent[0].series_path}/metadata", If_None_Match=etag) as answer:
        assert (answer.status, len(await answer.json(content_type=None))) == (200, 8)


async def test_others_get_what_they_see(results: Results) -> None:
    mine = await store(results, slice_of(1))
    await store(results, slice_of(2))
    for path in (mine.study_path, mine.series_path, mine.path):
        for end in ("", "/metadata"):
            async with await results.get(path + end, STRANGER) as answer:
                assert answer.status == 404
    await Sharing(results).share(ANA, BEN, file_id=str(mine.file_id))
    async with await results.get(mine.study_path, BEN.id, Accept=AS_STORED) as answer:
        assert [part.body for part in await parts_of(answer)] == [mine.content]
    assert len(await results.json(f"{mine.study_path}/metadata", BEN.id)) == 1
    of_ana = f"/dicom-web/collections/user:{OWNER}{mine.path.removeprefix('/dicom-web')}/metadata"
    (told,) = await results.json(of_ana, BEN.id)
    url = told["7FE00010"]["BulkDataURI"]
    assert url == f"https://dicom.example.org{of_ana.removesuffix('/metadata')}/bulkdata/7FE00010"
    async with await results.get(f"{mine.study_path}?collection=user:8", BEN.id) as answer:
        assert answer.status == 404


@pytest.mark.parametrize("path", ["/studies/1.2", "/studies/1.2/series/3", "/studies/x/series/y/instances/z"])
async def test_what_is_unknown_is_not_found(results: Results, path: str) -> None:
    for end in ("", "/metadata"):
        async with await results.get(f"/dicom-web{path}{end}") as answer:
            assert answer.status == 404


async def test_an_object_that_is_lost_ends_the_answer_early(results: Results) -> None:
    """Nobody takes a part of a study for all of it."""
    kept, lost = [await store(results, slice_of(number)) for number in range(2)]
    await results.storage.delete(file_key(lost.file_id))
    async with await results.get(lost.path, Accept=AS_STORED) as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, "object-not-found")
    async with await results.get(kept.study_path, Accept=AS_STORED) as answer:
        assert answer.status == 200
        with pytest.raises(aiohttp.ClientPayloadError):
            await answer.read()
