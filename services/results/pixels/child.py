"""What a pixel process does: pieces of one encrypted object, decoded or written anew.

It has the open ciphertext and the data key of one object at a time; no keyring, no network, no database.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, cast

import orjson

from libs.common.encryption import DecryptingReader
from libs.common.errors import ObjectCorrupt, ObjectUnreadable
from libs.common.memory import keep_large_buffers, spare_the_collector
from libs.dicom.faults import DicomFault
from libs.dicom.parse.dicomjson import little_endian
from libs.dicom.parse.sealed import Sealed
from libs.dicom.parse.syntax import data_set_syntax
from libs.dicom.pixels.bytes_at import read_at
from libs.dicom.pixels.image import Image
from libs.dicom.pixels.spans import frame_spans, read_spans
from libs.dicom.render.frame import Rendering, render_frame
from libs.dicom.render.values import frame_values
from libs.dicom.transcode.part10 import explicit_part10, open_object
from libs.dicom.transcode.pixels import decode_frame, frame_bytes, native_bytes, photometric_of
from libs.dicom.watched import WatchedStream, decoding

WORK = f"{__name__}:pixels"
DONE, FAULT, CORRUPT, UNREADABLE = b"done", b"fault", b"corrupt", b"unreadable"
_BUFFER_BYTES = 64 * 1024
_YOUNG_OBJECTS = 100_000
"""New containers that come together before the collector looks at them: headers of many frames have more."""
_FAULTY = "The pixel data cannot be decoded: the file is damaged. Ask for it as it is stored."


@dataclass(frozen=True, slots=True)
class PixelCaps:
    """What one call may use up."""

    max_frame_bytes: int
    max_inflated_bytes: int


def pixels(settings: bytes) -> Callable[[tuple[bytes, ...], int], Sequence[bytes]]:
    """Make the work of a pixel process: a call is a data key, and what is asked of the object as JSON."""
    caps = PixelCaps(**orjson.loads(settings))
    keep_large_buffers()
    spare_the_collector(_YOUNG_OBJECTS)

    def work(parts: tuple[bytes, ...], descriptor: int) -> Sequence[bytes]:
        data_key, asked = parts
        try:
            with (
                DecryptingReader(descriptor, data_key) as raw,
                io.BufferedReader(raw, _BUFFER_BYTES) as stream,
            ):
                return [DONE, *_answered(cast(BinaryIO, stream), raw.trailer(), orjson.loads(asked), caps)]
        except DicomFault as fault:
            return [FAULT, fault.code.encode(), fault.detail.encode()]
        except ObjectUnreadable as error:
            return [UNREADABLE, error.detail.encode()]
        except ObjectCorrupt as error:
            return [CORRUPT, error.detail.encode()]

    return work


def _answered(
    stream: BinaryIO, trailer: dict[str, Any], asked: dict[str, Any], caps: PixelCaps
) -> Sequence[bytes]:
    """Raises DicomFault, and what the stream itself raises."""
    watched = WatchedStream(stream)
    with decoding(watched, lambda _: _FAULTY):
        known = Sealed.from_trailer(trailer) or Sealed.of_file(watched.reader)
        return _OPERATIONS[asked["do"]](watched, known, asked, caps)


def _explicit(
    stream: WatchedStream, sealed: Sealed, asked: dict[str, Any], caps: PixelCaps
) -> Sequence[bytes]:
    made = explicit_part10(stream.reader, sealed, caps.max_inflated_bytes)
    return [made.before, made.after, orjson.dumps(made.length)]


def _native(stream: WatchedStream, sealed: Sealed, asked: dict[str, Any], caps: PixelCaps) -> Sequence[bytes]:
    opened = open_object(stream.reader, sealed, caps.max_inflated_bytes)
    return [native_bytes(opened.stream, _image(opened.image), asked["start"], asked["count"])]


def _spans(stream: WatchedStream, sealed: Sealed, asked: dict[str, Any], caps: PixelCaps) -> Sequence[bytes]:
    opened = open_object(stream.reader, sealed, caps.max_inflated_bytes)
    frames = frame_spans(opened.stream, _image(opened.image))
    # As plain tuples: orjson refuses named ones.
    return [orjson.dumps([[tuple(span) for span in spans] for spans in frames])]


def _frames(stream: WatchedStream, sealed: Sealed, asked: dict[str, Any], caps: PixelCaps) -> Sequence[bytes]:
    """Frames from `first` on, or `count` bytes from `start` on of what they are together."""
    opened = open_object(stream.reader, sealed, caps.max_inflated_bytes)
    image = _image(opened.image)
    if image.data_size // image.frames > caps.max_frame_bytes:
        raise DicomFault("memory-limit", "A frame takes too much memory once decoded: ask for it as stored.")
    spans = frame_spans(opened.stream, image)[asked["first"] : asked["first"] + asked["frames"]]
    if len(spans) < asked["frames"]:
        raise DicomFault("pixel-data-invalid", "The compressed pixel data hold fewer frames than announced.")
    decoded = [decode_frame(read_spans(opened.stream, one), image) for one in spans]
    data = b"".join(frame_bytes(frame, image) for frame in decoded)
    start = asked.get("start", 0)
    told = {"photometric": photometric_of(image, decoded[0])}
    return [data[start : start + asked.get("count", len(data))], orjson.dumps(told)]


def _value(stream: WatchedStream, sealed: Sealed, asked: dict[str, Any], caps: PixelCaps) -> Sequence[bytes]:
    """Bytes of a value that is no pixel data, in little endian."""
    place = sealed.bulk.get(asked["uri"])
    if place is None:
        raise DicomFault("pixel-data-invalid", "There is no such value.")
    offset, length, code = place
    opened = open_object(stream.reader, sealed, caps.max_inflated_bytes)
    start = asked["start"]
    raw = read_at(opened.stream, offset + start, min(asked["count"], length - start))
    little = data_set_syntax(sealed.transfer_syntax_uid).little
    return [raw if little else little_endian(code, raw)]


def _render(stream: WatchedStream, sealed: Sealed, asked: dict[str, Any], caps: PixelCaps) -> Sequence[bytes]:
    opened = open_object(stream.reader, sealed, caps.max_inflated_bytes)
    rendering = Rendering.from_json(asked["rendering"])
    image = _image(opened.image)
    return [render_frame(opened.stream, image, asked["frame"], rendering, caps.max_frame_bytes)]


def _values(stream: WatchedStream, sealed: Sealed, asked: dict[str, Any], caps: PixelCaps) -> Sequence[bytes]:
    """`count` bytes of a frame's values from `start` on."""
    opened = open_object(stream.reader, sealed, caps.max_inflated_bytes)
    data = frame_values(opened.stream, _image(opened.image), asked["frame"], caps.max_frame_bytes)
    start = asked["start"]
    return [data[start : start + asked["count"]]]


def _image(image: Image | None) -> Image:
    if image is None:
        raise DicomFault("pixel-data-invalid", "The object has no pixel data.")
    return image


_OPERATIONS = {
    "explicit": _explicit,
    "native": _native,
    "spans": _spans,
    "frames": _frames,
    "value": _value,
    "render": _render,
    "values": _values,
}
