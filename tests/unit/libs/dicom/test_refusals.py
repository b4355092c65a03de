"""What the analysis refuses, with which code, and what it lets pass through."""

from __future__ import annotations

import io
import zlib
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.dicom.faults import DicomFault
from libs.dicom.measure.analysis import AnalysisLimits, analyse
from tests.builders import (
    DEFLATED,
    EXPLICIT_LE,
    JPEG_BASELINE,
    MPEG4_HP41,
    RLE,
    ct_instance,
    encapsulated_instance,
)
from tests.unit.libs.dicom.pixel_support import (
    DEFLATED_FRAME,
    JPEG_2000,
    check,
    encoded_frame,
    jpeg,
    measured,
    refused,
    sealed,
)

RNG = np.random.default_rng(11)


def test_video_is_not_supported() -> None:
    assert refused(encapsulated_instance([b"\0" * 64], transfer_syntax=MPEG4_HP41)) == (
        "unsupported-transfer-syntax"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"Rows": 65535},
        {"NumberOfFrames": 2000000000},
        {"BitsAllocated": 12},
        {"BitsAllocated": 128},
        {"BitsStored": 17},
        {"BitsStored": 0},
        {"Rows": 0},
        {"Columns": None},
        {"SamplesPerPixel": 60000},
        {"NumberOfFrames": -5},
    ],
)
def test_headers_that_cannot_be_right(wrong: dict[str, Any]) -> None:
    assert refused(ct_instance(), **wrong) == "pixel-data-invalid"


def test_pixels_cut_off() -> None:
    data = ct_instance()
    with pytest.raises(DicomFault) as fault:
        analyse(io.BytesIO(data[:-1]), sealed=sealed(data))
    assert fault.value.code == "pixel-data-invalid"


def test_native_pixels_of_undefined_length() -> None:
    known = sealed(encapsulated_instance([b"\0" * 4096], transfer_syntax=RLE))
    assert known.pixels is not None
    place = replace(known.pixels, transfer_syntax_uid=EXPLICIT_LE)
    with pytest.raises(DicomFault) as fault:
        analyse(io.BytesIO(), sealed=replace(known, transfer_syntax_uid=EXPLICIT_LE, pixels=place))
    assert fault.value.code == "pixel-data-invalid"


@pytest.mark.parametrize("syntax", [JPEG_BASELINE, JPEG_2000, RLE, DEFLATED_FRAME, "1.2.840.10008.1.2.4.80"])
@pytest.mark.parametrize("fragment", [b"", b"\0" * 100, b"\xff\xd8", b"\xff\x4f\xff\x51", b"\xff" * 500])
def test_garbage_instead_of_a_codestream(syntax: str, fragment: bytes) -> None:
    code = refused(encapsulated_instance([fragment], transfer_syntax=syntax))
    assert code in ("decode-failed", "pixel-data-invalid")


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([JPEG_BASELINE, JPEG_2000, RLE, DEFLATED_FRAME]), st.data())
def test_damaged_codestreams_end_in_a_result_or_a_fault(syntax: str, data: st.DataObject) -> None:
    values = np.arange(32 * 40, dtype=np.uint8).reshape(32, 40)
    frame = bytearray(jpeg(32, 40)[0] if syntax == JPEG_BASELINE else encoded_frame(values, syntax))
    for place in data.draw(st.lists(st.integers(0, len(frame) - 1), min_size=1, max_size=4)):
        frame[place] = data.draw(st.integers(0, 255))
    damaged = encapsulated_instance([bytes(frame)], transfer_syntax=syntax, Rows=32, Columns=40)
    try:
        outcome = measured(damaged).statistics["count"]
    except DicomFault as fault:
        outcome = fault.code
    assert outcome in (values.size, "decode-failed", "pixel-data-invalid", "memory-limit")


def test_a_compressed_frame_may_not_exceed_the_memory_limit() -> None:
    frame, _ = jpeg(32, 40)
    data = encapsulated_instance([frame], Rows=32, Columns=40)
    assert refused(data, AnalysisLimits(max_frame_bytes=1279)) == "memory-limit"
    assert measured(data, AnalysisLimits(max_frame_bytes=1280)).data_size == 1280


def test_running_out_of_memory_is_a_fault_of_its_own() -> None:
    class Exhausted(io.BytesIO):
        def read(self, count: int | None = -1, /) -> bytes:
            raise MemoryError

    with pytest.raises(DicomFault) as fault:
        analyse(Exhausted(ct_instance()), sealed=sealed(ct_instance()))
    assert fault.value.code == "memory-limit"


def test_deflated_data_inflate_under_a_cap() -> None:
    data = ct_instance(1000, 1000, pixels=b"\0" * 2_000_000, transfer_syntax=DEFLATED)
    assert len(data) < 10_000
    assert measured(data).average_before_normalization == 0.0
    assert refused(data, AnalysisLimits(max_inflated_bytes=1_000_000)) == "pixel-data-invalid"


def test_damaged_deflated_data() -> None:
    data = ct_instance(transfer_syntax=DEFLATED)
    known = sealed(data)
    start = data.index(DEFLATED.encode()) + 80
    for damaged, code in (
        (data[:-3000], "pixel-data-invalid"),
        (data[:600], "pixel-data-invalid"),
        (data[:start] + b"\xff" * 500, "decode-failed"),
    ):
        with pytest.raises(DicomFault) as fault:
            analyse(io.BytesIO(damaged), sealed=known)
        assert fault.value.code == code


def test_a_deflated_frame_may_not_hold_more_than_it_should() -> None:
    bomb = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = bomb.compress(b"\0" * 50_000_000) + bomb.flush()
    assert refused(encapsulated_instance([packed], transfer_syntax=DEFLATED_FRAME)) == "pixel-data-invalid"


@pytest.mark.parametrize("syntax", [EXPLICIT_LE, RLE, DEFLATED])
def test_what_the_stream_raises_passes_through(syntax: str) -> None:
    values = RNG.integers(0, 256, (64, 64)).astype(np.uint8)
    data = (
        encapsulated_instance([encoded_frame(values, RLE)], transfer_syntax=RLE)
        if syntax == RLE
        else ct_instance(transfer_syntax=syntax)
    )

    class Failing(io.BytesIO):
        def read(self, count: int | None = -1, /) -> bytes:
            if self.tell() + (count or 0) > len(data) - 900:
                raise OSError("the disk is gone")
            return super().read(count)

    with pytest.raises(OSError, match="the disk is gone"):
        analyse(Failing(data), sealed=sealed(data))


def test_a_stream_that_gives_little_at_a_time() -> None:
    class Slow(io.RawIOBase):
        def __init__(self, data: bytes) -> None:
            super().__init__()
            self.inner = io.BytesIO(data)

        def readable(self) -> bool:
            return True

        def seekable(self) -> bool:
            return True

        def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
            return self.inner.seek(offset, whence)

        def readinto(self, buffer: Any) -> int:
            return self.inner.readinto(memoryview(buffer)[:1000])

    values = RNG.integers(0, 4096, (64, 64)).astype(np.uint16)
    data = ct_instance(64, 64, pixels=values)
    slow: Any = Slow(data)
    check(analyse(slow, sealed=sealed(data)), values)
