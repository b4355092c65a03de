"""WADO-RS: pictures of instances and frames, documents, reports, thumbnails, and bulk data at every depth."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRBigEndian, ExplicitVRLittleEndian

from libs.common.ids import thumbnail_key
from libs.dicom.render.sizes import pick
from tests import wheel
from tests.builders import ct_instance, encapsulated_instance
from tests.exposition import Exposition
from tests.results_support import STRANGER, Results, running_results
from tests.unit.libs.dicom.pixel_support import measured
from tests.unit.services.results.events import processed
from tests.wado_support import Stored, parts_of, store


@pytest.fixture
async def results(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Results]:
    """One replica."""
    async with running_results(role_url("results"), tmp_path, pixels_slots=1) as running:
        yield running


async def picture(results: Results, path: str, accept: str = "image/png") -> Any:
    async with await results.get(path, Accept=accept) as answer:
        assert (answer.status, answer.content_type) == (200, accept), await answer.text(errors="replace")
        return np.asarray(Image.open(io.BytesIO(await answer.read()))).astype(int)


async def test_pictures_equal_those_of_the_thumbnail(results: Results) -> None:
    for name in ("CT_small.dcm", "examples_palette.dcm", "JPEG2000.dcm", "MR_small_bigendian.dcm"):
        content = wheel.path_of(f"test_files/{name}").read_bytes()
        sent = await store(results, content)
        thumbnail = measured(content).thumbnail
        assert thumbnail is not None
        small = Image.open(io.BytesIO(pick(thumbnail, 256)))
        size = f"viewport={small.width},{small.height}"
        shown = await picture(results, f"{sent.path}/rendered?{size}", "image/jpeg")
        assert shown.shape[:2] == (small.height, small.width), name
        if max(pydicom.dcmread(io.BytesIO(content)).pixel_array.shape[:2]) <= 256:
            assert np.abs(shown - np.asarray(small).astype(int)).max() <= 1, name
        else:  # the thumbnail is made of every n-th row
            assert np.abs(shown - np.asarray(small).astype(int)).mean() < 12, name


async def test_window_viewport_and_quality(results: Results) -> None:
    cells = np.repeat(np.array([[0, 1000, 1032, 1064, 1096, 3000]], "u2"), 16, axis=1).repeat(32, axis=0)
    content = ct_instance(
        32, 96, 16, pixels=cells, RescaleIntercept="-1024", RescaleSlope="1", PixelRepresentation=0
    )
    sent = await store(results, content)
    shown = await picture(results, f"{sent.path}/rendered?window=40.5,129,linear")
    assert [int(level) for level in shown[16, 8::16]] == pytest.approx([0, 0, 64, 127, 191, 255], abs=1)
    part = await picture(results, f"{sent.path}/rendered?window=40.5,129,linear&viewport=32,32,64,0,-32,16")
    assert part.shape == (16, 32)
    assert (part[8, 4], part[8, 28]) == (255, pytest.approx(191, abs=1))  # turned over
    sizes = []
    for quality in (1, 100):
        async with await results.get(
            f"{sent.path}/rendered?quality={quality}", Accept="image/jpeg"
        ) as answer:
            sizes.append(len(await answer.read()))
    assert sizes[0] < sizes[1]
    for wrong in (
        "window=1", "window=a,b,linear", "window=1,0,linear", "window=1,2,none", "quality=0", "quality=x",
        "viewport=1", "viewport=0,5", "viewport=9,9,-1,0,,", "viewport=9,9,500,0,,", "viewport=1,2,3,4",
    ):  # fmt: skip
        async with await results.get(f"{sent.path}/rendered?{wrong}") as answer:
            assert (answer.status, (await answer.json())["code"]) == (400, "invalid-request"), wrong
    async with await results.get(f"{sent.path}/rendered?annotation=patient") as answer:
        assert "annotation" in answer.headers["Warning"]


async def test_frames_as_pictures(results: Results) -> None:
    sent = await store(results, ct_instance(16, 16, frames=3, seed=3))
    middle = await picture(results, f"{sent.path}/rendered")
    second = await picture(results, f"{sent.path}/frames/2/rendered")
    assert (middle == second).all()
    async with await results.get(
        f"{sent.path}/frames/3,1/rendered", Accept='multipart/related; type="image/png"'
    ) as answer:
        parts = await parts_of(answer)
    assert [part.content_type for part in parts] == ["image/png"] * 2
    async with await results.get(f"{sent.path}/frames/1,2/rendered", Accept="image/png") as answer:
        assert answer.status == 406
    async with await results.get(f"{sent.path}/frames/4/rendered") as answer:
        assert answer.status == 404
    async with await results.get(f"{sent.path}/rendered", Accept="image/gif") as answer:
        assert answer.status == 406


def made(syntax: UID = ExplicitVRLittleEndian, **elements: Any) -> bytes:
    data_set = Dataset()
    data_set.StudyInstanceUID, data_set.SeriesInstanceUID = "1.2.5", "1.2.5.1"
    for keyword, value in elements.items():
        setattr(data_set, keyword, value)
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = syntax
    data_set.file_meta.MediaStorageSOPClassUID = data_set.SOPClassUID
    data_set.file_meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
    out = io.BytesIO()
    pydicom.dcmwrite(out, data_set, enforce_file_format=True)
    return out.getvalue()


async def test_documents_and_reports(results: Results) -> None:
    document = b"%PDF-1.7 " + bytes(range(256)) * 9
    pdf = await store(
        results,
        made(
            SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1",
            SOPInstanceUID="1.2.5.2",
            EncapsulatedDocument=document + b"\0" * (len(document) % 2),
            EncapsulatedDocumentLength=len(document),
            MIMETypeOfEncapsulatedDocument="application/pdf",
        ),
    )
    async with await results.get(f"{pdf.path}/rendered") as answer:
        assert (answer.status, answer.content_type) == (200, "application/pdf")
        assert await answer.read() == document
    short = await store(
        results,
        made(
            SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1",
            SOPInstanceUID="1.2.5.3",
            EncapsulatedDocument=b"%PDF-1.4 %%EOF\n\0",
            EncapsulatedDocumentLength=15,
            MIMETypeOfEncapsulatedDocument="application/pdf",
        ),
    )
    async with await results.get(f"{short.path}/rendered") as answer:
        assert (answer.content_type, await answer.read()) == ("application/pdf", b"%PDF-1.4 %%EOF\n")
    async with await results.get(f"{pdf.path}/rendered", Accept="image/jpeg") as answer:
        assert answer.status == 406
    report = await store(results, wheel.path_of("test_files/test-SR.dcm").read_bytes())
    async with await results.get(f"{report.path}/rendered", Accept="text/plain") as answer:
        assert (answer.status, answer.content_type, answer.charset) == (200, "text/plain", "utf-8")
        text = await answer.text()
    read = pydicom.dcmread(wheel.path_of("test_files/test-SR.dcm"))
    assert text.startswith(read.ConceptNameCodeSequence[0].CodeMeaning)
    assert str(read.PatientName) in text
    async with await results.get(f"{report.path}/frames/1/rendered") as answer:
        assert answer.status == 404


async def test_a_study_as_people_see_it(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is nothing to be seen, or not taken, is left out, and does not withhold the others."""
    monkeypatch.setattr("services.results.dicomweb.retrieve.PAGE", 2)
    one: Any = {"StudyInstanceUID": "1.2.5", "SeriesInstanceUID": "1.2.5.1"}
    small = await store(results, ct_instance(16, 16, frames=3, seed=3, SOPInstanceUID="1.2.5.11", **one))
    broken = encapsulated_instance(
        [b"\1" * 64], transfer_syntax="1.2.840.10008.1.2.4.90", SOPInstanceUID="1.2.5.12", **one
    )
    await store(results, broken)
    document = b"%PDF-1.7 " + bytes(range(256)) * 9
    pdf = await store(
        results,
        made(
            SOPClassUID="1.2.840.10008.5.1.4.1.1.104.1",
            SOPInstanceUID="1.2.5.13",
            EncapsulatedDocument=document + b"\0",
        ),
    )
    await store(results, made(SOPClassUID="1.2.840.10008.5.1.4.1.1.9.1.1", SOPInstanceUID="1.2.5.14"))
    other: Any = {"StudyInstanceUID": "1.2.5", "SeriesInstanceUID": "1.2.5.2"}
    large = await store(results, ct_instance(32, 32, seed=4, SOPInstanceUID="1.2.5.15", **other))
    png = await picture(results, f"{small.path}/rendered?window=40,400,linear")
    asked = f"{small.study_path}/rendered?window=40,400,linear&annotation=patient"
    async with await results.get(asked, Accept='multipart/related; type="image/png"') as answer:
        assert "annotation" in answer.headers["Warning"]
        first, second = await parts_of(answer)
    assert (np.asarray(Image.open(io.BytesIO(first.body))).astype(int) == png).all()
    assert Image.open(io.BytesIO(second.body)).size == (32, 32)
    for accept in ("*/*", "multipart/related"):
        async with await results.get(f"{small.study_path}/rendered", Accept=accept) as answer:
            text = await answer.read()
            parts = text.split(b"Content-Type: ")[1:]
        assert [part.split(b"\r\n", 1)[0] for part in parts] == [
            b"image/jpeg",
            b"application/pdf",
            b"image/jpeg",
        ]
        assert document in parts[1]
        for part, sent in zip(parts, (small, pdf, large), strict=True):
            assert f"Content-Location: http://127.0.0.1:8080{sent.path}/rendered\r\n".encode() in part
    async with await results.get(f"{pdf.path}/rendered", Range="bytes=0-3") as answer:
        assert (answer.status, await answer.read()) == (206, b"%PDF")
    async with await results.get(f"{large.series_path}/rendered", method="HEAD") as answer:
        assert (answer.status, answer.content_type) == (200, "multipart/related")
    async with await results.get(f"{large.series_path}/rendered") as answer:
        assert [part.content_type for part in await parts_of(answer)] == ["image/jpeg"]
    for path, accept, status in (
        (f"{small.study_path}/rendered", "image/jpeg", 406),
        (f"{large.series_path}/rendered", "multipart/related; type=application/pdf", 406),
        (f"{large.series_path}/rendered?quality=0", "*/*", 400),
        (f"{small.study_path}/series/1.9/rendered", "*/*", 404),
    ):
        async with await results.get(path, Accept=accept) as answer:
            assert answer.status == status, (path, accept)
    async with await results.get(f"{small.study_path}/rendered", STRANGER) as answer:
        assert answer.status == 404


async def test_thumbnails_of_each_level(results: Results) -> None:
    sent = [
        await store(results, ct_instance(seed=number, SOPInstanceUID=f"1.2.9.{number}"))
        for number in range(3)
    ]
    async with await results.get(f"{sent[0].series_path}/thumbnail") as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, "object-not-found")
    for one, body in zip(sent, (b"first", b"second", b"third"), strict=True):
        await results.storage.put(thumbnail_key(one.file_id), body, {}, durable=False)
        await results.publish(processed(one.file_id))
    for path, body in (
        (sent[2].path, b"third"),
        (sent[0].series_path, b"second"),
        (sent[0].study_path, b"second"),
    ):
        async with await results.get(f"{path}/thumbnail?viewport=100,100") as answer:
            assert (answer.status, answer.content_type, await answer.read()) == (200, "image/jpeg", body)
        async with await results.get(f"{path}/thumbnail", STRANGER) as answer:
            assert answer.status == 404


async def bulk(results: Results, sent: Stored, uri: str, accept: str = "application/octet-stream") -> bytes:
    async with await results.get(f"{sent.path}/{uri}", Accept=accept) as answer:
        if accept.startswith("multipart"):
            return b"".join(part.body for part in await parts_of(answer))
        assert (answer.status, answer.content_type) == (200, accept)
        body = await answer.read()
        assert int(answer.headers["Content-Length"]) == len(body)
        return body


async def test_what_headers_name_is_there_at_every_depth(results: Results) -> None:
    words = np.arange(3000, dtype="<u2")
    for number, syntax in enumerate((ExplicitVRLittleEndian, ExplicitVRBigEndian), 3):
        item = Dataset()
        order = words.astype(">u2") if syntax == ExplicitVRBigEndian else words
        item.add_new(0x54001010, "OW", order.tobytes())
        content = made(
            syntax, SOPClassUID="1.2.840.10008.5.1.4.1.1.9.1.1", SOPInstanceUID=f"1.2.5.{number}",
            WaveformSequence=[item],
        )  # fmt: skip
        sent = await store(results, content)
        (header,) = await results.json(f"{sent.path}/metadata")
        url = header["54000100"]["Value"][0]["54001010"]["BulkDataURI"]
        uri = url.partition(f"{sent.path}/")[2]
        assert uri == "bulkdata/54000100/1/54001010"
        for accept in ("application/octet-stream", 'multipart/related; type="application/octet-stream"'):
            assert await bulk(results, sent, uri, accept) == words.tobytes(), syntax
    async with await results.get(f"{sent.path}/bulkdata/00000000") as answer:
        assert answer.status == 404


async def test_pixel_data_as_bulk_data(results: Results) -> None:
    native = await store(results, wheel.path_of("test_files/MR_small_bigendian.dcm").read_bytes())
    pixels = pydicom.dcmread(io.BytesIO(native.content)).pixel_array
    assert await bulk(results, native, "bulkdata/7FE00010") == pixels.astype("<u2").tobytes()
    rle = await store(
        results, wheel.path_of("test_files/MR_small_RLE.dcm").read_bytes(), sop_instance_uid="1.9"
    )
    decoded = await bulk(
        results, rle, "bulkdata/7FE00010", "multipart/related; type=application/octet-stream"
    )
    assert decoded == pydicom.dcmread(io.BytesIO(rle.content)).pixel_array.astype("<u2").tobytes()


async def test_long_values_and_stored_instances_come_in_ranges(results: Results) -> None:
    """As dicomweb-client asks for them: it takes a whole body for the range that it wanted."""
    little = await store(results, wheel.path_of("test_files/MR_small.dcm").read_bytes())
    big = await store(
        results, wheel.path_of("test_files/MR_small_bigendian.dcm").read_bytes(), sop_instance_uid="1.7"
    )
    item = Dataset()
    words = np.arange(3000, dtype="<u2")
    item.add_new(0x54001010, "OW", words.astype(">u2").tobytes())
    wave = await store(
        results,
        made(
            ExplicitVRBigEndian,
            SOPClassUID="1.2.840.10008.5.1.4.1.1.9.1.1",
            SOPInstanceUID="1.2.5.9",
            WaveformSequence=[item],
        ),
    )
    pixels = pydicom.dcmread(io.BytesIO(little.content)).PixelData
    ways = (
        (f"{little.path}/bulkdata/7FE00010", "application/octet-stream", pixels),
        (f"{big.path}/bulkdata/7FE00010", "*/*", pixels),
        (f"{wave.path}/bulkdata/54000100/1/54001010", "application/octet-stream", words.tobytes()),
        (little.path, "application/dicom", little.content),
        (big.path, "application/dicom; transfer-syntax=*", big.content),
    )
    for path, accept, whole in ways:
        for asked, start, stop in (("0-9", 0, 10), ("13-2500", 13, 2501), ("-5", len(whole) - 5, len(whole))):
            async with await results.get(path, Accept=accept, Range=f"bytes={asked}") as answer:
                assert (answer.status, await answer.read()) == (206, whole[start:stop]), (path, asked)
                assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(whole)}"
                etag = answer.headers["ETag"]
        async with await results.get(path, Accept=accept, Range="bytes=0-9", If_Range='"x"') as answer:
            assert (answer.status, await answer.read()) == (200, whole)
        async with await results.get(path, Accept=accept, Range="bytes=0-9", If_None_Match=etag) as answer:
            assert answer.status == 304
        async with await results.get(path, Accept=accept, Range=f"bytes={len(whole)}-") as answer:
            assert (answer.status, answer.headers["Content-Range"]) == (416, f"bytes */{len(whole)}")
    # In multipart it is a range of the value, not of what surrounds it.
    path, parted = f"{big.path}/bulkdata/7FE00010", 'multipart/related; type="application/octet-stream"'
    async with await results.get(path, Accept=parted, Range="bytes=13-2500") as answer:
        assert [part.body for part in await parts_of(answer, 206)] == [pixels[13:2501]]
        assert answer.headers["Content-Range"] == f"bytes 13-2500/{len(pixels)}"
    async with await results.get(path, Accept=parted, Range=f"bytes={len(pixels)}-") as answer:
        assert answer.status == 416
    # What is made anew begins at its beginning.
    async with await results.get(big.path, Accept="application/dicom", Range="bytes=0-9") as answer:
        assert (answer.status, answer.headers.get("Accept-Ranges")) == (200, None)


async def test_head_tells_what_get_would(results: Results) -> None:
    sent = await store(results, ct_instance(seed=4))
    for path, accept in (
        (sent.path, "application/dicom"),
        (sent.study_path, 'multipart/related; type="application/dicom"'),
        (f"{sent.series_path}/metadata", "application/dicom+json"),
        (f"{sent.path}/frames/1", "application/octet-stream"),
        (f"{sent.path}/rendered", "image/png"),
        (f"{sent.path}/bulkdata/7FE00010", "application/octet-stream"),
        (sent.study_path, "application/zip"),
    ):
        async with await results.get(path, method="HEAD", Accept=accept) as answer:
            assert (answer.status, await answer.read()) == (200, b""), path
            told = answer.headers
        async with await results.get(path, Accept=accept) as answer:
            for name in ("ETag", "Content-Length"):
                assert told.get(name) == answer.headers.get(name), (path, name)
            assert (
                told["Content-Type"].partition("boundary")[0]
                == answer.headers["Content-Type"].partition("boundary")[0]
            )
    async with await results.get(f"{sent.path}/frames/2", method="HEAD") as answer:
        assert answer.status == 404


async def calls(results: Results) -> float:
    async with await results.get("/metrics") as answer:
        samples = Exposition(await answer.text()).samples
    return sum(one.value for one in samples if one.name == "results_pixel_calls_total")


async def test_a_picture_that_was_made_lately_is_not_made_again(results: Results) -> None:
    sent = await store(results, wheel.path_of("test_files/JPEG2000.dcm").read_bytes())
    other = await store(results, wheel.path_of("test_files/CT_small.dcm").read_bytes())
    first = await picture(results, f"{sent.path}/rendered")
    made = await calls(results)
    assert np.array_equal(await picture(results, f"{sent.path}/rendered"), first)
    assert await calls(results) == made
    assert (await picture(results, f"{other.path}/rendered")).shape != first.shape
    await picture(results, f"{sent.path}/rendered?window=40,400,linear")
    assert await calls(results) == made + 2
    async with await results.get(f"{sent.path}/rendered", STRANGER) as answer:
        assert answer.status == 404  # kept or not, who may see it is asked each time
