"""Pixel data as they stand in Explicit VR Little Endian: of any syntax they come from (PS3.5 8.1, A.2)."""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

import numpy as np

from libs.dicom.faults import DicomFault
from libs.dicom.parse.dicomjson import little_endian
from libs.dicom.parse.syntax import DEFLATED_UID, NATIVE_UIDS
from libs.dicom.pixels.bytes_at import read_at
from libs.dicom.pixels.codecs import CELLS_KEPT, CODECS, Decoded
from libs.dicom.pixels.image import Image, Words
from libs.dicom.transcode.explicit import LARGEST_VALUE, Changes

_CODED_AS_RGB = ("YBR_RCT", "YBR_ICT")
_SUBSAMPLED = {"YBR_FULL_422": "YBR_FULL", "YBR_PARTIAL_422": "YBR_FULL", "YBR_PARTIAL_420": "YBR_FULL"}
_TABLES = (0x7FE00001, 0x7FE00002, 0x7FE00003)
"""Where encapsulated frames lie (PS3.3 C.7.6.3.1.8)."""
_PHOTOMETRIC, _PLANAR, _HIGH_BIT = 0x00280004, 0x00280006, 0x00280102
_WORDS = {16: "OW", 32: "OL", 64: "OV"}


class NativePixels(NamedTuple):
    """How the pixel data of an object read once they are native and little endian."""

    code: str
    """Their VR."""
    length: int
    """Bytes of the value, without what pads it."""
    changes: Changes
    """What else changes in the header."""


def native_pixels(image: Image, first: Decoded | None) -> NativePixels:
    """Describe them; `first` is the first frame where they are compressed. Raises DicomFault."""
    place = image.place
    if place.length is not None:
        code = place.vr if place.vr in ("OB", "OF", "OD") else "OW"
        return NativePixels(code, _checked(place.length), {})
    if first is None:
        raise ValueError("compressed pixel data are described by their first frame")
    changes: dict[int, tuple[str, bytes] | None] = dict.fromkeys(_TABLES)
    if image.samples > 1:
        changes[_PLANAR] = ("US", bytes(2))
        changes[_PHOTOMETRIC] = ("CS", photometric_of(image, first).encode("ascii", "replace"))
    if place.transfer_syntax_uid not in CELLS_KEPT:
        changes[_HIGH_BIT] = ("US", (image.layout.stored - 1).to_bytes(2, "little"))
    code = "OB" if image.bits_allocated <= 8 else "OW"
    return NativePixels(code, _checked(decoded_bytes_of(image)), changes)


def photometric_of(image: Image, frame: Decoded) -> str:
    """The photometric interpretation of a frame that was decoded: no codec converts from YBR."""
    stated = image.photometric
    if image.samples != 3:
        return stated
    if frame.ybr is False or (frame.ybr is None and stated in _CODED_AS_RGB):
        return "RGB"
    if frame.ybr and not stated.startswith("YBR"):
        return "YBR_FULL"
    return _SUBSAMPLED.get(stated, stated)


def decoded_bytes_of(image: Image) -> int:
    """Bytes of all frames once decoded; those of one bit follow each other without a gap."""
    return (image.full_values * image.bits_allocated * image.frames + 7) // 8


def decode_frame(codestream: bytes, image: Image) -> Decoded:
    """Decode one compressed frame; raises DicomFault and whatever a codec raises."""
    require_codec(image)
    return CODECS[image.place.transfer_syntax_uid](codestream, image)


def require_codec(image: Image) -> None:
    """Raise DicomFault where nothing here decodes the pixel data."""
    if image.place.transfer_syntax_uid not in CODECS:
        raise DicomFault(
            "unsupported-transfer-syntax",
            "The pixel data are compressed in a way that cannot be decoded here, such as video. Ask for them "
            "as they are stored.",
        )


def frame_bytes(frame: Decoded, image: Image) -> bytes:
    """A decoded frame as it stands in a native value, colour by pixel. Raises DicomFault."""
    words: Words = np.moveaxis(frame.words, 0, -1) if frame.planar else frame.words
    if image.bits_allocated == 1:
        if image.full_values % 8 and image.frames > 1:
            raise DicomFault(
                "unsupported-transfer-syntax",
                "Compressed frames of one bit that fill no whole bytes cannot be written one behind the "
                "other. Ask for them as they are stored.",
            )
        return np.packbits(np.ascontiguousarray(words).reshape(-1), bitorder="little").tobytes()
    return words.astype(words.dtype.newbyteorder("<"), copy=False).tobytes()


def native_bytes(stream: BinaryIO, image: Image, start: int, count: int) -> bytes:
    """Bytes of a native value from `start` on, in little endian; both even but at its end."""
    place = image.place
    raw = read_at(stream, place.offset + start, count)
    if place.syntax.little:
        return raw
    # Cells of 8 bits that were written as words lie pairwise swapped (PS3.5 8.1.1, annex D).
    bits = 16 if image.bits_allocated == 8 and place.vr == "OW" else image.bits_allocated
    if place.vr in ("OF", "OD"):
        return little_endian(place.vr, raw)
    code = _WORDS.get(bits)
    return raw if code is None else little_endian(code, raw)


def is_as_it_stands(image: Image) -> bool:
    """Whether the bytes of the file are those of the native value, so that nobody has to touch them."""
    place = image.place
    return (
        place.transfer_syntax_uid in NATIVE_UIDS
        and place.transfer_syntax_uid != DEFLATED_UID
        and (place.syntax.little or (image.bits_allocated <= 8 and place.vr != "OW"))
    )


def _checked(length: int) -> int:
    if length > LARGEST_VALUE - 1:
        raise DicomFault(
            "too-large-when-decoded",
            "The pixel data take more than 4 GiB without compression, which no value of a data set can hold. "
            "Ask for the instance as it is stored, or for its frames.",
        )
    return length
