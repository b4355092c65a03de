"""Stored objects written anew in Explicit VR Little Endian, against what pydicom reads of both."""

from __future__ import annotations

import io
import os
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.tag import BaseTag

from libs.dicom.faults import DicomFault
from libs.dicom.parse.header import HeaderLimits, read_header
from libs.dicom.pixels.spans import frame_spans, read_spans
from libs.dicom.transcode.explicit import element as written
from libs.dicom.transcode.part10 import explicit_part10, in_explicit_little, open_object
from libs.dicom.transcode.pixels import decode_frame, frame_bytes, native_bytes
from tests import wheel
from tests.builders import IMPLICIT_LE, encapsulated_instance, instance, part10
from tests.encoder import LITTLE, Encoding
from tests.unit.libs.dicom.pixel_support import JPEG_2000, encoded_frame, sealed

CORPUS = os.environ.get("CORPUS_DIR")
EXPLICIT = "1.2.840.10008.1.2.1"
CAP = 1 << 30
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
_CHANGED = {"PhotometricInterpretation", "PlanarConfiguration", "HighBit"}
_TABLES = {"ExtendedOffsetTable", "ExtendedOffsetTableLengths"}


def explicit(data: bytes) -> bytes:
    """The whole file, as it is sent."""
    known = sealed(data)
    stream = io.BytesIO(data)
    head, length, tail = explicit_part10(stream, known, CAP)
    if length is None:
        return head + tail
    opened = open_object(stream, known, CAP)
    image = opened.image
    assert image is not None
    if image.place.length is not None:
        value = native_bytes(opened.stream, image, 0, image.place.length)
    else:
        spans = frame_spans(opened.stream, image)
        frames = (decode_frame(read_spans(opened.stream, one), image) for one in spans)
        value = b"".join(frame_bytes(frame, image) for frame in frames)
    return head + value.ljust(length, b"\0") + tail


def files() -> list[Any]:
    paths = [Path(wheel.path_of(name)) for name in wheel.sound_names()]
    if CORPUS:
        paths += sorted(path for path in Path(CORPUS).rglob("*.dcm"))
    return [pytest.param(path, id=path.name) for path in paths]


def same(ours: Dataset, theirs: Dataset, *, nested: bool = False) -> None:
    """Every element that the original has, with the same value."""
    for element in theirs:
        tag: BaseTag = element.tag
        name = element.keyword
        if tag.element == 0 or (not nested and (name in _CHANGED | _TABLES or name in _PIXELS)):
            continue
        if nested and name in _PIXELS and tag not in ours:
            continue  # encapsulated icons have no place in a native syntax
        found = ours[tag]
        if element.VR == "SQ":
            assert found.VR == "SQ"
            for mine, other in zip(found.value, element.value, strict=True):
                same(mine, other, nested=True)
        elif isinstance(element.value, float):
            assert found.value == pytest.approx(element.value, nan_ok=True), element
        else:
            assert found.value == element.value, element


@pytest.mark.parametrize("path", files())
def test_what_is_written_anew_says_the_same(path: Path) -> None:
    data = path.read_bytes()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            header = read_header(io.BytesIO(data), len(data), HeaderLimits())
        except DicomFault:
            pytest.skip("refused when it comes in")
        if not in_explicit_little(header.transfer_syntax_uid) and header.pixels is not None:
            with pytest.raises(DicomFault) as refused:
                explicit(data)
            assert refused.value.code == "unsupported-transfer-syntax"
            return
        try:
            made = explicit(data)
        except DicomFault as fault:
            pytest.skip(f"no decoder takes it: {fault.code}")
        ours, theirs = pydicom.dcmread(io.BytesIO(made)), pydicom.dcmread(io.BytesIO(data))
        assert ours.file_meta.TransferSyntaxUID == EXPLICIT
        assert ours.file_meta.MediaStorageSOPInstanceUID == header.sop_instance_uid
        same(ours, theirs)
        if header.pixels is None:
            return
        try:
            mine, other = ours.pixel_array, theirs.pixel_array
        except (RuntimeError, NotImplementedError, ValueError, AttributeError) as error:
            pytest.skip(f"pydicom decodes it not: {type(error).__name__}")
    assert mine.shape == other.shape
    if ours.PhotometricInterpretation == theirs.PhotometricInterpretation:
        assert np.abs(mine.astype(np.float64) - other.astype(np.float64)).max() <= 1


def rewritten(elements: bytes, syntax: str = IMPLICIT_LE) -> Dataset:
    """What is written of a data set without pixels, read by pydicom."""
    data = part10(elements, transfer_syntax=syntax)
    return pydicom.dcmread(io.BytesIO(explicit(data)))


def test_values_keep_their_bytes_and_get_a_representation() -> None:
    little = Encoding(implicit=True)
    item = little.element(0x00280103, "US", 1) + little.element(0x00280106, "US", b"\xff\xff")
    made = rewritten(
        little.element(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2")
        + little.element(0x00080018, "UI", "1.2.3")
        + little.element(0x00181400, "LO", b"x" * 70_000)
        + little.element(0x00189004, "CS", "odd")
        + little.element(0x00280103, "US", 0)
        + little.element(0x00280106, "US", b"\xff\xff")
        + little.element(0x00290010, "LO", b"SIEMENS CSA HEADER")
        + little.element(0x00291008, "CS", b"IMAGE NUM 4 ")
        + little.element(0x00291100, "UN", b"who knows")
        + little.element(0x00540016, "SQ", little.item(item))
    )
    assert (made[0x00181400].VR, len(made[0x00181400].value)) == ("UN", 70_000)  # no length of 16 bits
    assert made[0x00189004].value == "odd"
    assert (made[0x00280106].VR, made[0x00280106].value) == ("US", 65535)
    inner = made[0x00540016].value[0]
    assert (inner[0x00280106].VR, inner[0x00280106].value) == ("SS", -1)
    assert (made[0x00291008].VR, made[0x00291008].value) == ("CS", "IMAGE NUM 4")
    assert (made[0x00291100].VR, made[0x00291100].value) == ("UN", b"who knows\0")


def test_too_much_beside_the_pixels_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("libs.dicom.transcode.explicit.MOST_BYTES", 1000)
    little = Encoding(implicit=True)
    with pytest.raises(DicomFault) as refused:
        rewritten(
            little.element(0x00080016, "UI", "1.2.840.10008.5.1.4.1.1.2")
            + little.element(0x00080018, "UI", "1.2.3")
            + little.element(0x00204000, "LT", b"x" * 2000)
        )
    assert refused.value.code == "memory-limit"


def test_compressed_icons_are_left_out() -> None:
    icon = LITTLE.element(0x00280010, "US", 1) + LITTLE.encapsulated([b"\1\2"])
    data = instance({}, LITTLE.element(0x00880200, "SQ", LITTLE.item(icon)))
    made = pydicom.dcmread(io.BytesIO(explicit(data)))
    assert list(made[0x00880200].value[0].keys()) == [0x00280010]


def test_values_have_an_even_length() -> None:
    assert written(0x00080060, "CS", b"odd") == b"\x08\0\x60\0CS\4\0odd "
    assert written(0x00080018, "UI", b"1.2") == b"\x08\0\x18\0UI\4\0" + b"1.2\0"


def test_decoded_values_lie_in_the_low_bits() -> None:
    values = np.arange(4096).reshape(64, 64).astype(np.uint8)
    described = {"BitsAllocated": 16, "BitsStored": 8, "HighBit": 15}
    codestream = encoded_frame(values, JPEG_2000)
    data = encapsulated_instance([codestream], transfer_syntax=JPEG_2000, **described)  # type: ignore[arg-type]
    made = pydicom.dcmread(io.BytesIO(explicit(data)))
    assert (made.HighBit, made.BitsAllocated) == (7, 16)
    assert (np.frombuffer(made.PixelData, "<u2").reshape(64, 64) == values).all()
