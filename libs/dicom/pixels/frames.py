"""The codestreams of encapsulated pixel data, frame by frame, through the table of fragments (PS3.5 A.4)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate
from typing import BinaryIO, Protocol

import numpy as np

from libs.dicom.parse.syntax import ITEM_HEAD
from libs.dicom.pixels.bytes_at import read_at
from libs.dicom.pixels.image import Image

_END_OF_IMAGE = b"\xff\xd9"
_MAY_PAD = 10
"""The last bytes of a codestream among which its end marker stands."""


class FragmentBytes(Protocol):
    """Bytes of a fragment, or what reads the part of them that is asked for."""

    def __getitem__(self, part: slice, /) -> bytes:
        """That part."""


Ends = Callable[[int, FragmentBytes], bool]
"""(number of the fragment from 1 on, its bytes) -> whether a frame ends with it."""


def encoded_frames(stream: BinaryIO, image: Image) -> Iterator[bytes]:
    """Give the codestream of each frame, joined from its fragments, one frame in memory at a time.

    There may be fewer or more than the header says. The offset tables need not be right: they are asked only
    where the number of fragments leaves a doubt, and believed if they fit the fragments.
    """
    lengths = image.place.fragments or (0,)
    ends = frame_ends(stream, image)
    at = image.place.offset + ITEM_HEAD + lengths[0]  # behind the Basic Offset Table
    parts: list[bytes] = []
    for number in range(1, len(lengths)):
        parts.append(read_at(stream, at + ITEM_HEAD, lengths[number]))
        at += ITEM_HEAD + lengths[number]
        if ends(number, parts[-1]):
            yield b"".join(parts)
            parts = []
    if parts:
        yield b"".join(parts)


def frame_ends(stream: BinaryIO, image: Image) -> Ends:
    """Which fragments end a frame."""
    lengths = image.place.fragments or (0,)
    fragments = len(lengths) - 1
    if fragments == image.frames:
        return lambda number, fragment: True
    if image.frames == 1:
        return lambda number, fragment: number == fragments
    starts = _offsets(stream, image)
    # Where the fragment after each starts, counted from the first one; behind the last one none does.
    following = list(accumulate(ITEM_HEAD + length for length in lengths[1:]))
    if len(starts) == image.frames and starts <= {0, *following[:-1]}:
        return lambda number, fragment: following[number - 1] in starts
    return lambda number, fragment: _END_OF_IMAGE in fragment[-_MAY_PAD:]


def _offsets(stream: BinaryIO, image: Image) -> set[int]:
    """Where frames start by the Extended Offset Table (PS3.3 C.7.6.3.1.8), else by the basic one."""
    extended = image.attributes.raw("ExtendedOffsetTable")
    if len(extended) == 8 * image.frames:
        return set(np.frombuffer(extended, "<u8").tolist())
    length = (image.place.fragments or (0,))[0]
    basic = read_at(stream, image.place.offset + ITEM_HEAD, length)
    return set(np.frombuffer(basic[: length - length % 4], "<u4").tolist())
