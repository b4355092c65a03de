"""One compressed frame in, its cells out. Which library decodes what:

| transfer syntax (1.2.840.10008.1.2…) | library |
|---|---|
| .4.50 .4.51 JPEG baseline and extended, 8 bits | Pillow (libjpeg-turbo) |
| .4.51 .4.57 .4.70 JPEG extended, 12 bits, and lossless | gdcm |
| .4.80 .4.81 JPEG-LS | pyjpegls (CharLS) |
| .4.90 .4.91 JPEG 2000 · .4.201 .4.202 .4.203 HTJ2K | pylibjpeg-openjpeg |
| .5 RLE | pylibjpeg-rle |
| .8.1 Deflated Image Frame | zlib |
| .1.98 Encapsulated Uncompressed | none |

Every codec gives the samples as coded: no conversion from YBR, but JPEG 2000 undoes its own component
transform. gdcm is called directly because pydicom does not ask it for 12-bit JPEG, which no other library
without a GPL licence decodes. Damaged Huffman tables make it abort, so what Pillow can decode is Pillow's.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import gdcm
import jpeg_ls
import numpy as np
import openjpeg
import rle
from PIL import Image as Pillow

from libs.dicom.faults import DicomFault
from libs.dicom.parse.inflate import inflate_frame
from libs.dicom.pixels.codestream import Codestream, parse_codestream
from libs.dicom.pixels.image import Image, Layout, Words


@dataclass(frozen=True, slots=True)
class Decoded:
    """One decoded frame, `words` of (rows, columns, samples), or of (samples, rows, columns) if `planar`.

    `ybr` overrules the photometric interpretation of the header when not None.
    """

    words: Words
    planar: bool
    ybr: bool | None = None


Codec = Callable[[bytes, Image], Decoded]


def decode_jpeg(data: bytes, image: Image) -> Decoded:
    """Decode JPEG: baseline, extended or lossless, 8 to 16 bits."""
    stream = _checked(parse_codestream(data), image)
    if stream.dct and stream.precision == 8 and stream.components in (1, 3):
        picture = Pillow.open(io.BytesIO(data), formats=["JPEG"])
        if stream.components == 3 and stream.ybr is not False:
            picture.draft("YCbCr", picture.size)  # as coded; libjpeg knows how to make RGB of it only
        return _frame(picture.tobytes(), 8, image, stream, planar=False)
    return _decode_by_gdcm(data, image, stream)


def _decode_by_gdcm(data: bytes, image: Image, stream: Codestream) -> Decoded:
    bits = 8 if stream.precision <= 8 else 16
    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(data)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    picture = gdcm.Image()
    picture.SetNumberOfDimensions(2)
    picture.SetDimensions((stream.columns, stream.rows, 1))
    picture.SetDataElement(element)
    # Whatever the colour space: gdcm then leaves the components alone.
    color = gdcm.PhotometricInterpretation.GetPIType("RGB" if stream.components == 3 else "MONOCHROME2")
    picture.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(color))
    picture.SetPlanarConfiguration(0)
    syntax = gdcm.TransferSyntax.GetTSType(image.place.transfer_syntax_uid)
    picture.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    # Cells of eight bits must be full: with fewer bits stored gdcm throws what ends the process.
    stored = max(stream.precision, 8)
    picture.SetPixelFormat(gdcm.PixelFormat(stream.components, bits, stored, stored - 1, 0))
    text = picture.GetBuffer()
    if text is None:
        raise DicomFault("decode-failed", "A JPEG frame is damaged or uses a process that is not supported.")
    # The wrapper gives bytes as text, undecodable ones as lone surrogates.
    raw = text.encode("utf-8", "surrogateescape")
    return _frame(raw, bits, image, stream, planar=False)


def decode_jpeg_ls(data: bytes, image: Image) -> Decoded:
    """Decode JPEG-LS, lossless or near-lossless."""
    stream = _checked(parse_codestream(data), image)
    raw, info = jpeg_ls.decode_pixel_data(data)
    planar = stream.components > 1 and info["interleave_mode"] == 0
    return _frame(raw, 8 if stream.precision <= 8 else 16, image, stream, planar=planar, narrow=True)


def decode_jpeg_2000(data: bytes, image: Image) -> Decoded:
    """Decode JPEG 2000 or HTJ2K; the codec undoes the component transform of YBR_RCT and YBR_ICT."""
    stream = _checked(parse_codestream(data), image)
    bits = 8 if stream.precision <= 8 else 16 if stream.precision <= 16 else 32
    raw = openjpeg.decode_pixel_data(data, version=2)
    return _frame(raw, bits, image, stream, planar=False, narrow=True)


def decode_rle(data: bytes, image: Image) -> Decoded:
    """Decode RLE Lossless, which keeps cells as they are, colour by plane (PS3.5 annex G)."""
    raw = rle.decode_pixel_data(
        data, version=2, rows=image.rows, columns=image.columns, bits_allocated=image.bits_allocated
    )
    return Decoded(_shaped(np.frombuffer(raw, image.layout.dtype.newbyteorder("<")), image, True), True)


def decode_deflated(data: bytes, image: Image) -> Decoded:
    """Decode Deflated Image Frame Compression: a native frame, deflated by itself (PS3.5 A.4.13)."""
    return _decode_native(inflate_frame(data, _frame_size(image)), image)


def decode_uncompressed(data: bytes, image: Image) -> Decoded:
    """Give a native frame that is encapsulated as it is, perhaps padded (PS3.5 A.4.11)."""
    return _decode_native(data[: _frame_size(image)], image)


def _frame_size(image: Image) -> int:
    """Bytes of a native frame by itself."""
    return (image.full_values * image.bits_allocated + 7) // 8


def _decode_native(raw: bytes, image: Image) -> Decoded:
    if len(raw) != _frame_size(image):
        raise DicomFault("decode-failed", "A frame does not hold as many values as the header says.")
    if image.bits_allocated == 1:
        words: Words = np.unpackbits(np.frombuffer(raw, np.uint8), bitorder="little", count=image.full_values)
    else:
        words = np.frombuffer(raw, image.layout.dtype.newbyteorder("<"))
    return Decoded(_shaped(words, image, image.planar), image.planar)


_JPEG = "1.2.840.10008.1.2.4."
CODECS: Mapping[str, Codec] = MappingProxyType(
    {
        **{_JPEG + process: decode_jpeg for process in ("50", "51", "57", "70")},
        **{_JPEG + process: decode_jpeg_ls for process in ("80", "81")},
        **{_JPEG + process: decode_jpeg_2000 for process in ("90", "91", "201", "202", "203")},
        "1.2.840.10008.1.2.5": decode_rle,
        "1.2.840.10008.1.2.8.1": decode_deflated,
        "1.2.840.10008.1.2.1.98": decode_uncompressed,
    }
)
"""By transfer syntax UID."""

CELLS_KEPT = frozenset({"1.2.840.10008.1.2.5", "1.2.840.10008.1.2.8.1", "1.2.840.10008.1.2.1.98"})
"""Transfer syntaxes whose decoded cells are those of the header; JPEG ones hold values, in the low bits."""


def _checked(stream: Codestream, image: Image) -> Codestream:
    if (stream.rows, stream.columns, stream.components) != (image.rows, image.columns, image.samples):
        raise DicomFault(
            "pixel-data-invalid",
            f"A compressed frame holds {stream.columns}×{stream.rows} pixels of {stream.components} samples, "
            f"but the header says {image.columns}×{image.rows} of {image.samples}.",
        )
    if not 1 <= stream.precision <= image.layout.cell:
        raise DicomFault(
            "pixel-data-invalid", "A compressed frame has more bits than Bits Allocated can hold."
        )
    return stream


def _frame(
    raw: bytes | bytearray, bits: int, image: Image, stream: Codestream, *, planar: bool, narrow: bool = False
) -> Decoded:
    """Turn decoder output of `bits` per cell into cells with the value in the low Bits Stored bits.

    `narrow`: the codestream's precision rules where it is below Bits Stored, since JPEG-LS knows no signed
    samples and JPEG 2000 may call them otherwise than the header does.
    """
    words: Words = np.frombuffer(raw, f"<u{bits // 8}")
    layout = image.layout
    if stream.precision > layout.stored:
        words = words >> (layout.high + 1 - layout.stored)
    elif narrow and stream.precision < layout.stored:
        words = Layout(bits, stream.precision, stream.precision - 1, layout.signed).values(words)
    words = words.astype(f"{words.dtype.kind}{layout.cell // 8}", copy=False).view(layout.dtype)
    return Decoded(_shaped(words, image, planar), planar, stream.ybr)


def _shaped(words: Words, image: Image, planar: bool) -> Words:
    if words.size != image.full_values:
        raise DicomFault(
            "decode-failed", "A compressed frame does not hold as many values as the header says."
        )
    if planar:
        return words.reshape(image.samples, image.rows, image.columns)
    return words.reshape(image.rows, image.columns, image.samples)
