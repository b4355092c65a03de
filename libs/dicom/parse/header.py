"""The header of a DICOM file: checked, measured, and in the DICOM JSON Model; no pixel is read."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, BinaryIO

from libs.dicom.faults import DicomFault
from libs.dicom.parse.dataset import DataSetReader
from libs.dicom.parse.dicomjson import JsonObject, integer, text
from libs.dicom.parse.extent import check_pixels, decoded_bytes, image_extent
from libs.dicom.parse.layout import Bulk, PixelPlace
from libs.dicom.parse.limits import Budget, HeaderLimits
from libs.dicom.parse.notes import Notes
from libs.dicom.parse.part10 import MEDIA_STORAGE_DIRECTORY, is_uid, read_file_meta
from libs.dicom.parse.source import FileFeed, InflatedFeed, Source
from libs.dicom.parse.syntax import DEFLATED_UID, data_set_syntax

_CODE_STRING = re.compile(r"[A-Z0-9_ ]{1,16}")

FACTS = (
    "sop_class_uid",
    "sop_instance_uid",
    "series_instance_uid",
    "study_instance_uid",
    "modality",
    "transfer_syntax_uid",
    "rows",
    "columns",
    "frames",
    "decoded_bytes",
)
"""What events say of a file too."""

__all__ = ["FACTS", "Header", "HeaderLimits", "read_header"]


@dataclass(frozen=True, slots=True)
class Header:
    """What a DICOM file says of itself; None where it says nothing.

    `frames` is 1 unless stated. `decoded_bytes` is an estimate from header values and may be of any size:
    refuse what is `too-large-when-decoded` before decoding. `warnings` quote nothing of the file but tags.
    """

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str | None
    study_instance_uid: str | None
    modality: str | None
    transfer_syntax_uid: str
    rows: int | None
    columns: int | None
    frames: int
    samples_per_pixel: int | None
    bits_allocated: int | None
    bits_stored: int | None
    high_bit: int | None
    pixel_representation: int | None
    photometric_interpretation: str | None
    decoded_bytes: int | None
    pixels: PixelPlace | None
    """The pixel data that count: the first that are not empty."""
    bulk: Bulk
    dicom_json: JsonObject
    warnings: tuple[str, ...]

    @property
    def has_pixel_data(self) -> bool:
        """Whether there are any pixel data."""
        return self.pixels is not None

    def sealed(self) -> dict[str, Any]:
        """What the object's trailer holds of it, as JSON, so that nobody parses the file again."""
        return {
            "dicom": self.dicom_json,
            "warnings": list(self.warnings),
            "facts": {name: getattr(self, name) for name in FACTS},
            "pixels": self.pixels.to_json() if self.pixels else None,
            "bulk": self.bulk,
        }


def read_header(stream: BinaryIO, size: int, limits: HeaderLimits) -> Header:
    """Read and check the header of a Part 10 file of `size` bytes from a blocking, seekable stream.

    Raises DicomFault and nothing else, whatever the bytes are; errors of the stream itself pass through.
    """
    budget = Budget(limits)
    notes = Notes()
    source = Source(FileFeed(stream, size))
    meta = read_file_meta(source, size, budget, notes)
    transfer_syntax_uid = meta.transfer_syntax_uid
    if transfer_syntax_uid == DEFLATED_UID:
        source = Source(InflatedFeed(stream, source.position, size, budget), source.position)
    syntax = data_set_syntax(transfer_syntax_uid)
    reader = DataSetReader(source, transfer_syntax_uid, syntax, budget, notes)
    data_set = reader.read()
    sop_class_uid = _uid(data_set, "00080016", "SOP Class UID", meta.sop_class_uid, notes)
    if sop_class_uid == MEDIA_STORAGE_DIRECTORY:
        raise DicomFault(
            "dicomdir", "This is a DICOMDIR, the index of a medium. Upload the files that it lists."
        )
    extent = image_extent(data_set, notes)
    check_pixels(extent, reader.pixels, transfer_syntax_uid)
    pixels = next((place for place in reader.pixels.values() if not place.empty), None)
    if extent.bits_allocated and pixels is None:
        notes.add("the header describes an image, but there are no pixel data")
    return Header(
        sop_class_uid=sop_class_uid,
        sop_instance_uid=_uid(data_set, "00080018", "SOP Instance UID", meta.sop_instance_uid, notes),
        series_instance_uid=_optional_uid(data_set, "0020000E", "Series Instance UID"),
        study_instance_uid=_optional_uid(data_set, "0020000D", "Study Instance UID"),
        modality=_modality(data_set, notes),
        transfer_syntax_uid=transfer_syntax_uid,
        rows=extent.rows,
        columns=extent.columns,
        frames=extent.frames,
        samples_per_pixel=extent.samples_per_pixel,
        bits_allocated=extent.bits_allocated,
        bits_stored=integer(data_set, "00280101"),
        high_bit=integer(data_set, "00280102"),
        pixel_representation=integer(data_set, "00280103"),
        photometric_interpretation=extent.photometric_interpretation,
        decoded_bytes=decoded_bytes(extent, reader.pixels, transfer_syntax_uid),
        pixels=pixels,
        bulk=reader.bulk,
        dicom_json=data_set,
        warnings=notes.all(),
    )


def _modality(data_set: JsonObject, notes: Notes) -> str | None:
    """The modality if it is a code string (PS3.5 6.2): it travels in events, which hold no other text."""
    modality = text(data_set, "00080060")
    if modality is None or _CODE_STRING.fullmatch(modality):
        return modality
    notes.element(0x00080060, "is no code string and is ignored")
    return None


def _uid(data_set: JsonObject, tag: str, name: str, of_file_meta: str | None, notes: Notes) -> str:
    """A UID that every instance has; the data set's own counts, the file meta's stands in for it."""
    own = _optional_uid(data_set, tag, name)
    if own is None:
        if of_file_meta is None:
            raise DicomFault(
                "missing-uid",
                f"The file has no {name}, so it is no storable instance. Export it again from its source.",
            )
        notes.add(f"the data set has no {name}; that of the file meta information is used")
        return _checked(of_file_meta, name)
    if of_file_meta is not None and of_file_meta != own:
        notes.add(f"the {name} of the file meta information is another one than that of the data set")
    return own


def _optional_uid(data_set: JsonObject, tag: str, name: str) -> str | None:
    """A UID where there is one; several, or what cannot be read as text, is none."""
    attribute = data_set.get(tag)
    if attribute is None or attribute.keys() == {"vr"}:
        return None
    values = attribute.get("Value", [])
    return _checked(values[0] if len(values) == 1 else None, name)


def _checked(uid: object, name: str) -> str:
    if not isinstance(uid, str) or not is_uid(uid):
        raise DicomFault(
            "invalid-uid",
            f"The {name} is not written like a UID: 1 to 64 digits and dots. Export the file again.",
        )
    return uid
