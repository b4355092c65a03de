"""WADO-RS: frames as stored and decoded, and instances transcoded, of every transfer syntax of the wheel."""

from __future__ import annotations

import asyncio
import io
import os
import secrets
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest

from services.results.keys import DECODERS
from tests import wheel
from tests.builders import MPEG4_HP41, ct_instance, encapsulated_instance
from tests.results_support import OWNER, STRANGER, Results, running_results
from tests.sharing_support import ANA, BEN, Sharing
from tests.unit.libs.dicom.pixel_support import JPEG_2000, encoded_frame
from tests.unit.services.results.events import moved
from tests.wado_support import Stored, parts_of, store
from tests.waiting import eventually

EXPLICIT = "1.2.840.10008.1.2.1"
DECODED = 'multipart/related; type="application/octet-stream"'
AS_STORED = "multipart/related; type=application/octet-stream; transfer-syntax=*"
TRANSCODED = 'multipart/related; type="application/dicom"'
FILES = {
    "big endian": "MR_small_bigendian.dcm",
    "implicit, multi-frame colour": "SC_rgb_rle_2frame.dcm",
    "rle": "MR_small_RLE.dcm",
    "jpeg": "SC_rgb_jpeg_gdcm.dcm",
    "jpeg 2000": "JPEG2000.dcm",
    "jpeg-ls": "MR_small_jpeg_ls_lossless.dcm",
    "deflated": "image_dfl.dcm",
}


def one_bit() -> bytes:
    """Three frames of 15 cells, which begin inside bytes."""
    bits = np.random.default_rng(1).integers(0, 2, 45, dtype=np.uint8)
    packed = np.packbits(bits, bitorder="little").tobytes()
    return ct_instance(
        3, 5, 8, frames=3, pixels=packed, BitsAllocated=1, BitsStored=1, HighBit=0, PixelRepresentation=0
    )


async def alone(results: Results, content: bytes) -> Stored:
    """Under a UID of its own: some files of the wheel share theirs."""
    return await store(results, content, sop_instance_uid=f"2.25.{secrets.randbelow(10**18)}")


def content_of(name: str) -> bytes:
    if name == "one bit":
        return one_bit()
    return wheel.path_of(f"test_files/{FILES[name]}").read_bytes()


@pytest.fixture
async def results(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Results]:
    """One replica."""
    async with running_results(role_url("results"), tmp_path, pixels_slots=1) as running:
        yield running


async def test_frames_and_instances_equal_what_pydicom_decodes(results: Results) -> None:
    for name in (*FILES, "one bit"):
        sent = await alone(results, content_of(name))
        await frames_equal(results, name, sent)
        await instance_equals(results, sent)


async def frames_equal(results: Results, name: str, sent: Stored) -> None:
    theirs = pydicom.dcmread(io.BytesIO(sent.content))
    pixels, count = theirs.pixel_array, int(theirs.get("NumberOfFrames", 1))
    async with await results.get(f"{sent.path}/frames/{count},1", Accept=DECODED) as answer:
        parts = await parts_of(answer)
    assert {part.content_type for part in parts} == {f"application/octet-stream; transfer-syntax={EXPLICIT}"}
    for number, part in zip((count, 1), parts, strict=True):
        frame = pixels[number - 1] if count > 1 else pixels
        if theirs.BitsAllocated == 1:
            found = np.unpackbits(np.frombuffer(part.body, np.uint8), bitorder="little", count=frame.size)
        else:
            found = np.frombuffer(part.body, frame.dtype.newbyteorder("<"))
        if name != "jpeg":  # pydicom makes RGB of it
            assert (found == frame.reshape(-1)).all(), name


async def instance_equals(results: Results, sent: Stored) -> None:
    async with await results.get(sent.path, Accept=TRANSCODED) as answer:
        (part,) = await parts_of(answer)
    assert part.content_type == f"application/dicom; transfer-syntax={EXPLICIT}"
    ours, theirs = pydicom.dcmread(io.BytesIO(part.body)), pydicom.dcmread(io.BytesIO(sent.content))
    assert ours.file_meta.TransferSyntaxUID == EXPLICIT
    assert np.abs(ours.pixel_array.astype(int) - theirs.pixel_array.astype(int)).max() <= 1
    async with await results.get(sent.path, Accept="application/dicom") as answer:
        assert int(answer.headers["Content-Length"]) == len(await answer.read()) == len(part.body)


IMAGE_TYPES = {
    "jpeg": "image/jpeg",
    "jpeg 2000": "image/jp2",
    "jpeg-ls": "image/jls",
    "rle": "image/dicom-rle",
}


async def test_compressed_frames_come_as_they_are_stored(results: Results) -> None:
    for name, media_type in IMAGE_TYPES.items():
        await come_as_stored(results, await alone(results, content_of(name)), media_type)


async def come_as_stored(results: Results, sent: Stored, media_type: str) -> None:
    theirs = pydicom.dcmread(io.BytesIO(sent.content))
    syntax = str(theirs.file_meta.TransferSyntaxUID)
    (codestream,) = pydicom.encaps.generate_frames(theirs.PixelData, number_of_frames=1)
    for accept, told in (
        (AS_STORED, "application/octet-stream"),
        (f'multipart/related; type="{media_type}"', media_type),
        (f"multipart/related; type={media_type}; transfer-syntax={syntax}", media_type),
        ('multipart/related; type="*/*"; transfer-syntax=*', media_type),
        ("multipart/related; type=image/*", media_type),
    ):
        async with await results.get(f"{sent.path}/frames/1", Accept=accept) as answer:
            (part,) = await parts_of(answer)
        assert part == (f"{told}; transfer-syntax={syntax}", codestream), accept
    async with await results.get(f"{sent.path}/frames/1", Accept=media_type) as answer:
        assert (answer.content_type, await answer.read()) == (media_type, codestream)
    for accept in ("image/gif", 'multipart/related; type="video/mp4"', f"{DECODED}; transfer-syntax=1.2.3"):
        async with await results.get(f"{sent.path}/frames/1", Accept=accept) as answer:
            assert (answer.status, (await answer.json())["code"]) == (406, "not-acceptable")


async def test_frames_in_several_fragments_come_together_without_an_offset_table(results: Results) -> None:
    theirs = pydicom.dcmread(io.BytesIO(content_of("jpeg")))
    (frame,) = pydicom.encaps.generate_frames(theirs.PixelData, number_of_frames=1)
    frame = frame.removesuffix(b"\0")
    half = len(frame) // 4 * 2
    content = encapsulated_instance([frame[:half], frame[half:], frame[:half], frame[half:]], frames=2)
    sent = await alone(results, content)
    async with await results.get(f"{sent.path}/frames/2,1", Accept=AS_STORED) as answer:
        bodies = [part.body.removesuffix(b"\0") for part in await parts_of(answer)]
    assert bodies == [frame, frame]


async def test_a_video_comes_as_the_one_stream_that_it_is(results: Results) -> None:
    stream = bytes(range(256)) * 40
    content = encapsulated_instance(
        [b"", stream[:5000], stream[5000:]], transfer_syntax=MPEG4_HP41, frames=90
    )
    sent = await alone(results, content)
    for accept in ("*/*", 'multipart/related; type="video/mp4"', 'multipart/related; type="*/*"'):
        async with await results.get(f"{sent.path}/bulkdata/7FE00010", Accept=accept) as answer:
            (part,) = await parts_of(answer)
        assert part == (f"video/mp4; transfer-syntax={MPEG4_HP41}", stream), accept
    async with await results.get(f"{sent.path}/rendered", Accept="image/jpeg") as answer:
        assert (answer.status, (await answer.json())["code"]) == (422, "unsupported-transfer-syntax")


async def test_frames_that_are_not_there(results: Results) -> None:
    sent = await store(results, ct_instance(frames=3, rows=8, columns=8))
    for frames, status in (("4", 404), ("0", 404), ("1,99", 404), ("x", 400), ("1,,2", 400), ("-1", 400)):
        async with await results.get(f"{sent.path}/frames/{frames}") as answer:
            assert answer.status == status, frames
    async with await results.get(f"{sent.path}/frames/2,2%2C1") as answer:
        parts = await parts_of(answer)
        etag = answer.headers["ETag"]
    pixels = pydicom.dcmread(io.BytesIO(sent.content)).pixel_array
    assert [part.body for part in parts] == [pixels[n].tobytes() for n in (1, 1, 0)]
    async with await results.get(f"{sent.path}/frames/2,2%2C1", If_None_Match=etag) as answer:
        assert answer.status == 304


async def damaged(results: Results) -> Stored:
    content = encapsulated_instance([b"\xff\xd8" + b"no jpeg " * 20 + b"\xff\xd9"], SOPInstanceUID="1.2.9.77")
    return await store(results, content)


async def test_what_cannot_be_decoded_is_said_or_given_as_it_is(results: Results) -> None:
    bad, good = await damaged(results), await store(results, ct_instance(seed=5))
    for path, accept in ((bad.path, TRANSCODED), (f"{bad.path}/frames/1", DECODED)):
        async with await results.get(path, Accept=accept) as answer:
            assert (answer.status, (await answer.json())["code"]) == (422, "decode-failed")
    async with await results.get(bad.study_path, Accept=TRANSCODED) as answer:
        parts = await parts_of(answer)
    assert [part.body for part in parts] == [bad.content, good.content]
    assert parts[0].content_type == "application/dicom; transfer-syntax=1.2.840.10008.1.2.4.50"


async def test_what_was_found_a_moment_ago_is_seen_by_nobody_else(results: Results) -> None:
    sent = await store(results, ct_instance(seed=8))
    path = f"{sent.path}/frames/1"
    for user, status in ((OWNER, 200), (STRANGER, 404), (OWNER, 200)):
        async with await results.get(path, user) as answer:
            assert answer.status == status
    share = await Sharing(results).share(ANA, BEN, file_id=str(sent.file_id))
    for _ in range(2):
        async with await results.get(path, BEN.id) as answer:
            assert answer.status == 200
    await Sharing(results).take_back(ANA, share)
    async with await results.get(path, BEN.id) as answer:
        assert answer.status == 404
    await results.publish(moved(sent.file_id, "group:4"))
    async with await results.get(path) as answer:
        assert answer.status == 404


async def test_nothing_decodes_before_somebody_asks_and_a_lost_process_is_replaced(results: Results) -> None:
    sent = await store(results, content_of("rle"))
    decoders = results.client.server.app[DECODERS]  # type: ignore[attr-defined]
    async with await results.get(f"{sent.path}/frames/1", Accept=AS_STORED) as answer:
        await parts_of(answer)
    assert decoders.pids == []
    async with await results.get(f"{sent.path}/frames/1", Accept=DECODED) as answer:
        (first,) = await parts_of(answer)
    for pid in decoders.pids:
        os.kill(pid, signal.SIGKILL)
    async with await results.get(f"{sent.path}/frames/1", Accept=DECODED) as answer:
        assert await parts_of(answer) == [first]


def cpu_ticks(pid: int) -> int:
    """Hundredths of a second that a process has computed."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11])


async def test_a_process_that_is_lost_in_the_middle_is_told_and_the_next_answers(results: Results) -> None:
    noise = np.random.default_rng(2).integers(0, 1 << 16, (1500, 1500), dtype=np.uint16)
    elements: Any = {"Rows": 1500, "Columns": 1500, "BitsAllocated": 16, "BitsStored": 16, "HighBit": 15}
    content = encapsulated_instance(
        [encoded_frame(noise, JPEG_2000)], transfer_syntax=JPEG_2000, SOPInstanceUID="1.2.9.55", **elements
    )
    sent = await store(results, content)
    decoders = results.client.server.app[DECODERS]  # type: ignore[attr-defined]

    async def kill_one_at_work() -> None:
        await eventually(lambda: decoders.busy > 0)
        (pid,) = decoders.pids
        given = cpu_ticks(pid)
        # What was not begun is given to the next, and nobody notices.
        await eventually(lambda: cpu_ticks(pid) - given > 10)
        os.kill(pid, signal.SIGKILL)

    killing = asyncio.create_task(kill_one_at_work())
    async with await results.get(f"{sent.path}/frames/1", Accept=DECODED) as answer:
        assert (answer.status, (await answer.json())["code"]) == (503, "decoder-lost")
        assert answer.headers["Retry-After"] == "2"
    await killing
    async with await results.get(f"{sent.path}/frames/1", Accept=DECODED) as answer:
        (part,) = await parts_of(answer)
    assert part.body == noise.astype("<u2").tobytes()
