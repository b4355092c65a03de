"""How large the image of a header is, and whether its pixel data can be that large."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from libs.dicom.faults import DicomFault
from libs.dicom.parse.dicomjson import JsonObject, integer, text
from libs.dicom.parse.eventtext import event_text
from libs.dicom.parse.layout import PixelPlace
from libs.dicom.parse.notes import Notes
from libs.dicom.parse.syntax import NATIVE_UIDS

_FLOAT_BITS = {0x7FE00008: 32, 0x7FE00009: 64}
_NUMBER_OF_FRAMES = 0x00280008
_SUBSAMPLED = ("YBR_FULL_422", "YBR_PARTIAL_422")

_VIDEO_PREFIX = "1.2.840.10008.1.2.4.10"
_MANY_FRAMES_IN_ONE = frozenset(
    {
        "1.2.840.10008.1.2.4.92",  # JPEG 2000 Part 2: frames are components of one code stream
        "1.2.840.10008.1.2.4.93",
        "1.2.840.10008.1.2.4.94",  # JPIP: the pixels are elsewhere
        "1.2.840.10008.1.2.4.95",
        "1.2.840.10008.1.2.4.204",
        "1.2.840.10008.1.2.4.205",
    }
)


@dataclass(frozen=True, slots=True)
class Extent:
    """The size of an image as its header states it; None where the header does not."""

    rows: int | None
    columns: int | None
    frames: int
    samples_per_pixel: int | None
    bits_allocated: int | None
    photometric_interpretation: str | None

    def bits(self, bits_per_value: int | None) -> int | None:
        """Bits of one frame, all samples, nothing subsampled."""
        if self.rows is None or self.columns is None or bits_per_value is None:
            return None
        return self.rows * self.columns * (self.samples_per_pixel or 1) * bits_per_value

    @property
    def subsampled(self) -> bool:
        """Whether a native value holds two chroma samples for every two pixels (PS3.3 C.7.6.3.1.2)."""
        return self.photometric_interpretation in _SUBSAMPLED and self.samples_per_pixel == 3


def image_extent(data_set: JsonObject, notes: Notes) -> Extent:
    """Read the image's size off the header."""
    frames = integer(data_set, "00280008")
    if frames is None:
        frames = 1
    elif frames < 1:
        notes.element(_NUMBER_OF_FRAMES, "is less than one and counts as one")
        frames = 1
    return Extent(
        rows=_positive(data_set, "00280010"),
        columns=_positive(data_set, "00280011"),
        frames=frames,
        samples_per_pixel=_positive(data_set, "00280002"),
        bits_allocated=_positive(data_set, "00280100"),
        photometric_interpretation=event_text(text(data_set, "00280004") or "") or None,
    )


def _positive(data_set: JsonObject, tag: str) -> int | None:
    number = integer(data_set, tag)
    return number if number is not None and number > 0 else None


def decoded_bytes(extent: Extent, pixels: Mapping[int, PixelPlace], transfer_syntax_uid: str) -> int | None:
    """Estimate the decoded pixel data in bytes, of any size; None without pixel data or without their size.

    Whole bytes per frame, so that 1-bit frames count as they are stored; native 4:2:2 counts its two thirds.
    """
    for tag, value in pixels.items():
        if not value.empty:
            bits = extent.bits(_FLOAT_BITS.get(tag, extent.bits_allocated))
            if bits is None:
                return None
            if extent.subsampled and transfer_syntax_uid in NATIVE_UIDS:
                bits = bits // 3 * 2
            return (bits + 7) // 8 * extent.frames
    return None


def check_pixels(extent: Extent, pixels: Mapping[int, PixelPlace], transfer_syntax_uid: str) -> None:
    """Raise `pixel-data-too-short` or `pixel-data-invalid` when the pixel data cannot hold the image."""
    for tag, value in pixels.items():
        if not value.empty and extent.bits(_FLOAT_BITS.get(tag, extent.bits_allocated)) is None:
            raise DicomFault(
                "pixel-data-invalid",
                "The object has pixel data, but its header does not say Rows, Columns and Bits Allocated. "
                "Export the file again.",
            )
        native = transfer_syntax_uid in NATIVE_UIDS or tag in _FLOAT_BITS
        if native != (value.fragments is None):
            form = "encapsulated" if native else "not encapsulated"
            raise DicomFault(
                "pixel-data-invalid",
                f"The pixel data are {form}, which the transfer syntax {transfer_syntax_uid} does not allow. "
                "Export the file again.",
            )
        if value.fragments is not None:
            _check_fragments(extent.frames, max(len(value.fragments) - 1, 0), transfer_syntax_uid)
        else:
            _check_native(extent, tag, value.length or 0)


def _check_native(extent: Extent, tag: int, length: int) -> None:
    """Frames of one bit follow each other without padding, so only the whole is rounded up (PS3.5 8.1.1)."""
    bits = extent.bits(_FLOAT_BITS.get(tag, extent.bits_allocated))
    if bits is None:
        return
    if extent.subsampled:
        bits = bits // 3 * 2
    needed = (bits * extent.frames + 7) // 8
    if length < needed:
        raise DicomFault(
            "pixel-data-too-short",
            f"The header announces {extent.rows} rows, {extent.columns} columns and {extent.frames} frames, "
            f"which take {needed} bytes, but the pixel data have only {length}. Export the file again.",
        )


def _check_fragments(frames: int, fragments: int, transfer_syntax_uid: str) -> None:
    """Every frame takes one fragment at least, except where one stream holds many frames (PS3.5 A.4)."""
    together = transfer_syntax_uid in _MANY_FRAMES_IN_ONE or transfer_syntax_uid.startswith(_VIDEO_PREFIX)
    needed = 1 if together else frames
    if fragments < needed:
        raise DicomFault(
            "pixel-data-too-short",
            f"The header announces {frames} frames, but the pixel data have only {fragments} fragments. "
            "Export the file again.",
        )
