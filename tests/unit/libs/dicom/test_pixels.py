"""Pixel cells out of built files: every encoding of native pixels, frames, fragments, and what is refused."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import openjpeg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from libs.dicom.analysis import Analysis, AnalysisLimits, analyse
from libs.dicom.faults import DicomFault
from libs.dicom.pixels import open_pixels
from tests.builders import (
    DEFLATED,
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    JPEG_BASELINE,
    MPEG4_HP41,
    RLE,
    ct_elements,
    ct_instance,
    encapsulated_instance,
    instance,
    part10,
)
from tests.encoder import LITTLE, PIXEL_DATA, Encoding, deflate

JPEG_2000 = "1.2.840.10008.1.2.4.90"
DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"
RNG = np.random.default_rng(11)


def measured(data: bytes, limits: AnalysisLimits | None = None) -> Analysis:
    return analyse(io.BytesIO(data), limits)


def refused(data: bytes, limits: AnalysisLimits | None = None) -> str:
    with pytest.raises(DicomFault) as fault:
        measured(data, limits)
    return fault.value.code


def described(rows: int, columns: int, frames: int) -> dict[str, Any]:
    """Give the header of an 8-bit image."""
    return dict(ct_elements(rows, columns, 8, frames, 0))


def check(analysis: Analysis, values: NDArray[Any]) -> None:
    """Hold count, extremes and mean against values that the test drew."""
    facts = analysis.statistics
    assert (facts["count"], facts["min"], facts["max"]) == (values.size, values.min(), values.max())
    assert analysis.average_before_normalization == pytest.approx(float(values.mean(dtype=float)), rel=1e-12)


def encoded_frame(values: NDArray[Any], syntax: str) -> bytes:
    """Compress one frame with a library that is not asked to decode it again, or by hand."""
    if syntax == JPEG_2000:
        return bytes(openjpeg.encode(values, photometric_interpretation=2 if values.ndim == 2 else 1))
    if syntax == DEFLATED_FRAME:
        return deflate(values.tobytes())
    planes = [values] if values.ndim == 2 else list(np.moveaxis(values, 2, 0))
    segments = []
    for plane in planes:
        for byte in range(plane.itemsize - 1, -1, -1):  # most significant byte first (PS3.5 G.2)
            raw = (plane.astype(np.uint32) >> 8 * byte).astype(np.uint8).tobytes()
            runs = [raw[start : start + 128] for start in range(0, len(raw), 128)]
            packed = b"".join(bytes([len(run) - 1]) + run for run in runs)
            segments.append(packed + b"\0" * (len(packed) % 2))
    offsets = [64 + sum(map(len, segments[:place])) for place in range(len(segments))]
    header = struct.pack("<16I", len(segments), *offsets, *[0] * (15 - len(segments)))
    return header + b"".join(segments)


# Native pixel data.


@pytest.mark.parametrize("syntax", [IMPLICIT_LE, EXPLICIT_LE, EXPLICIT_BE, DEFLATED])
@pytest.mark.parametrize("kind", ["u1", "u2", "i2", "u4", "i4"])
@pytest.mark.parametrize("frames", [1, 3])
def test_native_integers(syntax: str, kind: str, frames: int) -> None:
    info = np.iinfo(kind)
    values = RNG.integers(info.min, info.max, (frames, 5, 7), kind, endpoint=True)
    bits = info.bits
    data = ct_instance(
        5,
        7,
        bits,
        frames=frames,
        pixels=values,
        transfer_syntax=syntax,
        BitsStored=bits,
        HighBit=bits - 1,
        PixelRepresentation=int(kind[0] == "i"),
    )
    analysis = measured(data)
    check(analysis, values)
    assert analysis.data_size == values.nbytes
    assert analysis.statistics["frame_means"] == pytest.approx(list(values.mean(axis=(1, 2))))


@pytest.mark.parametrize("high", [11, 12, 15])
@pytest.mark.parametrize("signed", [0, 1])
def test_bits_outside_the_stored_value_are_ignored(high: int, signed: int) -> None:
    values = RNG.integers(-2048 if signed else 0, 2048 if signed else 4096, (6, 6))
    shift = high - 11
    noise = RNG.integers(0, 1 << 16, (6, 6)) & ~(0xFFF << shift)
    cells = (((values & 0xFFF) << shift) | noise).astype(np.uint16)
    check(measured(ct_instance(6, 6, pixels=cells, HighBit=high, PixelRepresentation=signed)), values)


@pytest.mark.parametrize("high", [0, 3, 16, 99])
def test_an_impossible_high_bit_means_the_low_bits(high: int) -> None:
    cells = RNG.integers(0, 1 << 16, (6, 6)).astype(np.uint16)
    check(measured(ct_instance(6, 6, pixels=cells, HighBit=high)), cells & 0xFFF)


@pytest.mark.parametrize("frames", [1, 2, 3])
def test_eight_bits_in_big_endian_words_are_swapped_in_pairs(frames: int) -> None:
    values = RNG.integers(1, 256, (frames, 3, 5)).astype(np.uint8)
    raw = values.tobytes() + b"\0" * (values.size % 2)
    big = Encoding(little=False)
    elements = described(3, 5, frames)
    swapped = np.frombuffer(raw, ">u2").astype("<u2").tobytes()
    data = instance(elements, big.element(PIXEL_DATA, "OW", swapped), transfer_syntax=EXPLICIT_BE)
    analysis = measured(data)
    check(analysis, values)
    assert analysis.statistics["frame_means"] == pytest.approx(list(values.mean(axis=(1, 2))))


def test_one_bit_frames_need_not_start_at_a_byte() -> None:
    values = RNG.integers(0, 2, (5, 7, 9)).astype(np.uint8)
    packed = np.packbits(values.reshape(-1), bitorder="little").tobytes()
    analysis = measured(ct_instance(7, 9, frames=5, pixels=packed, BitsAllocated=1, BitsStored=1, HighBit=0))
    check(analysis, values)
    assert analysis.statistics["frame_means"] == pytest.approx(list(values.mean(axis=(1, 2))))
    assert analysis.data_size == 5 * 8  # 63 values take 8 bytes


@pytest.mark.parametrize("planar", [0, 1])
def test_colour_by_pixel_and_by_plane(planar: int) -> None:
    values = RNG.integers(0, 256, (2, 4, 6, 3)).astype(np.uint8)
    stored = np.moveaxis(values, 3, 1) if planar else values
    data = ct_instance(
        4,
        6,
        8,
        frames=2,
        pixels=stored.tobytes(),
        SamplesPerPixel=3,
        PlanarConfiguration=planar,
        PhotometricInterpretation="RGB",
    )
    check(measured(data), values)
    _, source = open_pixels(io.BytesIO(data), AnalysisLimits())
    assert source is not None
    blocks = [block for block in source.blocks() if block.frame == 1]
    assert (np.concatenate([block.words for block in blocks], axis=2) == values[1]).all()


@pytest.mark.parametrize("expanded", [False, True])
def test_subsampled_chroma_counts_as_stored(expanded: bool) -> None:
    values = RNG.integers(0, 256, 4 * 6 * (3 if expanded else 2)).astype(np.uint8)
    analysis = measured(
        ct_instance(
            4,
            6,
            8,
            pixels=values.tobytes(),
            SamplesPerPixel=3,
            PlanarConfiguration=0,
            PhotometricInterpretation="YBR_FULL_422",
        )
    )
    check(analysis, values)
    assert analysis.data_size == values.size


@pytest.mark.parametrize(("tag", "vr", "kind"), [(0x7FE00008, "OF", "f4"), (0x7FE00009, "OD", "f8")])
@pytest.mark.parametrize("syntax", [EXPLICIT_LE, EXPLICIT_BE])
def test_float_pixels(tag: int, vr: str, kind: str, syntax: str) -> None:
    values = RNG.normal(-3, 2, (4, 5)).astype(kind)
    encoding = Encoding(little=syntax == EXPLICIT_LE)
    elements = {**ct_elements(4, 5, 16, None, 0), "BitsAllocated": None, "BitsStored": None, "HighBit": None}
    ordered = values.astype(values.dtype.newbyteorder(encoding.order)).tobytes()
    analysis = measured(instance(elements, encoding.element(tag, vr, ordered), transfer_syntax=syntax))
    check(analysis, values)
    assert analysis.data_size == values.nbytes
    assert analysis.thumbnail is not None


def test_a_frame_larger_than_a_slice_is_read_in_slices() -> None:
    values = RNG.integers(0, 4096, (1500, 1001)).astype(np.uint16)
    data = ct_instance(1500, 1001, pixels=values)
    _, source = open_pixels(io.BytesIO(data), AnalysisLimits())
    assert source is not None
    assert max(block.words.nbytes for block in source.blocks()) < 1_100_000
    check(measured(data), values)


def test_data_sets_in_the_other_kind_of_vr_than_stated() -> None:
    whole = ct_instance(transfer_syntax=IMPLICIT_LE)
    data_set = whole[whole.index(b"\x08\x00\x05\x00") :]
    assert measured(part10(data_set, transfer_syntax=EXPLICIT_LE)).statistics["count"] == 64 * 64


@pytest.mark.parametrize("frames", ["0", "", "many"])
def test_a_number_of_frames_that_is_none_means_one(frames: str) -> None:
    assert measured(ct_instance(NumberOfFrames=frames)).statistics["frames"] == 1


def test_bytes_behind_the_last_frame_are_not_measured() -> None:
    values = RNG.integers(0, 4096, (8, 8)).astype(np.uint16)
    check(measured(ct_instance(8, 8, pixels=values.tobytes() + b"\xff" * 500)), values)


# Compressed frames.


@pytest.mark.parametrize("syntax", [JPEG_2000, RLE, DEFLATED_FRAME])
@pytest.mark.parametrize("kind", ["u1", "u2", "rgb"])
def test_lossless_frames(syntax: str, kind: str) -> None:
    shape = (3, 40, 70, 3) if kind == "rgb" else (3, 40, 70)
    bits = 16 if kind == "u2" else 8
    values = RNG.integers(0, 1 << bits, shape).astype(f"u{bits // 8}")
    data = encapsulated_instance(
        [encoded_frame(frame, syntax) for frame in values],
        transfer_syntax=syntax,
        frames=3,
        Rows=40,
        Columns=70,
        BitsAllocated=bits,
        BitsStored=bits,
        HighBit=bits - 1,
        SamplesPerPixel=3 if kind == "rgb" else 1,
        PlanarConfiguration=0,
        PhotometricInterpretation="RGB" if kind == "rgb" else "MONOCHROME2",
    )
    analysis = measured(data)
    check(analysis, values)
    assert analysis.data_size == values.nbytes
    assert analysis.statistics["frame_means"] == pytest.approx([frame.mean() for frame in values])


def jpeg(rows: int, columns: int, color: bool = False) -> tuple[bytes, NDArray[np.uint8]]:
    ramp = np.add.outer(np.arange(rows) * 3, np.arange(columns) * 2).astype(np.uint8)
    picture = np.stack([ramp, 255 - ramp, ramp // 2], axis=2) if color else ramp
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=95)
    return out.getvalue(), picture


def test_a_codestream_of_another_size_than_the_header_is_refused() -> None:
    frame, _ = jpeg(32, 40)
    assert measured(encapsulated_instance([frame], Rows=32, Columns=40)).statistics["count"] == 1280
    sizes: list[dict[str, Any]] = [
        {"Rows": 64, "Columns": 40},
        {"Rows": 40, "Columns": 32},
        {"Rows": 16, "Columns": 40},
    ]
    for wrong in sizes:
        assert refused(encapsulated_instance([frame], **wrong)) == "pixel-data-invalid"
    color, _ = jpeg(32, 40, color=True)
    assert refused(encapsulated_instance([color], Rows=32, Columns=40)) == "pixel-data-invalid"


def test_a_codestream_with_fewer_bits_than_the_header_keeps_its_values() -> None:
    frame, picture = jpeg(32, 40)
    wide: dict[str, Any] = {"BitsAllocated": 16, "BitsStored": 12, "HighBit": 11}
    analysis = measured(encapsulated_instance([frame], Rows=32, Columns=40, **wide))
    assert analysis.average_before_normalization == pytest.approx(float(picture.mean()), abs=1)
    assert analysis.data_size == 2 * picture.size


@pytest.mark.parametrize("signed", [0, 1])
def test_jpeg_2000_sign_follows_the_header(signed: int) -> None:
    values = RNG.integers(-2048 if signed else 0, 2048 if signed else 4096, (64, 64))
    coded = (values & 0xFFF).astype(np.uint16)  # the codestream calls them unsigned
    frame = bytes(openjpeg.encode(coded, bits_stored=12))
    data = encapsulated_instance(
        [frame],
        transfer_syntax=JPEG_2000,
        BitsAllocated=16,
        BitsStored=16,
        HighBit=15,
        PixelRepresentation=signed,
    )
    check(measured(data), values)


def offset_table(entries: Sequence[int], fragments: Sequence[bytes]) -> bytes:
    """Encapsulate with a basic offset table of these entries."""
    table = struct.pack(f"<{len(entries)}I", *entries)
    items = b"".join(LITTLE.item(part + b"\0" * (len(part) % 2)) for part in (table, *fragments))
    return LITTLE.element(PIXEL_DATA, "OB", b"", length=0xFFFFFFFF) + items + b"\xfe\xff\xdd\xe0\0\0\0\0"


@pytest.mark.parametrize("entries", [[], [0], [0, 5], "right"])
def test_frames_are_found_whatever_the_offset_table_says(entries: list[int] | str) -> None:
    values = RNG.integers(0, 256, (3, 6, 10)).astype(np.uint8)
    frames = [encoded_frame(frame, RLE) for frame in values]
    sizes = [len(frame) + len(frame) % 2 + 8 for frame in frames]
    right = [0, sizes[0], sizes[0] + sizes[1]]
    pixels = offset_table(right if isinstance(entries, str) else entries, frames)
    data = instance(described(6, 10, 3), pixels, transfer_syntax=RLE)
    check(measured(data), values)


def test_frames_are_found_by_the_extended_offset_table() -> None:
    values = RNG.integers(0, 256, (2, 6, 10)).astype(np.uint8)
    frames = [encoded_frame(frame, RLE) for frame in values]
    extended = LITTLE.element(0x7FE00001, "OV", struct.pack("<2Q", 0, len(frames[0]) + 8))
    extended += LITTLE.element(0x7FE00002, "OV", struct.pack("<2Q", *map(len, frames)))
    data = instance(described(6, 10, 2), extended + offset_table([], frames), transfer_syntax=RLE)
    check(measured(data), values)


def test_a_frame_in_several_fragments_is_joined() -> None:
    values = RNG.integers(0, 256, (6, 10)).astype(np.uint8)
    frame = encoded_frame(values, RLE)
    parts = [frame[:20], frame[20:64], frame[64:]]
    check(measured(encapsulated_instance(parts, transfer_syntax=RLE, Rows=6, Columns=10)), values)


def test_the_header_decides_how_many_frames_there_are() -> None:
    values = RNG.integers(0, 256, (3, 6, 10)).astype(np.uint8)
    frames = [encoded_frame(frame, RLE) for frame in values]
    sizes: dict[str, Any] = {"transfer_syntax": RLE, "Rows": 6, "Columns": 10}
    assert refused(encapsulated_instance(frames, frames=4, **sizes)) in (
        "pixel-data-invalid",
        "decode-failed",
    )
    extra = instance(described(6, 10, 2), offset_table([], frames), transfer_syntax=RLE)
    assert refused(extra) in ("pixel-data-invalid", "decode-failed")


# What is refused.


def test_video_is_not_supported() -> None:
    assert refused(encapsulated_instance([b"\0" * 64], transfer_syntax=MPEG4_HP41)) == (
        "unsupported-transfer-syntax"
    )


@pytest.mark.parametrize(
    "wrong",
    [
        {"Rows": 65535},
        {"NumberOfFrames": "2000000000"},
        {"BitsAllocated": 12},
        {"BitsAllocated": 128},
        {"BitsStored": 17},
        {"BitsStored": 0},
        {"Rows": 0},
        {"Columns": None},
        {"SamplesPerPixel": 60000},
        {"NumberOfFrames": "-5"},
    ],
)
def test_headers_that_cannot_be_right(wrong: dict[str, Any]) -> None:
    assert refused(ct_instance(**wrong)) == "pixel-data-invalid"


def test_pixels_cut_off() -> None:
    assert refused(ct_instance()[:-1]) == "pixel-data-invalid"


def test_native_pixels_of_undefined_length() -> None:
    assert refused(encapsulated_instance([b"\0" * 4096], transfer_syntax=EXPLICIT_LE)) == "pixel-data-invalid"


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
        analyse(Exhausted(ct_instance()))
    assert fault.value.code == "memory-limit"


def test_deflated_data_inflate_under_a_cap() -> None:
    data = ct_instance(1000, 1000, pixels=b"\0" * 2_000_000, transfer_syntax=DEFLATED)
    assert len(data) < 10_000
    assert measured(data).average_before_normalization == 0.0
    assert refused(data, AnalysisLimits(max_inflated_bytes=1_000_000)) == "pixel-data-invalid"


def test_damaged_deflated_data() -> None:
    data = ct_instance(transfer_syntax=DEFLATED)
    assert refused(data[:-3000]) == "pixel-data-invalid"
    assert refused(data[:600]) == "truncated"
    start = data.index(b"1.2.840.10008.1.2.1.99") + 80
    assert refused(data[:start] + b"\xff" * 500) in ("decode-failed", "truncated")


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
        analyse(Failing(data))


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
    slow: Any = Slow(ct_instance(64, 64, pixels=values))
    check(analyse(slow), values)
