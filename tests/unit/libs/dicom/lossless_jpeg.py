"""A lossless JPEG encoder for tests, one component (ISO/IEC 10918-1 annex H), any precision, no library."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

_CATEGORIES = 17
_CODE_BITS = 5
"""One Huffman code of five bits for each category of difference, in order."""


def lossless_jpeg(values: NDArray[np.unsignedinteger], precision: int) -> bytes:
    """Encode (rows, columns) with the left neighbour as predictor, as DICOM's process 14 SV1 demands."""
    rows, columns = values.shape
    frame = struct.pack(">BHHBBBB", precision, rows, columns, 1, 1, 0x11, 0)
    counts = bytes(_CATEGORIES if length == _CODE_BITS else 0 for length in range(1, 17))
    table = b"\0" + counts + bytes(range(_CATEGORIES))
    scan = struct.pack(">BBBBBB", 1, 1, 0, 1, 0, 0)
    bits = "".join(_bits(values.astype(int), precision))
    bits += "1" * (-len(bits) % 8)
    entropy = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    segments = [(0xC3, frame), (0xC4, table), (0xDA, scan)]
    marked = b"".join(
        b"\xff" + bytes([marker]) + struct.pack(">H", len(body) + 2) + body for marker, body in segments
    )
    return b"\xff\xd8" + marked + entropy + b"\xff\xd9"


def _bits(values: NDArray[np.int64], precision: int) -> Iterator[str]:
    for row, line in enumerate(values.tolist()):
        predicted = values[row - 1, 0] if row else 1 << (precision - 1)
        for value in line:
            # Modulo 2^16, from -32767 to 32768 (H.1.2.1).
            difference = (value - int(predicted) + 32767) % 65536 - 32767
            category = abs(difference).bit_length()
            yield f"{category:0{_CODE_BITS}b}"
            if 0 < category < 16:
                yield f"{difference if difference > 0 else difference + (1 << category) - 1:0{category}b}"
            predicted = value
