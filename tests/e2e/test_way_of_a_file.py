"""From upload to result, on both systems, as a user's program sees it."""

from __future__ import annotations

import asyncio
import hashlib
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import numpy as np
import pymongo
import pytest
from pydicom.data import get_testdata_file

from tests.builders import ct_instance, ct_pixels
from tests.e2e.conftest import NewUser, System
from tests.e2e.processes import Client, client_of, embedded, one_url, start_all, stop_all
from tests.waiting import PATIENCE, eventually


def wheel_file(name: str) -> bytes:
    """A file that the pydicom wheel ships."""
    path = get_testdata_file(name, download=False)
    assert path is not None, name
    return Path(str(path)).read_bytes()


async def test_upload_becomes_result(client: Client) -> None:
    content = ct_instance(rows=128, columns=96, seed=1)
    values = ct_pixels(128, 96, seed=1).astype(np.float64)
    status, body = await client.upload(("slice 1.dcm", content))
    assert status == 202, body
    (entry,) = body["files"]
    assert entry["state"] == "accepted"
    assert "problem" not in entry
    assert "duplicate" not in entry

    status, file = await client.get(f"/api/files/{entry['id']}")
    assert status == 200
    assert file["sha256"] == hashlib.sha256(content).hexdigest()
    assert file["size_bytes"] == len(content)

    result = await client.ended(entry["id"])
    assert result["state"] == "processed", result
    assert result["file_name"] == "slice 1.dcm"
    assert result["average_before_normalization"] == pytest.approx(values.mean(), rel=1e-12)
    normalized = ((values - values.min()) / (values.max() - values.min())).mean()
    assert result["average_after_normalization"] == pytest.approx(normalized, rel=1e-9)
    assert result["data_size"] == 128 * 96 * 2
    assert result["statistics"]["count"] == 128 * 96
    assert result["raw_data"]["00100020"]["vr"] == "LO"
    assert result["failure"] is None

    status, thumbnail = await client.get(f"/api/results/{entry['id']}/thumbnail")
    assert status == 200
    assert thumbnail.startswith(b"\xff\xd8\xff")
    status, original = await client.get(f"/api/results/{entry['id']}/file")
    assert status == 200
    assert original == content


async def test_many_files_in_one_request_each_get_an_entry_in_order(client: Client) -> None:
    content = wheel_file("MR_small.dcm")
    status, body = await client.upload(
        ("a", wheel_file("CT_small.dcm")),
        ("notes.txt", b"no image at all" * 20),
        ("b", content),
        ("b again", content),
    )
    assert status == 202
    first, text, second, again = body["files"]
    assert first["state"] == second["state"] == "accepted"
    assert text["state"] == "rejected"
    assert text["id"] is None
    assert text["problem"]["code"] == "not-dicom"
    assert again["id"] == second["id"]
    assert again["duplicate"] is True
    for entry in (first, second):
        assert (await client.ended(entry["id"]))["state"] == "processed"
    status, summary = await client.get("/api/results/summary")
    assert (summary["processed"], summary["total"]) == (2, 2)


async def test_the_same_bytes_seventy_times_at_once_are_one_file(client: Client, system: System) -> None:
    content = ct_instance(seed=70)
    places = asyncio.Semaphore(32)  # of one account

    async def send() -> tuple[int, dict[str, Any]]:
        async with places:
            return await client.upload_raw(content)

    answers = await asyncio.gather(*(send() for _ in range(70)))
    assert {status for status, _ in answers} == {202}
    entries = [body["files"][0] for _, body in answers]
    assert len({entry["id"] for entry in entries}) == 1
    assert sum("duplicate" not in entry for entry in entries) == 1
    file_id = entries[0]["id"]
    assert (await client.ended(file_id))["state"] == "processed"
    assert (await client.all_ended(1))["total"] == 1
    objects = [p.name for p in (system.data_dir / "dicom_file").rglob("*") if p.is_file()]
    assert objects.count(file_id) == 1
    _, listed = await client.get("/api/files")
    assert [f["id"] for f in listed["files"]] == [file_id]


async def test_the_same_instance_uid_with_other_bytes_is_a_conflict(client: Client) -> None:
    uid = "1.2.826.0.1.3680043.8.498.99.1"
    first = ct_instance(seed=5, sop_instance_uid=uid)
    status, body = await client.upload_raw(first)
    assert status == 202
    file_id = body["files"][0]["id"]
    status, problem = await client.upload_raw(ct_instance(seed=6, sop_instance_uid=uid))
    assert status == 409
    assert problem["code"] == "conflict"
    assert problem["files"][0]["problem"]["code"] == "conflict"
    await client.ended(file_id)
    status, original = await client.get(f"/api/results/{file_id}/file")
    assert original == first


async def test_two_owners_do_not_notice_each_other(new_user: NewUser) -> None:
    ana, beto, staff = await new_user(), await new_user(), await new_user(staff=True)
    content = ct_instance(seed=8)
    _, of_ana = await ana.upload_raw(content)
    _, of_beto = await beto.upload_raw(content)
    first, second = of_ana["files"][0], of_beto["files"][0]
    assert first["id"] != second["id"]
    assert "duplicate" not in second
    for client, own, other in ((ana, first, second), (beto, second, first)):
        await client.ended(own["id"])
        for path in ("", "/thumbnail", "/file"):
            status, problem = await client.get(f"/api/results/{other['id']}{path}")
            assert (status, problem["code"]) == (404, "not-found")
        status, _ = await client.get(f"/api/files/{other['id']}")
        assert status == 404
        _, summary = await client.get("/api/results/summary")
        assert summary["total"] == 1
        _, listed = await client.get("/api/results")
        assert [r["file_id"] for r in listed["results"]] == [own["id"]]
    for entry in (first, second):
        status, _ = await staff.get(f"/api/results/{entry['id']}")
        assert status == 200


async def test_changes_arrive_live(client: Client) -> None:
    seen: list[str] = []
    connected = asyncio.Event()

    async def listen() -> None:
        url = f"{client.urls['results']}/api/events"
        async with client.session.get(url, headers=client.headers) as stream:
            assert stream.status == 200
            assert stream.content_type == "text/event-stream"
            connected.set()
            try:
                async for line in stream.content:
                    if line.startswith(b"data:"):
                        seen.append(line.decode())
            finally:
                # An orderly end of TLS waits for the other side's, which is busy with an open stream.
                assert stream.connection is not None
                assert stream.connection.transport is not None
                stream.connection.transport.abort()

    listener = asyncio.create_task(listen())
    await asyncio.wait_for(connected.wait(), PATIENCE)
    _, body = await client.upload_raw(ct_instance(seed=21))
    file_id = body["files"][0]["id"]
    await eventually(lambda: any(file_id in line and "processed" in line for line in seen))
    listener.cancel()
    await asyncio.wait([listener])
    _, changes = await client.get("/api/changes")
    states = [c["state"] for c in changes["changes"] if c["file_id"] == file_id]
    assert states[-1] == "processed"


# A broad sample of what the wheel ships: each family of transfer syntaxes, pixel formats and objects.
SAMPLE = (
    "CT_small.dcm",
    "MR_small_implicit.dcm",
    "ExplVR_BigEnd.dcm",
    "image_dfl.dcm",
    "MR_small_RLE.dcm",
    "SC_rgb_jpeg_gdcm.dcm",
    "JPGExtended.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "MR_small_jp2klossless.dcm",
    "rtdose.dcm",
    "waveform_ecg.dcm",
    "examples_palette.dcm",
    "examples_ybr_color.dcm",
    "liver_1frame.dcm",
)


async def test_a_broad_sample_ends_processed(new_user: NewUser) -> None:
    # Several of these are one instance in different encodings, which one owner cannot have twice.
    owners = [await new_user() for _ in range(4)]
    waiting: list[tuple[str, Client, str]] = []
    for name in SAMPLE:
        for owner in owners:
            status, body = await owner.upload((name, wheel_file(name)))
            if status == 202:
                waiting.append((name, owner, body["files"][0]["id"]))
                break
            assert (status, body["code"]) == (409, "conflict"), (name, body)
    assert [name for name, _, _ in waiting] == list(SAMPLE)
    for name, owner, file_id in waiting:
        result = await owner.ended(file_id)
        assert result["state"] == "processed", (name, result["failure"])
        without_pixels = result["statistics"]["kind"] == "no-pixel-data"
        assert (result["average_before_normalization"] is None) == without_pixels, name


async def test_an_upload_under_way_ends_before_the_process_does(tmp_path: Path) -> None:
    process = embedded(tmp_path / "var")
    await start_all([process])
    content = ct_instance(rows=900, columns=900, seed=31)
    async with client_of(one_url(process)) as client:
        await client.login()
        half = asyncio.Event()
        rest = asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            yield content[:1_200_000]
            half.set()
            await rest.wait()
            yield content[1_200_000:]

        upload = asyncio.create_task(client.upload_raw(body()))
        await half.wait()
        folder = tmp_path / "var" / "dicom_file"
        await eventually(lambda: any(p.is_file() for p in folder.rglob("*")))
        stopping = asyncio.create_task(asyncio.to_thread(process.stop))
        await eventually(lambda: "stopping" in process.output())
        rest.set()
        status, answer = await upload
        assert status == 202, answer
        assert await stopping == 0
    assert "Traceback" not in process.output()
    process.start()
    try:
        await process.ready()
        async with client_of(one_url(process)) as client:
            await client.login()
            assert (await client.ended(answer["files"][0]["id"]))["state"] == "processed"
    finally:
        stop_all([process])


async def test_objects_may_lie_in_mongodb(tmp_path: Path, mongodb_url: str) -> None:
    process = embedded(tmp_path / "var", STORAGE_URL=mongodb_url)
    content = ct_instance(rows=800, columns=700, seed=3)  # more than one segment
    try:
        await start_all([process])
        async with client_of(one_url(process)) as client:
            await client.login()
            for _ in range(3):  # the stand-in has one writer: on a slow disk it may ask to come again
                status, body = await client.upload_raw(io.BytesIO(content), "large.dcm")
                if status != 503:
                    break
            assert status == 202, json.dumps(body)
            file_id = body["files"][0]["id"]
            result = await client.ended(file_id)
            assert result["state"] == "processed", result
            assert await client.get(f"/api/results/{file_id}/file") == (200, content)
            status, thumbnail = await client.get(f"/api/results/{file_id}/thumbnail")
            assert (status, thumbnail[:3]) == (200, b"\xff\xd8\xff")
    finally:
        stop_all([process])
    assert not (tmp_path / "var" / "dicom_file").exists()
    with pymongo.MongoClient[dict[str, Any]](mongodb_url) as database:
        files = list(database.get_default_database()["objects.files"].find())
    assert sorted(found["filename"] for found in files) == [file_id, f"{file_id}.thumbnail"]
