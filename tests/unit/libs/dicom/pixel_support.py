"""What the tests of pixel data share: compressing frames, measuring a file, and how a refusal looks."""

from __future__ import annotations

import io
import json
import struct
from typing import Any

import numpy as np
import openjpeg
import pytest
from numpy.typing import NDArray
from PIL import Image
from pydicom.datadict import dictionary_VR, tag_for_keyword

from libs.dicom.faults import DicomFault
from libs.dicom.measure.analysis import Analysis, AnalysisLimits, analyse
from libs.dicom.parse.header import HeaderLimits, read_header
from libs.dicom.parse.sealed import Sealed
from tests.builders import (
    ct_elements,
)
from tests.encoder import deflate

JPEG_2000 = "1.2.840.10008.1.2.4.90"
DEFLATED_FRAME = "1.2.840.10008.1.2.8.1"
UNCOMPRESSED = "1.2.840.10008.1.2.1.98"


def sealed(data: bytes, **changed: Any) -> Sealed:
    """What an object's trailer would hold of this file; `changed` replaces first values by keyword."""
    header = read_header(io.BytesIO(data), len(data), HeaderLimits())
    trailer = json.loads(json.dumps(header.sealed()))
    for keyword, value in changed.items():
        tag = tag_for_keyword(keyword)
        trailer["dicom"][f"{tag:08X}"] = {"vr": dictionary_VR(keyword)} | (
            {} if value is None else {"Value": [value]}
        )
    found = Sealed.from_trailer(trailer)
    assert found is not None
    return found


def measured(data: bytes, limits: AnalysisLimits | None = None, **changed: Any) -> Analysis:
    """Measure a file as an object is, from its trailer on."""
    return analyse(io.BytesIO(data), limits, sealed(data, **changed))


def refused(data: bytes, limits: AnalysisLimits | None = None, **changed: Any) -> str:
    with pytest.raises(DicomFault) as fault:
        measured(data, limits, **changed)
    return fault.value.code


def described(rows: int, columns: int, frames: int) -> dict[str, Any]:
    """Give the header of an 8-bit image."""
    return dict(ct_elements(rows, columns, 8, frames, 0))


def check(analysis: Analysis, values: NDArray[Any]) -> None:
    """Hold count, extremes and mean against values that the test drew."""
    facts = analysis.statistics
    assert (facts["count"], facts["min"], facts["max"]) == (values.size, values.min(), values.max())
    assert analysis.average_before_normalization == pytest.approx(float(values.mean(dtype=float)), rel=1e-12)


def encoded_frame(values: NDArray[Any], syntax: str) -> bytes:
    """Compress one frame with a library that is not asked to decode it again, or by hand."""
    if syntax == JPEG_2000:
        return bytes(openjpeg.encode(values, photometric_interpretation=2 if values.ndim == 2 else 1))
    if syntax == DEFLATED_FRAME:
        return deflate(values.tobytes())
    if syntax == UNCOMPRESSED:
        return values.tobytes() + b"\0" * (values.nbytes % 2)
    planes = [values] if values.ndim == 2 else list(np.moveaxis(values, 2, 0))
    segments = []
    for plane in planes:
        for byte in range(plane.itemsize - 1, -1, -1):  # most significant byte first (PS3.5 G.2)
            raw = (plane.astype(np.uint32) >> 8 * byte).astype(np.uint8).tobytes()
            runs = [raw[start : start + 128] for start in range(0, len(raw), 128)]
            packed = b"".join(bytes([len(run) - 1]) + run for run in runs)
            segments.append(packed + b"\0" * (len(packed) % 2))
    offsets = [64 + sum(map(len, segments[:place])) for place in range(len(segments))]
    header = struct.pack("<16I", len(segments), *offsets, *[0] * (15 - len(segments)))
    return header + b"".join(segments)


def jpeg(rows: int, columns: int, color: bool = False) -> tuple[bytes, NDArray[np.uint8]]:
    ramp = np.add.outer(np.arange(rows) * 3, np.arange(columns) * 2).astype(np.uint8)
    picture = np.stack([ramp, 255 - ramp, ramp // 2], axis=2) if color else ramp
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "JPEG", quality=95)
    return out.getvalue(), picture
