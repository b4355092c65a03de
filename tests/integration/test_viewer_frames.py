"""The viewer's frames and documents: values, pictures, what a reader has kept, who may, what is noted."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pydicom.uid
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from libs.common.audit.visits import Visits
from libs.common.database.postgres import Connection
from libs.common.http.audited import AUDIT_TRAILS
from services.results.keys import DECODERS, OPENED
from services.results.viewer.opened import MOST_OPEN
from tests import wheel
from tests.builders import ct_instance
from tests.results_support import MEMBER, STAFF, STRANGER, Results, running_results
from tests.wado_support import Stored, store

OCTETS = "application/octet-stream"


@pytest.fixture
async def results(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Results]:
    """One replica."""
    async with running_results(role_url("results"), tmp_path, pixels_slots=1) as running:
        yield running


def frame_path(sent: Stored, number: object = 1, query: str = "") -> str:
    return f"/api/results/{sent.file_id}/frames/{number}{query}"


async def sample(results: Results, name: str) -> Stored:
    return await store(results, wheel.path_of(f"test_files/{name}").read_bytes())


async def values(results: Results, path: str, encodings: str = "gzip") -> tuple[np.ndarray[Any, Any], Any]:
    async with await results.get(path, Accept=OCTETS, Accept_Encoding=encodings) as answer:
        assert (answer.status, answer.content_type) == (200, OCTETS), await answer.text(errors="replace")
        body, told = await answer.read(), answer.headers
    kind = told["X-Frame-Values"]
    rows, columns = map(int, told["X-Frame-Size"].split(","))
    shape = (rows, columns, 3) if kind == "rgb8" else (rows, columns)
    dtype = np.dtype("u1" if kind == "rgb8" else kind).newbyteorder("<")
    return np.frombuffer(body, dtype).reshape(shape), told


async def test_values_of_stored_and_of_compressed_frames(results: Results) -> None:
    native = await sample(results, "MR_small.dcm")
    packed = await sample(results, "MR_small_jp2klossless.dcm")
    wanted = pydicom.dcmread(io.BytesIO(native.content)).pixel_array
    found, told = await values(results, frame_path(native))
    assert (found == wanted).all()
    assert told["X-Frame-Values"] == "int16"
    assert "private" in told["Cache-Control"]
    assert results.client.app[DECODERS].pids == [], "what needs no decoding starts no process"
    found, told = await values(results, frame_path(packed))
    assert (found == wanted).all()
    assert len(results.client.app[DECODERS].pids) == 1


async def test_several_frames_of_several_segments(results: Results) -> None:
    cells = np.random.default_rng(4).integers(0, 4096, (3, 700, 801), np.uint16)
    sent = await store(results, ct_instance(700, 801, frames=3, pixels=cells))
    for number in (1, 2, 3):
        found, told = await values(results, frame_path(sent, number))
        assert (found == cells[number - 1]).all()
        assert told["X-Frame-Size"] == "700,801"


async def test_objects_of_many_frames_stay_open_a_while(results: Results, sql: Connection) -> None:
    opened = results.client.app[OPENED]
    single = await sample(results, "MR_small.dcm")
    await values(results, frame_path(single))
    assert opened.count == 0
    many = [await store(results, ct_instance(8, 8, frames=2, seed=n)) for n in range(MOST_OPEN + 2)]
    for sent in (*many, *many):
        await values(results, frame_path(sent, 2))
        await picture(results, frame_path(sent, 1))
    assert opened.count == MOST_OPEN
    paths = [frame_path(many[0], 1 + n % 2, f"?window={n},9") for n in range(12)]
    await asyncio.gather(*(picture(results, path) for path in paths))
    # Whoever may see it is asked each time.
    async with await results.get(frame_path(many[0]), STRANGER) as answer:
        assert answer.status == 404
    await sql.execute(
        "UPDATE results.upload_dicomresult SET state = 'erased' WHERE file_id = $1", many[0].file_id
    )
    async with await results.get(frame_path(many[0])) as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, "object-not-found")
    await opened.close()
    assert opened.count == 0
    await values(results, frame_path(many[1]))


async def test_compressed_on_the_way_where_that_pays(results: Results) -> None:
    smooth = np.add.outer(np.arange(256), np.arange(256)).astype(np.uint16)
    noise = np.random.default_rng(1).integers(0, 1 << 16, (256, 256), np.uint16)
    for cells, pays in ((smooth, True), (noise, False)):
        data = ct_instance(256, 256, pixels=cells, BitsStored=16, HighBit=15, PixelRepresentation=0)
        sent = await store(results, data)
        path = frame_path(sent, 1, "?as=values")
        found, told = await values(results, path)
        assert (found == cells).all(), "as this client unpacks it"
        assert (told.get("Content-Encoding") == "gzip") is pays
        found, told = await values(results, path, "identity")
        assert (found == cells).all()
        assert "Content-Encoding" not in told
        assert int(told["Content-Length"]) == cells.nbytes
        async with await results.get(path, method="HEAD", Accept_Encoding="identity") as answer:
            assert (answer.status, answer.headers["X-Frame-Values"]) == (200, "uint16")
            assert await answer.read() == b""


async def picture(results: Results, path: str, accept: str = "image/png") -> np.ndarray[Any, Any]:
    async with await results.get(path, Accept=accept) as answer:
        assert (answer.status, answer.content_type) == (200, accept), await answer.text(errors="replace")
        return np.asarray(Image.open(io.BytesIO(await answer.read()))).astype(int)


async def test_pictures(results: Results) -> None:
    cells = np.repeat(np.array([[0, 1000, 1032, 1064, 1096, 3000]], "u2"), 160, axis=1).repeat(320, axis=0)
    data = ct_instance(
        320, 960, pixels=cells, RescaleIntercept="-1024", RescaleSlope="1", PixelRepresentation=0
    )
    sent = await store(results, data)
    shown = await picture(results, frame_path(sent, 1, "?window=40.5,129"))
    assert shown.shape == (320, 960), "as large as it is"
    assert [int(level) for level in shown[16, 80::160]] == pytest.approx([0, 0, 64, 127, 191, 255], abs=1)
    same = await picture(results, frame_path(sent, 1, "?window=40.5,129,LINEAR&invert=1"))
    assert (same == 255 - shown).all()
    exact = await picture(results, frame_path(sent, 1, "?window=40,128,LINEAR_EXACT"))
    assert (exact == await picture(results, frame_path(sent, 1, "?window=40,128,linear-exact"))).all()
    assert (await picture(results, frame_path(sent), "image/jpeg")).shape == (171, 512)
    assert (await picture(results, frame_path(sent, 1, "?size=96"))).shape == (32, 96)
    async with await results.get(frame_path(sent)) as answer:
        assert answer.content_type == "image/jpeg", "to who takes anything"
    async with await results.get(frame_path(sent, 1, "?as=preview"), Accept="image/*") as answer:
        assert answer.content_type == "image/jpeg"


@pytest.mark.parametrize(
    ("number", "query", "accept", "status", "code"),
    [
        (1, "?window=1", "*/*", 400, "invalid-request"),
        (1, "?window=1,2,none", "*/*", 400, "invalid-request"),
        (1, "?window=lut", "*/*", 400, "invalid-request"),
        (1, "?size=63", "*/*", 400, "invalid-request"),
        (1, "?size=4097", "*/*", 400, "invalid-request"),
        (1, "?as=pixels", "*/*", 400, "invalid-request"),
        (1, "?invert=2", "*/*", 400, "invalid-request"),
        (1, "", "text/html", 406, "not-acceptable"),
        (1, "?as=preview", OCTETS, 406, "not-acceptable"),
        (0, "", "*/*", 404, "not-found"),
        (2, "", "*/*", 404, "not-found"),
        ("one", "", "*/*", 404, "not-found"),
        ("1,1", "", "*/*", 404, "not-found"),
    ],
)
async def test_refusals(
    results: Results, number: object, query: str, accept: str, status: int, code: str
) -> None:
    sent = await sample(results, "MR_small.dcm")
    async with await results.get(frame_path(sent, number, query), Accept=accept) as answer:
        assert (answer.status, (await answer.json())["code"]) == (status, code)


async def test_what_holds_no_frame_that_can_be_shown(results: Results) -> None:
    report = await sample(results, "test-SR.dcm")
    for accept in (OCTETS, "image/jpeg"):
        async with await results.get(frame_path(report), Accept=accept) as answer:
            assert (answer.status, (await answer.json())["code"]) == (404, "not-found")
    damaged = await sample(results, "JPEG2000-embedded-sequence-delimiter.dcm")
    for accept in (OCTETS, "image/jpeg"):
        async with await results.get(frame_path(damaged), Accept=accept) as answer:
            assert (answer.status, (await answer.json())["code"]) == (422, "decode-failed"), accept


async def test_what_nothing_here_decodes(results: Results) -> None:
    data_set = pydicom.dcmread(wheel.path_of("test_files/MR_small_RLE.dcm"))
    data_set.file_meta.TransferSyntaxUID = pydicom.uid.MPEG4HP41
    out = io.BytesIO()
    data_set.save_as(out)
    video = await store(results, out.getvalue())
    async with await results.get(frame_path(video)) as answer:
        found = await answer.json()
    assert (answer.status, found["code"]) == (422, "unsupported-transfer-syntax")


async def test_what_the_reader_has_is_not_sent_again(results: Results) -> None:
    sent = await sample(results, "MR_small_RLE.dcm")
    tags = set()
    for query in ("?as=values", "?as=preview", "?as=preview&size=64", "?as=preview&window=1,2"):
        async with await results.get(frame_path(sent, 1, query)) as answer:
            tag = answer.headers["ETag"]
        async with await results.get(frame_path(sent, 1, query), If_None_Match=tag) as answer:
            assert (answer.status, await answer.read()) == (304, b"")
            assert answer.headers["ETag"] == tag
        tags.add(tag)
    assert len(tags) == 4
    async with await results.get("/metrics") as answer:
        families = text_string_to_metric_families(await answer.text())
    found = {
        one.labels["kind"]: one.value
        for family in families
        if family.name == "results_viewer_frames"
        for one in family.samples
        if one.name.endswith("_total")
    }
    assert found == {"values": 1, "picture": 3, "unchanged": 4}


async def test_only_who_sees_the_file_sees_its_frames(results: Results) -> None:
    sent = await sample(results, "MR_small.dcm")
    shared = await store(results, ct_instance(16, 16, seed=5, SOPInstanceUID="1.2.77"), collection="group:3")
    for one, user, status in ((sent, STRANGER, 404), (shared, MEMBER, 200), (shared, STRANGER, 404)):
        for path in (frame_path(one), f"/api/results/{one.file_id}/document"):
            async with await results.get(path, user) as answer:
                expected = 404 if path.endswith("document") else status
                assert answer.status == expected
                if status == 404:
                    assert (await answer.json())["detail"] == "You have no result with this id."


async def test_documents_and_reports(results: Results) -> None:
    report = await sample(results, "test-SR.dcm")
    async with await results.get(f"/api/results/{report.file_id}/document") as answer:
        assert (answer.status, answer.content_type, answer.charset) == (200, "text/plain", "utf-8")
        assert answer.headers["Content-Security-Policy"] == "sandbox"
        assert answer.headers["Content-Disposition"] == "inline"
        async with await results.get(f"{report.path}/rendered", Accept="text/plain") as rendered:
            assert await answer.text() == await rendered.text()
    image = await sample(results, "MR_small.dcm")
    async with await results.get(f"/api/results/{image.file_id}/document") as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, "object-not-found")


async def test_one_entry_for_a_look_through_a_series(results: Results, sql: Connection) -> None:
    first = await store(results, ct_instance(16, 16, seed=5, SOPInstanceUID="1.2.77"))
    second = await store(results, ct_instance(16, 16, seed=6, SOPInstanceUID="1.2.78"))
    other = await store(
        results, ct_instance(16, 16, seed=7, SOPInstanceUID="1.2.79", SeriesInstanceUID="1.2.8")
    )
    trail = results.client.app[AUDIT_TRAILS]["results"]

    async def noted() -> list[tuple[str, str, list[str], str]]:
        await trail.flush()
        rows = await sql.fetch("SELECT entry::text AS entry FROM auth.audit_pending ORDER BY id")
        await sql.execute("DELETE FROM auth.audit_pending")
        found = [orjson.loads(row["entry"]) for row in rows]
        return [
            (one["action"], one["actor"], one["objects"], one["details"]["series"])
            for one in found
            if one["action"] == "view_frames"
        ]

    for sent in (first, second, first, other):
        async with await results.get(frame_path(sent)) as answer:
            assert answer.status == 200
    async with await results.get(frame_path(first), STAFF) as answer:
        assert answer.status == 200
    assert await noted() == [
        ("view_frames", "user:7", [str(first.file_id)], first.series),
        ("view_frames", "user:7", [str(other.file_id)], other.series),
        ("view_frames", "user:1", [str(first.file_id)], first.series),
    ]
    async with await results.get(frame_path(second, 9)) as answer:
        assert answer.status == 404
    assert await noted() == [("view_frames", "user:7", [str(second.file_id)], second.series)]
    trail.visits = Visits()  # as after VISIT_SECONDS
    async with await results.get(frame_path(second)) as answer:
        assert answer.status == 200
    assert await noted() == [("view_frames", "user:7", [str(second.file_id)], second.series)]
