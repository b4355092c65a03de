"""Programs of the field read by WADO-RS: Orthanc, and what viewers' sources send; every syntax there is."""

from __future__ import annotations

import asyncio
import io
import os
import secrets
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image

from bench.accounting import children, high_water, reset_high_water
from tests import wheel
from tests.builders import RLE, UID_ROOT, ct_instance, encapsulated_instance, write_large
from tests.e2e.conftest import NewUser, System
from tests.e2e.peers.orthanc import running_orthanc
from tests.e2e.processes import Client
from tests.e2e.test_dicomweb_client import api_key
from tests.wado_support import Part, parts_of
from tests.waiting import eventually

MIB = 1 << 20
pytestmark = [pytest.mark.peers, pytest.mark.timeout(600)]
AS_STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
EXPLICIT = "1.2.840.10008.1.2.1"
CORPUS = os.environ.get("CORPUS_DIR")


async def accepted(client: Client, content: bytes) -> str | None:
    """The id of a file that the house takes."""
    _, body = await client.upload(("a.dcm", content))
    (told,) = body["files"]
    return told["id"] if told["state"] == "accepted" and not told.get("duplicate") else None


async def parts(client: Client, path: str, accept: str) -> list[Part]:
    headers = {**client.headers, "Accept": accept}
    async with client.session.get(f"{client.urls['results']}{path}", headers=headers) as answer:
        return await parts_of(answer)


def path_of(data_set: pydicom.Dataset) -> str:
    return (
        f"/dicom-web/studies/{data_set.StudyInstanceUID}/series/{data_set.SeriesInstanceUID}"
        f"/instances/{data_set.SOPInstanceUID}"
    )


@pytest.mark.parametrize("system", ["embedded"], indirect=True)
async def test_orthanc_pulls_a_study(system: System, new_user: NewUser, tmp_path: Path) -> None:
    client = await new_user()
    uid = f"{UID_ROOT}.32.{secrets.randbelow(10**9)}"
    contents = [
        ct_instance(seed=seed, StudyInstanceUID=uid, sop_instance_uid=f"{uid}.{seed}") for seed in range(12)
    ]
    compressed = encapsulated_instance(
        [rle_frame()], transfer_syntax=RLE, StudyInstanceUID=uid, SOPInstanceUID=f"{uid}.99"
    )
    for content in (*contents, compressed):
        assert await accepted(client, content)
    servers = {"house": (f"{client.urls['results']}/dicom-web", "any", await api_key(client))}
    async with running_orthanc(tmp_path / "orthanc", servers) as orthanc:

        async def retrieved() -> bool:
            status, told = await orthanc.call(
                "POST", "/dicom-web/servers/house/retrieve", {"Resources": [{"Study": uid}]}
            )
            return status == 200 and bool(told)

        await eventually(retrieved)
        _, ids = await orthanc.call("GET", "/instances")
        files = [(await orthanc.call("GET", f"/instances/{one}/file"))[1] for one in ids]
    read = {found.SOPInstanceUID: found for found in (pydicom.dcmread(io.BytesIO(file)) for file in files)}
    sent = [pydicom.dcmread(io.BytesIO(content)) for content in (*contents, compressed)]
    assert set(read) == {one.SOPInstanceUID for one in sent}
    for one in sent:
        assert (read[one.SOPInstanceUID].pixel_array == one.pixel_array).all()


def rle_frame(rows: int = 64, columns: int = 64) -> bytes:
    """A frame of one value by PS3.5 annex G."""
    runs = b"".join(bytes([257 - 128, 7]) for _ in range(rows * columns // 128))
    return (1).to_bytes(4, "little") + (64).to_bytes(4, "little") + bytes(56) + runs + b"\0" * (len(runs) % 2)


def files() -> list[Path]:
    paths = [wheel.path_of(name) for name in wheel.sound_names()]
    return paths + (sorted(Path(CORPUS).rglob("*.dcm")) if CORPUS else [])


@pytest.mark.parametrize("system", ["embedded"], indirect=True)
async def test_every_file_comes_back_in_every_form(system: System, new_user: NewUser) -> None:
    """As it was sent to the byte; decoded, transcoded, rendered, or refused in words: never 5xx."""
    client, given = await new_user(), {"stored": 0, "explicit": 0, "frames": 0, "picture": 0}
    url = client.urls["results"]
    for file in files():
        content = file.read_bytes()
        file_id = await accepted(client, content)
        if file_id is None:
            continue
        result = await client.ended(file_id)
        if not (result["study_instance_uid"] and result["series_instance_uid"]):
            continue
        uids = [result[f"{name}_instance_uid"] for name in ("study", "series", "sop")]
        path = "/dicom-web/studies/{}/series/{}/instances/{}".format(*uids)
        (stored,) = await parts(client, path, AS_STORED)
        assert stored.body == content, file
        given["stored"] += 1
        for end, accept, name in (
            ("", "application/dicom", "explicit"),
            ("/frames/1", "application/octet-stream", "frames"),
            ("/rendered", "image/png, application/pdf, text/plain", "picture"),
            ("/metadata", "application/dicom+json", ""),
        ):
            headers = {**client.headers, "Accept": accept}
            async with client.session.get(f"{url}{path}{end}", headers=headers) as answer:
                body = await answer.read()
                assert answer.status in (200, 404, 406, 422), (file, end, body[:500])
                if answer.status == 200 and name:
                    given[name] += 1
                if answer.status == 200 and name == "explicit":
                    reads_alike(body, content)
                if answer.content_type == "image/png":
                    Image.open(io.BytesIO(body)).load()
    assert given["stored"] > 80
    assert min(given.values()) > 60, given


def reads_alike(ours: bytes, theirs: bytes) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = pydicom.dcmread(io.BytesIO(ours))
        assert made.file_meta.TransferSyntaxUID == EXPLICIT
        try:
            expected = pydicom.dcmread(io.BytesIO(theirs))
            values = expected.pixel_array
        except (AttributeError, NotImplementedError, RuntimeError, ValueError):
            return  # no image, or none that pydicom decodes
        if made.PhotometricInterpretation == expected.PhotometricInterpretation:
            assert np.abs(made.pixel_array.astype(float) - values.astype(float)).max() <= 1


def cornerstone_frame(body: bytes) -> tuple[str, bytes]:
    """The pixels of the first part as Cornerstone's loader cuts them out: it knows no MIME."""
    head = body.index(b"\r\n\r\n")
    lines = body[:head].decode().split("\r\n")
    boundary = next(line for line in lines if line.startswith("--"))
    content_type = next(line for line in lines if line.lower().startswith("content-type:"))
    end = body.index(boundary.encode(), head + 4)
    return content_type.partition(":")[2].strip(), body[head + 4 : end - 2]


@pytest.mark.parametrize("system", ["embedded"], indirect=True)
async def test_what_viewers_ask_for(system: System, new_user: NewUser) -> None:
    client = await new_user()
    url = client.urls["results"]
    for name, syntax in (("JPEG2000.dcm", "1.2.840.10008.1.2.4.91"), ("MR_small_bigendian.dcm", EXPLICIT)):
        content = wheel.path_of(f"test_files/{name}").read_bytes()
        file_id = await accepted(client, content)
        assert file_id
        await client.ended(file_id)
        data_set = pydicom.dcmread(io.BytesIO(content))
        path = path_of(data_set)
        series = path.partition("/instances/")[0]

        async def ask(target: str, accept: str) -> tuple[str, bytes]:
            headers = {**client.headers, "Accept": accept, "Accept-Encoding": "gzip, deflate, br"}
            async with client.session.get(url + target, headers=headers) as answer:
                assert answer.status == 200, (target, accept, await answer.text(errors="replace"))
                return answer.headers["Content-Type"], await answer.read()

        # OHIF and Cornerstone
        kind, _ = await ask(f"{series}/metadata", "application/dicom+json, application/json, */*")
        assert kind == "application/dicom+json"
        for accept in (
            "multipart/related; type=application/octet-stream; transfer-syntax=*",
            'multipart/related; type="*/*"; transfer-syntax=*',
            "multipart/related; type=image/jls;q=1, multipart/related; type=application/octet-stream; "
            "transfer-syntax=*;q=0.9",
        ):
            _, body = await ask(f"{path}/frames/1", accept)
            told, pixels = cornerstone_frame(body)
            assert told.endswith(f"transfer-syntax={syntax}"), (name, accept, told)
            if syntax == EXPLICIT:
                assert pixels == data_set.pixel_array.astype("<i2").tobytes()
        kind, picture = await ask(f"{path}/rendered", "image/jpeg")
        assert (kind, picture[:2]) == ("image/jpeg", b"\xff\xd8")
        # Weasis and dcm4che
        for accept in (
            'multipart/related;type="application/dicom";transfer-syntax=*',
            f'multipart/related;type="application/dicom";transfer-syntax={syntax},'
            'multipart/related;type="application/dicom";q=0.5',
            'multipart/related; type="application/dicom"',
        ):
            kind, body = await ask(path, accept)
            assert kind.startswith('multipart/related; type="application/dicom"; boundary=')
            assert b"DICM" in body[:600]
        kind, small = await ask(f"{series}/thumbnail?viewport=256,256", "image/jpeg")
        assert (kind, small[:2]) == ("image/jpeg", b"\xff\xd8")


@pytest.mark.parametrize("system", ["embedded"], indirect=True)
async def test_large_studies_leave_in_constant_memory(
    system: System, new_user: NewUser, tmp_path: Path
) -> None:
    """Half a gibibyte in one instance, and again transcoded from implicit representation."""
    client = await new_user()
    path = tmp_path / "large.dcm"
    facts = await asyncio.to_thread(write_large, path, 384 * MIB)
    with path.open("rb") as file:
        _, body = await client.upload_raw(file)
    assert body["files"][0]["state"] == "accepted"
    large = pydicom.dcmread(path, stop_before_pixels=True)
    frames = [rle_frame(1024, 1024)] * 200  # 400 MiB without compression
    rle = encapsulated_instance(
        frames, transfer_syntax=RLE, frames=200, Rows=1024, Columns=1024, SOPInstanceUID=f"{UID_ROOT}.33",
        StudyInstanceUID=large.StudyInstanceUID, SeriesInstanceUID=large.SeriesInstanceUID,
    )  # fmt: skip
    _, body = await client.upload_raw(io.BytesIO(rle))
    assert body["files"][0]["state"] == "accepted"
    process = system.processes["results"] if "results" in system.processes else system.processes["services"]
    url = client.urls["results"]

    async def read(accept: str, target: str) -> int:
        taken, headers = 0, {**client.headers, "Accept": accept}
        async with client.session.get(url + target, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            async for chunk in answer.content.iter_chunked(MIB):
                taken += len(chunk)
        return taken

    study = f"/dicom-web/studies/{large.StudyInstanceUID}"
    await read('multipart/related; type="application/octet-stream"', f"{path_of(large)}/frames/1")
    pids = [process.pid, *children(process.pid)]
    for pid in pids:
        reset_high_water(pid)
    before = {pid: high_water(pid) for pid in pids}
    assert await read(AS_STORED, study) > facts.size + len(rle)
    assert await read('multipart/related; type="application/dicom"', study) > facts.size + 200 * MIB
    grown = {pid: high_water(pid) - before[pid] for pid in pids}
    assert max(grown.values()) < 96 * MIB, grown
