"""What the trailer of an object holds of its file, for those who go on from there instead of parsing."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

from libs.dicom.parse.dicomjson import JsonObject
from libs.dicom.parse.header import read_header
from libs.dicom.parse.layout import Bulk, PixelPlace
from libs.dicom.parse.limits import HeaderLimits

UNLIMITED = HeaderLimits(sys.maxsize, sys.maxsize, sys.maxsize, sys.maxsize, math.inf)
"""For headers that were within limits when they came in; who reads them again bounds the whole process."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """The one reading of a file."""

    transfer_syntax_uid: str
    data_set: JsonObject
    """In the DICOM JSON Model."""
    pixels: PixelPlace | None
    bulk: Bulk

    @classmethod
    def from_trailer(cls, trailer: Mapping[str, Any]) -> Sealed | None:
        """Take it from a trailer, None if that is of a release which sealed no places."""
        if "pixels" not in trailer or "bulk" not in trailer:
            return None
        pixels = trailer["pixels"]
        return cls(
            transfer_syntax_uid=trailer["facts"]["transfer_syntax_uid"],
            data_set=trailer["dicom"],
            pixels=PixelPlace.from_json(pixels) if pixels else None,
            bulk=trailer["bulk"],
        )

    @classmethod
    def of_file(cls, stream: BinaryIO) -> Sealed:
        """Read the header of a Part 10 stream again, as it is read before it is sealed; raises DicomFault."""
        header = read_header(stream, stream.seek(0, io.SEEK_END), UNLIMITED)
        return cls(header.transfer_syntax_uid, header.dicom_json, header.pixels, header.bulk)
