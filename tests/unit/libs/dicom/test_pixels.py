"""Native pixel data: every encoding of the cells."""

from __future__ import annotations

import io

import numpy as np
import pytest

from libs.dicom.measure.analysis import AnalysisLimits
from libs.dicom.pixels.reading import open_pixels
from tests.builders import (
    DEFLATED,
    EXPLICIT_BE,
    EXPLICIT_LE,
    IMPLICIT_LE,
    ct_elements,
    ct_instance,
    instance,
    part10,
)
from tests.encoder import PIXEL_DATA, Encoding
from tests.unit.libs.dicom.pixel_support import (
    check,
    described,
    measured,
    sealed,
)

RNG = np.random.default_rng(11)


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
    source = open_pixels(io.BytesIO(data), sealed(data), AnalysisLimits())
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
    source = open_pixels(io.BytesIO(data), sealed(data), AnalysisLimits())
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
