"""Pure helpers that build DICOM bytes: sound instances, big ones, and ones broken on purpose.

Nothing here reads DICOM or imports the code under test.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.datadict import dictionary_VR, tag_for_keyword

from tests.encoder import LITTLE, PIXEL_DATA, UNDEFINED, Encoding, Value, deflate

IMPLICIT_LE = "1.2.840.10008.1.2"
EXPLICIT_LE = "1.2.840.10008.1.2.1"
EXPLICIT_BE = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"
JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
JPEG_2000_LOSSLESS = "1.2.840.10008.1.2.4.90"
MPEG4_HP41 = "1.2.840.10008.1.2.4.102"
RLE = "1.2.840.10008.1.2.5"

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
MULTIFRAME_WORD_SECONDARY_CAPTURE = "1.2.840.10008.5.1.4.1.1.7.3"
UID_ROOT = "1.2.826.0.1.3680043.8.498"

ENCODINGS = {
    IMPLICIT_LE: Encoding(implicit=True),
    EXPLICIT_BE: Encoding(little=False),
}
"""Transfer syntaxes that are not explicit little endian."""


def part10(
    data_set: bytes,
    *,
    transfer_syntax: str | None = EXPLICIT_LE,
    sop_class_uid: str = CT_IMAGE_STORAGE,
    sop_instance_uid: str = f"{UID_ROOT}.1",
    preamble: bytes = b"\0" * 128,
    prefix: bytes = b"DICM",
) -> bytes:
    """Wrap an encoded data set into a file (PS3.10 section 7); deflates it when the syntax says so."""
    meta = LITTLE.element(0x00020001, "OB", b"\0\1")
    meta += LITTLE.element(0x00020002, "UI", sop_class_uid)
    meta += LITTLE.element(0x00020003, "UI", sop_instance_uid)
    if transfer_syntax is not None:
        meta += LITTLE.element(0x00020010, "UI", transfer_syntax)
    meta += LITTLE.element(0x00020012, "UI", f"{UID_ROOT}.0")
    if transfer_syntax == DEFLATED:
        data_set = deflate(data_set)
    return preamble + prefix + LITTLE.element(0x00020000, "UL", len(meta)) + meta + data_set


def ct_pixels(
    rows: int, columns: int, *, bits: int = 16, frames: int = 1, seed: int = 0
) -> NDArray[np.unsignedinteger]:
    """Draw plausible stored values, distinct per seed: a tilted plane plus noise.

    The shape is (frames, rows, columns); no value exceeds 4095.
    """
    top = (1 << min(bits, 12)) - 1
    plane = np.add.outer(np.arange(rows, dtype=np.uint32), np.arange(columns, dtype=np.uint32))
    plane = plane * (top // 2) // max(rows + columns, 1)
    noise = np.random.default_rng(seed).integers(
        0, top // 2 + 1, size=(frames, rows, columns), dtype=np.uint16
    )
    return (plane + noise).astype({8: np.uint8, 16: np.uint16, 32: np.uint32}[bits])


def ct_elements(rows: int, columns: int, bits: int, frames: int | None, seed: int) -> dict[str, Value]:
    """Give the header of a typical CT slice by keyword, without the UIDs of the instance."""
    stored = min(bits, 12) if bits != 8 else 8
    return {
        "SpecificCharacterSet": "ISO_IR 100",
        "ImageType": ["ORIGINAL", "PRIMARY", "AXIAL"],
        "StudyDate": "20240117",
        "SeriesDate": "20240117",
        "AcquisitionDate": "20240117",
        "ContentDate": "20240117",
        "StudyTime": "101500",
        "SeriesTime": "101530.250",
        "ContentTime": f"1016{seed % 60:02d}",
        "AccessionNumber": "A-4711",
        "Modality": "CT",
        "Manufacturer": "Prueba Medical",
        "InstitutionName": "Hospital de Prueba",
        "ReferringPhysicianName": "Referring^Physician",
        "StationName": "CT01",
        "StudyDescription": "CT Thorax",
        "SeriesDescription": "Thorax 1.0 B30f",
        "ManufacturerModelName": "Tomo 64",
        "PatientName": "Builder^Test^^Dr",
        "PatientID": "PAT-0001",
        "PatientBirthDate": "19700101",
        "PatientSex": "O",
        "PatientAge": "054Y",
        "PatientWeight": "70.5",
        "BodyPartExamined": "CHEST",
        "SliceThickness": "1",
        "KVP": "120",
        "DataCollectionDiameter": "500",
        "SoftwareVersions": ["1.0", "2.1"],
        "ProtocolName": "Thorax",
        "ReconstructionDiameter": "350",
        "DistanceSourceToDetector": "1085.6",
        "DistanceSourceToPatient": "595",
        "GantryDetectorTilt": "0",
        "TableHeight": "150",
        "RotationDirection": "CW",
        "ExposureTime": "500",
        "XRayTubeCurrent": "210",
        "Exposure": "105",
        "FilterType": "0",
        "GeneratorPower": "25",
        "FocalSpots": "1.2",
        "ConvolutionKernel": "B30f",
        "PatientPosition": "HFS",
        "StudyID": "1",
        "SeriesNumber": "2",
        "AcquisitionNumber": "1",
        "InstanceNumber": str(seed % 100_000),
        "ImagePositionPatient": ["-175.0", "-175.0", f"{seed % 1000}.5"],
        "ImageOrientationPatient": ["1", "0", "0", "0", "1", "0"],
        "SliceLocation": f"{seed % 1000}.5",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        **({} if frames is None else {"NumberOfFrames": str(frames)}),
        "Rows": rows,
        "Columns": columns,
        "PixelSpacing": ["0.68359375", "0.68359375"],
        "BitsAllocated": bits,
        "BitsStored": stored,
        "HighBit": stored - 1,
        "PixelRepresentation": 0,
        "WindowCenter": ["40", "-600"],
        "WindowWidth": ["400", "1200"],
        "RescaleIntercept": "-1024",
        "RescaleSlope": "1",
        "RescaleType": "HU",
    }


def data_set(elements: dict[str, Value | None], encoding: Encoding = LITTLE) -> bytes:
    """Encode elements given by keyword, in tag order; None leaves one out."""
    known = []
    for keyword, value in elements.items():
        tag = tag_for_keyword(keyword)
        assert tag is not None, f"{keyword} is no DICOM keyword"
        if value is not None:
            known.append((tag, dictionary_VR(tag).split(" or ")[0], value))
    return b"".join(
        encoding.element(tag, vr, value) for tag, vr, value in sorted(known, key=lambda one: one[0])
    )


def instance(
    elements: dict[str, Value | None],
    tail: bytes = b"",
    *,
    transfer_syntax: str = EXPLICIT_LE,
) -> bytes:
    """Build a file of exactly these elements (the UIDs get defaults), with the encoded `tail` behind them."""
    full: dict[str, Value | None] = {
        "SOPClassUID": CT_IMAGE_STORAGE,
        "SOPInstanceUID": f"{UID_ROOT}.1",
        "StudyInstanceUID": f"{UID_ROOT}.2",
        "SeriesInstanceUID": f"{UID_ROOT}.3",
        **elements,
    }
    encoding = ENCODINGS.get(transfer_syntax, LITTLE)
    return part10(
        data_set(full, encoding) + tail,
        transfer_syntax=transfer_syntax,
        sop_class_uid=str(full["SOPClassUID"] or CT_IMAGE_STORAGE),
        sop_instance_uid=str(full["SOPInstanceUID"] or f"{UID_ROOT}.1"),
    )


def ct_instance(
    rows: int = 64,
    columns: int = 64,
    bits: int = 16,
    *,
    frames: int | None = None,
    seed: int = 0,
    pixels: bytes | NDArray[np.generic] | None = None,
    sop_instance_uid: str | None = None,
    transfer_syntax: str = EXPLICIT_LE,
    **elements: Value | None,
) -> bytes:
    """Build a CT slice; the same arguments give the same bytes, another `seed` another image and instance.

    `pixels` replaces the drawn stored values (an array, or bytes as they stand). `elements` adds or replaces
    elements by keyword, None removes one: `ct_instance(Rows=60000)` lies about its rows.
    """
    encoding = ENCODINGS.get(transfer_syntax, LITTLE)
    if pixels is None:
        pixels = ct_pixels(rows, columns, bits=bits, frames=frames or 1, seed=seed)
    if not isinstance(pixels, bytes):
        pixels = pixels.astype(pixels.dtype.newbyteorder(encoding.order)).tobytes()
    header: dict[str, Value | None] = {
        **ct_elements(rows, columns, bits, frames, seed),
        "SOPInstanceUID": sop_instance_uid or f"{UID_ROOT}.4.{seed}",
        **elements,
    }
    body = encoding.element(PIXEL_DATA, "OB" if bits == 8 and not encoding.implicit else "OW", pixels)
    return instance(header, body, transfer_syntax=transfer_syntax)


def encapsulated_instance(
    fragments: Sequence[bytes],
    *,
    transfer_syntax: str = JPEG_BASELINE,
    frames: int | None = None,
    end: bool = True,
    **elements: Value | None,
) -> bytes:
    """Build an instance whose pixel data are these fragments; `end=False` leaves the delimiter out."""
    header: dict[str, Value | None] = {**ct_elements(64, 64, 8, frames, 0), **elements}
    return instance(header, LITTLE.encapsulated(fragments, end=end), transfer_syntax=transfer_syntax)


class LargeFile(NamedTuple):
    """What `write_large` wrote, enough to know every measure without reading it back."""

    size: int
    frames: int
    values: int
    total: int
    minimum: int
    maximum: int


def write_large(
    path: Path, size: int = 2 << 30, *, rows: int = 1024, columns: int = 1024, seed: int = 0
) -> LargeFile:
    """Stream a multi-frame 16-bit file of about `size` bytes to `path`, one frame in memory at a time.

    The first value of frame n is n % 4096, so that frames differ; the rest is one drawn image.
    """
    frames = max(size // (rows * columns * 2), 1)
    image = ct_pixels(rows, columns, seed=seed)[0].copy()
    rest = int(image.sum(dtype=np.int64)) - int(image[0, 0])
    header: dict[str, Value | None] = {
        **ct_elements(rows, columns, 16, frames, seed),
        "SOPClassUID": MULTIFRAME_WORD_SECONDARY_CAPTURE,
        "SOPInstanceUID": f"{UID_ROOT}.5.{seed}.{frames}",
    }
    head = instance(header, LITTLE.element(PIXEL_DATA, "OW", b"", length=frames * rows * columns * 2))
    minimum, maximum = int(image.reshape(-1)[1:].min()), int(image.reshape(-1)[1:].max())
    with path.open("wb") as out:
        out.write(head)
        for frame in range(frames):
            image[0, 0] = frame % 4096
            out.write(image.astype("<u2", copy=False).data)
    firsts = [frame % 4096 for frame in range(frames)]
    return LargeFile(
        size=path.stat().st_size,
        frames=frames,
        values=frames * rows * columns,
        total=rest * frames + sum(firsts),
        minimum=min(minimum, *firsts) if frames > 1 else min(minimum, 0),
        maximum=max(maximum, *firsts) if frames > 1 else max(maximum, 0),
    )


# Broken on purpose.


def truncated(data: bytes | None = None, *, missing: int = 100) -> bytes:
    """Cut the last `missing` bytes off a file (of a CT slice unless given)."""
    return (data if data is not None else ct_instance())[:-missing]


def absurd_length(*, length: int = 0xFFFFFFF0) -> bytes:
    """State a value length near 4 GiB in a file of a few hundred bytes."""
    return instance({}, LITTLE.element(0x00420011, "OB", b"%PDF", length=length))


def without_preamble(data: bytes | None = None) -> bytes:
    """Cut preamble and prefix off a file (of a CT slice unless given)."""
    return (data if data is not None else ct_instance())[132:]


def deeply_nested(depth: int, *, undefined: bool = True) -> bytes:
    """Nest `depth` sequences into each other."""
    if undefined:
        opening = LITTLE.element(0x0040A730, "SQ", b"", length=UNDEFINED) + struct.pack(
            "<HHI", 0xFFFE, 0xE000, UNDEFINED
        )
        closing = struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
        return instance({"Modality": "SR"}, opening * depth + closing * depth)
    content = b""
    for _ in range(depth):
        content = LITTLE.sequence(0x0040A730, [content])
    return instance({"Modality": "SR"}, content)


def many_elements(count: int) -> bytes:
    """Hold `count` elements in the items of one sequence."""
    item = b"".join(LITTLE.element(0x00090010 + n, "LO", "x") for n in range(100))
    return instance({"Modality": "SR"}, LITTLE.sequence(0x0040A730, [item] * (count // 100)))


PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\0\0\0\0" + b"\0" * 200
ELF = b"\x7fELF\x02\x01\x01" + b"\0" * 300
HTML = (
    b"<!DOCTYPE html>\n<html><head><title>502 Bad Gateway</title></head><body>"
    + b" " * 100
    + b"</body></html>"
)


def many_frames(number: str) -> bytes:
    """State a Number of Frames in an object without pixel data, where no length contradicts it."""
    return instance({"Modality": "SR", "NumberOfFrames": number}, b"")
