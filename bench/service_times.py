"""How long one decoder slot is busy with one file of each kind, measured on this machine."""

from __future__ import annotations

import io
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from openjpeg.utils import encode_array

from bench.arrivals import Kind
from libs.dicom.measure.analysis import analyse
from tests.builders import JPEG_2000_LOSSLESS, ct_instance, ct_pixels, encapsulated_instance

REPEATS = 5


@dataclass(frozen=True, slots=True)
class Sample:
    """A kind of file, its share of a general hospital's uploads, and how to make one."""

    name: str
    share: float
    make: Callable[[], bytes]


def jpeg_2000(rows: int, columns: int) -> bytes:
    """A CT slice in JPEG 2000, lossless; its noise makes it slower to decode than a real one."""
    pixels = ct_pixels(rows, columns)[0].astype(np.uint16)
    frame = encode_array(pixels, photometric_interpretation=2, codec_format=0)
    return encapsulated_instance(
        [frame],
        transfer_syntax=JPEG_2000_LOSSLESS,
        Rows=rows,
        Columns=columns,
        BitsAllocated=16,
        BitsStored=12,
        HighBit=11,
    )


SAMPLES = (
    Sample("MR 256×256", 0.30, lambda: ct_instance(256, 256)),
    Sample("CT 512×512", 0.50, lambda: ct_instance(512, 512)),
    Sample("CT 512×512, JPEG 2000", 0.15, lambda: jpeg_2000(512, 512)),
    Sample("mammogram 4096×3328", 0.04, lambda: ct_instance(4096, 3328)),
    Sample("enhanced MR, 100 frames", 0.01, lambda: ct_instance(512, 512, frames=100)),
)


def measure(overhead: float) -> tuple[Kind, ...]:
    """The median of a few runs of each kind, plus `overhead` seconds for delivery, decryption and outcome."""
    return tuple(Kind(sample.name, sample.share, overhead + _median(sample.make())) for sample in SAMPLES)


def _median(content: bytes) -> float:
    def once() -> float:
        started = time.process_time()
        analyse(io.BytesIO(content))
        return time.process_time() - started

    once()
    return statistics.median(once() for _ in range(REPEATS))
