"""What a JPEG, JPEG-LS or JPEG 2000 codestream says of itself, to be held against the header before decoding.

Codecs trust their own headers: a frame that lies about its size would fill, or overrun, a buffer of another.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from libs.dicom.faults import DicomFault

_JP2_SIGNATURE = b"\0\0\0\x0cjP  "
_SOI = b"\xff\xd8"
_SOS = 0xDA
_STARTS_OF_FRAME = frozenset([*range(0xC0, 0xD0), 0xF7]) - {0xC4, 0xC8, 0xCC}
_DCT = (0xC0, 0xC1, 0xC2)  # baseline, extended, progressive
_STANDALONE = frozenset([0x01, *range(0xD0, 0xD9)])


@dataclass(frozen=True, slots=True)
class Codestream:
    """Size and sample format of one compressed frame.

    `dct`: lossy Huffman-coded JPEG. `ybr`: whether the components are luminance and chrominance, None when it
    does not say; libjpeg decides in the same way.
    """

    rows: int
    columns: int
    components: int
    precision: int
    signed: bool = False
    dct: bool = False
    ybr: bool | None = None


def parse_codestream(data: bytes) -> Codestream:
    """Read the frame header of a codestream; raises DicomFault `decode-failed` when there is none."""
    try:
        if data.startswith(_JP2_SIGNATURE):
            return _jpeg2000(data, _jp2_codestream(data))
        if data.startswith(b"\xff\x4f\xff\x51"):
            return _jpeg2000(data, 0)
        return _jpeg(data)
    except (struct.error, IndexError) as error:
        raise DicomFault("decode-failed", "A compressed frame ends inside its own header.") from error


def _jp2_codestream(data: bytes) -> int:
    """Find the codestream in a JP2 file (ISO/IEC 15444-1 annex I); DICOM forbids what some writers do."""
    offset = len(_JP2_SIGNATURE) + 4
    while True:
        length, kind = struct.unpack_from(">I4s", data, offset)
        if kind == b"jp2c":
            return offset + (16 if length == 1 else 8)
        if length < 8:
            raise DicomFault("decode-failed", "A compressed frame holds no JPEG 2000 codestream.")
        offset += length


def _jpeg2000(data: bytes, offset: int) -> Codestream:
    """Read the SIZ marker segment (ISO/IEC 15444-1 A.5.1)."""
    width, height, left, top = struct.unpack_from(">4I", data, offset + 8)
    (components,) = struct.unpack_from(">H", data, offset + 40)
    depth = data[offset + 42]
    return Codestream(height - top, width - left, components, (depth & 0x7F) + 1, signed=depth > 0x7F)


def _jpeg(data: bytes) -> Codestream:
    """Walk the marker segments to the frame header (ISO/IEC 10918-1 B.2, ISO/IEC 14495-1 C.2)."""
    offset = data.find(_SOI)
    if not 0 <= offset <= 2:
        raise DicomFault("decode-failed", "A compressed frame is no JPEG or JPEG 2000 codestream.")
    offset += 2
    ybr: bool | None = None
    while True:
        if data[offset] != 0xFF:
            raise DicomFault("decode-failed", "The marker segments of a compressed frame are damaged.")
        marker = data[offset + 1]
        if marker == 0xFF or marker in _STANDALONE:
            offset += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from(">H", data, offset + 2)
        if marker in _STARTS_OF_FRAME:
            precision, rows, columns, components = struct.unpack_from(">BHHB", data, offset + 4)
            if ybr is None and data[offset + 10 : offset + 10 + 3 * components : 3] == b"RGB":
                ybr = False
            return Codestream(rows, columns, components, precision, dct=marker in _DCT, ybr=ybr)
        if marker == _SOS or length < 2:
            raise DicomFault("decode-failed", "A compressed frame has no frame header.")
        if ybr is not True:
            ybr = _color(marker, data[offset + 4 : offset + 2 + length], ybr)
        offset += 2 + length


def _color(marker: int, segment: bytes, ybr: bool | None) -> bool | None:
    """What a JFIF or Adobe segment says about the colour space."""
    if marker == 0xE0 and segment.startswith(b"JFIF"):
        return True
    if marker == 0xEE and segment.startswith(b"Adobe") and len(segment) >= 12:
        return segment[11] != 0  # a JFIF segment, which comes first, counts for more
    return ybr
