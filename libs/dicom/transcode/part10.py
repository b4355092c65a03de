"""A stored object written anew as a Part 10 file in Explicit VR Little Endian: what is not its pixels.

Whoever sends it puts the pixel data between `before` and `after`.
"""

from __future__ import annotations

import io
from typing import BinaryIO, NamedTuple

from libs.dicom.faults import DicomFault
from libs.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from libs.dicom.parse.dicomjson import text
from libs.dicom.parse.inflate import inflated
from libs.dicom.parse.limits import Budget
from libs.dicom.parse.notes import Notes
from libs.dicom.parse.part10 import PREAMBLE_SIZE, PREFIX, FileMeta, read_file_meta
from libs.dicom.parse.sealed import UNLIMITED, Sealed
from libs.dicom.parse.source import FileFeed, InflatedFeed, Source
from libs.dicom.parse.syntax import DEFLATED_UID, EXPLICIT_LITTLE_UID, NATIVE_UIDS, data_set_syntax
from libs.dicom.pixels.attributes import Attributes, BulkValues
from libs.dicom.pixels.codecs import CODECS
from libs.dicom.pixels.image import Image, describe_image
from libs.dicom.pixels.spans import frame_spans, read_spans
from libs.dicom.transcode.explicit import ExplicitRewriter, element, element_head
from libs.dicom.transcode.pixels import NativePixels, decode_frame, native_pixels, require_codec


class Explicit(NamedTuple):
    """A Part 10 file without the value of its pixel data: `length` padded bytes; None: there are none."""

    before: bytes
    length: int | None
    after: bytes


class OpenObject(NamedTuple):
    """A stored object ready to be read; `stream` is inflated if need be."""

    stream: BinaryIO
    sealed: Sealed
    image: Image | None


def open_object(stream: BinaryIO, sealed: Sealed, max_inflated_bytes: int) -> OpenObject:
    """Find the image in the file that `stream` gives; raises DicomFault."""
    if sealed.transfer_syntax_uid == DEFLATED_UID:
        stream = inflated(stream, max_inflated_bytes)
    return OpenObject(stream, sealed, image_of(sealed, stream))


def image_of(sealed: Sealed, stream: BinaryIO | None = None) -> Image | None:
    """The image that a sealed reading describes; without `stream` no table can be asked of it. As above."""
    place = sealed.pixels
    if place is None:
        return None
    bulk = BulkValues(stream or io.BytesIO(), sealed.bulk, little=place.syntax.little)
    return describe_image(Attributes(sealed.data_set, bulk), place)


def in_explicit_little(uid: str) -> bool:
    """Whether what is stored in a transfer syntax can be given in Explicit VR Little Endian."""
    return uid in NATIVE_UIDS or uid in CODECS


def explicit_part10(stream: BinaryIO, sealed: Sealed, max_inflated_bytes: int) -> Explicit:
    """Write it anew; of compressed pixel data the first frame is decoded. Raises DicomFault and as codecs."""
    opened = open_object(stream, sealed, max_inflated_bytes)
    native = None if opened.image is None else _native(opened, opened.image)
    size = stream.seek(0, io.SEEK_END)
    budget, notes, uid = Budget(UNLIMITED), Notes(), sealed.transfer_syntax_uid
    source = Source(FileFeed(stream, size))
    meta = read_file_meta(source, size, budget, notes)
    if uid == DEFLATED_UID:
        source = Source(InflatedFeed(stream, source.position, size, budget), source.position)
    reader = ExplicitRewriter(source, uid, data_set_syntax(uid), budget, notes)
    place = sealed.pixels
    rewritten = reader.rewrite(None if place is None else place.tag, {} if native is None else native.changes)
    before = file_meta(sealed, meta) + rewritten.before
    if native is None or place is None:
        return Explicit(before, None, rewritten.after)
    length = native.length + native.length % 2
    return Explicit(before + element_head(place.tag, native.code, length), length, rewritten.after)


def file_meta(sealed: Sealed, stored: FileMeta) -> bytes:
    """Preamble and file meta information of the file that is written (PS3.10 7.1)."""
    sop_class = text(sealed.data_set, "00080016") or stored.sop_class_uid or ""
    sop_instance = text(sealed.data_set, "00080018") or stored.sop_instance_uid or ""
    meta = element(0x00020001, "OB", b"\0\1")
    for tag, uid in (
        (0x00020002, sop_class),
        (0x00020003, sop_instance),
        (0x00020010, EXPLICIT_LITTLE_UID),
        (0x00020012, IMPLEMENTATION_CLASS_UID),
    ):
        meta += element(tag, "UI", uid.encode("ascii", "replace"))
    meta += element(0x00020013, "SH", IMPLEMENTATION_VERSION_NAME.encode())
    length = element(0x00020000, "UL", len(meta).to_bytes(4, "little"))
    return bytes(PREAMBLE_SIZE) + PREFIX + length + meta


def _native(opened: OpenObject, image: Image) -> NativePixels:
    if image.place.length is not None:
        return native_pixels(image, None)
    require_codec(image)
    spans = frame_spans(opened.stream, image)
    if len(spans) < image.frames:
        raise DicomFault(
            "pixel-data-invalid",
            f"The header says {image.frames} frames but the compressed pixel data hold {len(spans)}.",
        )
    return native_pixels(image, decode_frame(read_spans(opened.stream, spans[0]), image))
