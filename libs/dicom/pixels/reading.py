"""From a DICOM stream to pixel cells: frame by frame, or slice by slice of a frame, never all at once."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from pydicom.encaps import generate_fragments, generate_frames, parse_basic_offsets, parse_fragments

from libs.dicom.faults import DicomFault
from libs.dicom.parse.inflate import inflated
from libs.dicom.parse.limits import Budget, HeaderLimits
from libs.dicom.parse.notes import Notes
from libs.dicom.parse.part10 import read_file_meta
from libs.dicom.parse.scan import scan_data_set
from libs.dicom.parse.source import FileFeed, Source
from libs.dicom.parse.syntax import DEFLATED_UID, NATIVE_UIDS, data_set_syntax
from libs.dicom.pixels.codecs import CELLS_KEPT, CODECS
from libs.dicom.pixels.image import Image, Layout, describe_image
from libs.dicom.pixels.native import Block, native_blocks


@dataclass(frozen=True, slots=True)
class AnalysisLimits:
    """What the analysis of one file may use up."""

    max_frame_bytes: int = 256 << 20
    """Decoded size of one compressed frame, which codecs need whole; native frames are read in slices."""
    max_inflated_bytes: int = 8 << 30
    """Size of a deflated data set once inflated; it is never held whole."""
    max_frames: int = 1 << 20
    """Frames of one object; each costs some bookkeeping."""


@dataclass(frozen=True, slots=True)
class PixelSource:
    """An image ready to be read: `stream` gives its data set, inflated if need be."""

    stream: BinaryIO
    image: Image

    def blocks(self) -> Iterator[Block]:
        """Read all pixel cells from the start; raises DicomFault and whatever a codec raises."""
        if self.image.transfer_syntax_uid in NATIVE_UIDS:
            return native_blocks(self.stream, self.image)
        return _compressed_blocks(self.stream, self.image)

    @property
    def layout(self) -> Layout:
        """How stored values lie in the cells that `blocks` gives."""
        layout, uid = self.image.layout, self.image.transfer_syntax_uid
        return layout if uid in NATIVE_UIDS | CELLS_KEPT else replace(layout, high=layout.stored - 1)


def open_pixels(stream: BinaryIO, limits: AnalysisLimits) -> tuple[str, PixelSource | None]:
    """Read the header of a Part 10 stream as far as its pixels need it; raises DicomFault.

    Gives the transfer syntax UID, and None for an object without pixel data, in whatever transfer syntax.
    """
    size = stream.seek(0, io.SEEK_END)
    source = Source(FileFeed(stream, size))
    uid = read_file_meta(source, size, Budget(HeaderLimits()), Notes()).transfer_syntax_uid
    start = source.position
    if uid == DEFLATED_UID:
        stream, start = inflated(stream, start, limits.max_inflated_bytes), 0
    attributes, pixels = scan_data_set(stream, start, data_set_syntax(uid))
    if pixels is None:
        return uid, None
    if uid not in NATIVE_UIDS and uid not in CODECS:
        raise DicomFault(
            "unsupported-transfer-syntax",
            "The pixel data are compressed in a way that cannot be decoded here, such as video. "
            "Send the object in another transfer syntax.",
        )
    image = describe_image(
        attributes,
        transfer_syntax_uid=uid,
        tag=pixels.tag,
        vr=pixels.vr,
        offset=pixels.offset,
        length=pixels.length,
    )
    if image.frames > limits.max_frames:
        raise DicomFault("pixel-data-invalid", f"The object has more than {limits.max_frames} frames.")
    if uid in CODECS and image.data_size // image.frames > limits.max_frame_bytes:
        raise DicomFault(
            "memory-limit",
            f"One compressed frame takes more than {limits.max_frame_bytes} bytes once decoded.",
        )
    return uid, PixelSource(stream, image)


def _compressed_blocks(stream: BinaryIO, image: Image) -> Iterator[Block]:
    """Decode frame by frame; each plane of a colour-by-plane frame is a block."""
    decode = CODECS[image.transfer_syntax_uid]
    done = 0
    for data in _encoded_frames(stream, image):
        if done == image.frames:
            break  # more frames than the header says: the header decides
        decoded = decode(data, image)
        if decoded.planar:
            for plane, words in enumerate(decoded.words):
                yield Block(done, plane, 0, words[..., None], decoded.ybr)
        else:
            yield Block(done, 0, 0, decoded.words, decoded.ybr)
        done += 1
    if done < image.frames:
        raise DicomFault(
            "pixel-data-invalid",
            f"The header says {image.frames} frames but the compressed pixel data hold {done}.",
        )


def _encoded_frames(stream: BinaryIO, image: Image) -> Iterator[bytes]:
    """Give the codestream of each frame, joined from its fragments (PS3.5 A.4)."""
    stream.seek(image.offset)
    offsets = parse_basic_offsets(stream)
    extended = _extended_offsets(image)
    if extended is None and offsets and len(offsets) != image.frames:
        # A table that does not list every frame says nothing; whole frames in single fragments need none.
        fragments, _ = parse_fragments(stream)
        if fragments == image.frames:
            yield from generate_fragments(stream)
            return
    stream.seek(image.offset)
    yield from generate_frames(stream, number_of_frames=image.frames, extended_offsets=extended)


def _extended_offsets(image: Image) -> tuple[bytes, bytes] | None:
    """The Extended Offset Table (PS3.3 C.7.6.3.1.8) if it lists every frame."""
    offsets = image.attributes.raw("ExtendedOffsetTable")
    lengths = image.attributes.raw("ExtendedOffsetTableLengths")
    return (offsets, lengths) if len(offsets) == len(lengths) == 8 * image.frames else None
