"""Which fragments make a frame: by their number, by either offset table, or by the end of each image."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence

import jpeg_ls
import numpy as np
import pytest

from libs.dicom.measure.analysis import AnalysisLimits
from libs.dicom.pixels.frames import encoded_frames
from libs.dicom.pixels.reading import open_pixels
from tests.builders import RLE, instance
from tests.encoder import LITTLE, PIXEL_DATA, UNDEFINED
from tests.unit.libs.dicom.pixel_support import check, described, measured, refused, sealed

JPEG_LS = "1.2.840.10008.1.2.4.80"
END = b"\xff\xd9"
FRAMES = [[b"first, ", b"in two"], [b"in one"], [b"in ", b"three", b" parts."]]
STARTS = [0, 30, 44]
"""Where each frame starts: eight bytes of head for each fragment, padded to an even length, before it."""


def encapsulated(
    fragments: Sequence[bytes],
    basic: Sequence[int] = (),
    extended: Sequence[int] = (),
    *,
    frames: int = 3,
    transfer_syntax: str = RLE,
) -> bytes:
    """A file of these fragments and offset tables."""
    table = LITTLE.item(struct.pack(f"<{len(basic)}I", *basic))
    items = b"".join(LITTLE.item(part + b"\0" * (len(part) % 2)) for part in fragments)
    long = LITTLE.element(0x7FE00001, "OV", struct.pack(f"<{len(extended)}Q", *extended)) if extended else b""
    pixels = (
        LITTLE.element(PIXEL_DATA, "OB", b"", length=UNDEFINED)
        + table
        + items
        + b"\xfe\xff\xdd\xe0"
        + bytes(4)
    )
    return instance(described(6, 10, frames), long + pixels, transfer_syntax=transfer_syntax)


def cut(data: bytes) -> list[bytes]:
    """The frames, without what pads their fragments."""
    source = open_pixels(io.BytesIO(data), sealed(data), AnalysisLimits())
    assert source is not None
    return [frame.replace(b"\0", b"") for frame in encoded_frames(source.stream, source.image)]


ALL = [part for frame in FRAMES for part in frame]
WHOLE = [b"".join(frame) for frame in FRAMES]


def test_by_the_basic_offset_table() -> None:
    assert cut(encapsulated(ALL, STARTS)) == WHOLE


def test_by_the_extended_offset_table_before_the_basic_one() -> None:
    assert cut(encapsulated(ALL, [0, 16, 44], STARTS)) == WHOLE


@pytest.mark.parametrize("frames", [100, 200])
def test_by_an_extended_offset_table_that_is_bulk_data(frames: int) -> None:
    parts = [part for number in range(frames) for part in (b"%03d " % number, b"of many.")]
    starts = [28 * number for number in range(frames)]
    found = cut(encapsulated(parts, extended=starts, frames=frames))
    assert found == [b"%03d of many." % number for number in range(frames)]


def test_as_many_fragments_as_frames_need_no_table() -> None:
    for wrong in ((), (0, 8, 16), (7, 7, 7)):
        assert cut(encapsulated(WHOLE, wrong, wrong)) == WHOLE


def test_one_frame_takes_all_fragments() -> None:
    parts = [b"one", END, b"frame", END]
    assert cut(encapsulated(parts, frames=1)) == [b"".join(parts)]


@pytest.mark.parametrize(
    "basic", [(), (0,), (0, 30), (0, 30, 45), (8, 30, 44), (0, 30, 44, 58), (0, 30, 1 << 31), (0, 0, 30)]
)
def test_by_the_end_of_each_image_where_no_table_fits(basic: Sequence[int]) -> None:
    parts = [[*frame[:-1], frame[-1] + END] for frame in FRAMES]
    starts = basic if basic != (0, 30, 44, 58) else (0, 34, 52, 66)
    assert cut(encapsulated([part for frame in parts for part in frame], starts)) == [
        whole + END for whole in WHOLE
    ]


def test_an_end_of_image_is_looked_for_at_the_end_of_a_fragment_only() -> None:
    inside = END + b"this is no end of an image"
    parts = [inside, b"end" + END, b"two" + END + b"\0" * 7, inside, END]
    found = cut(encapsulated(parts))
    assert found == [inside + b"end" + END, b"two" + END, inside + END]


def test_what_ends_without_its_mark_is_a_frame_too() -> None:
    assert cut(encapsulated([b"one" + END, b"two", b"parts" + END, b"rest"])) == [
        b"one" + END,
        b"twoparts" + END,
        b"rest",
    ]


@pytest.mark.parametrize("table", [True, False])
def test_frames_of_several_fragments_are_measured(table: bool) -> None:
    values = np.stack([np.arange(60, dtype=np.uint8).reshape(6, 10) + 50 * frame for frame in range(3)])
    coded = [bytes(jpeg_ls.encode_buffer(frame.tobytes(), 6, 10, 1, 8)) for frame in values]
    parts = [part for frame in coded for part in (frame[:20], frame[20:30], frame[30:])]
    sizes = [sum(8 + len(part) + len(part) % 2 for part in parts[at : at + 3]) for at in (0, 3)]
    starts = [0, sizes[0], sum(sizes)] if table else []
    check(measured(encapsulated(parts, starts, transfer_syntax=JPEG_LS)), values)


def test_fewer_frames_than_the_header_says_are_refused() -> None:
    values = np.arange(60, dtype=np.uint8).reshape(6, 10)
    frame = bytes(jpeg_ls.encode_buffer(values.tobytes(), 6, 10, 1, 8))
    parts = [frame[:20], frame[20:], frame[:30], frame[30:]]
    assert refused(encapsulated(parts, transfer_syntax=JPEG_LS)) == "pixel-data-invalid"
