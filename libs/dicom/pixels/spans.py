"""Where the frames of an image lie in its file, so that one is read without those before it (PS3.5 A.4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, NamedTuple

from libs.dicom.parse.layout import PixelPlace
from libs.dicom.parse.syntax import ITEM_HEAD
from libs.dicom.pixels.bytes_at import read_at
from libs.dicom.pixels.frames import frame_ends
from libs.dicom.pixels.image import Image


class FileSpan(NamedTuple):
    """A run of bytes in a file."""

    offset: int
    length: int


FrameSpans = list[FileSpan]
"""The fragments of one frame, in order."""


def simple_spans(place: PixelPlace, frames: int) -> list[FrameSpans] | None:
    """The frames by the sealed table alone; None where the file has to be asked which fragments make one."""
    fragments = list(_fragments(place))
    if len(fragments) == frames:
        return [[fragment] for fragment in fragments]
    return [fragments] if frames == 1 else None


def frame_spans(stream: BinaryIO, image: Image) -> list[FrameSpans]:
    """The frames of encapsulated pixel data; no fragment is read whole. Raises DicomFault."""
    known = simple_spans(image.place, image.frames)
    if known is not None:
        return known
    ends = frame_ends(stream, image)
    frames: list[FrameSpans] = [[]]
    for number, fragment in enumerate(_fragments(image.place), 1):
        frames[-1].append(fragment)
        if ends(number, _Unread(stream, fragment)):
            frames.append([])
    return frames[: image.frames] if frames[-1] else frames[:-1][: image.frames]


def read_spans(stream: BinaryIO, spans: FrameSpans) -> bytes:
    """The codestream of one frame."""
    return b"".join(read_at(stream, *span) for span in spans)


def _fragments(place: PixelPlace) -> Iterator[FileSpan]:
    lengths = place.fragments or (0,)
    at = place.offset + ITEM_HEAD + lengths[0]  # behind the Basic Offset Table
    for length in lengths[1:]:
        yield FileSpan(at + ITEM_HEAD, length)
        at += ITEM_HEAD + length


@dataclass(frozen=True, slots=True)
class _Unread:
    """A fragment of which only the end is ever read."""

    stream: BinaryIO
    span: FileSpan

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(self.span.length)
        return read_at(self.stream, self.span.offset + start, stop - start)
