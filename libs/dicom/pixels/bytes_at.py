"""Bytes of a stream by their place."""

from __future__ import annotations

from typing import BinaryIO

from libs.dicom.faults import DicomFault


def read_at(stream: BinaryIO, offset: int, count: int) -> bytes:
    """Read exactly `count` bytes; raises DicomFault `pixel-data-invalid` when the stream ends before."""
    stream.seek(offset)
    data = stream.read(count)
    while len(data) < count:  # a raw stream may give less than it has
        more = stream.read(count - len(data))
        if not more:
            raise DicomFault(
                "pixel-data-invalid", "The file ends inside its pixel data. Send it again, whole."
            )
        data += more
    return data
