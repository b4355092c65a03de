"""Everything that is measured of one DICOM object, in one call; meant for a process that may be lost.

Decoders are C libraries: they can crash or hang, and take what memory they like. The caller runs `analyse`
in an isolated child with a memory limit and a deadline.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from libs.dicom.measure.measures import (
    BINS,
    METHOD_VERSION,
    FrameTotal,
    Measures,
    Total,
    exact,
    json_number,
    measure_cells,
    quotient,
)
from libs.dicom.measure.wide import measure_wide
from libs.dicom.parse.sealed import Sealed
from libs.dicom.pixels.image import Image, Words
from libs.dicom.pixels.native import Block
from libs.dicom.pixels.reading import AnalysisLimits, PixelSource, open_pixels
from libs.dicom.render.thumbnail import Sampler, thumbnail
from libs.dicom.render.transform import FunctionalGroups, lut, modality_unit, padding, rescale
from libs.dicom.watched import WatchedStream, decoding

__all__ = ["METHOD_VERSION", "Analysis", "AnalysisLimits", "analyse"]

FRAME_MEANS_SENT = 1024
"""Means of more frames than these are no part of `statistics`, which travel in an event."""

_PIECE_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Analysis:
    """The result for one object; `data_size` is in bytes.

    The first three are None without pixel data, the averages also without finite values. `statistics` holds
    plain JSON types only; `thumbnail` is a JPEG of at most 256 pixels a side, or None. `frame_means` are
    those of all frames, None for one without finite values; of more than FRAME_MEANS_SENT frames `statistics`
    has null instead, and `frame_means_stored` true.
    """

    average_before_normalization: float | None
    average_after_normalization: float | None
    data_size: int | None
    statistics: dict[str, Any]
    thumbnail: bytes | None
    frame_means: list[float | None] = field(default_factory=list)
    measure_seconds: float = field(default=0.0, compare=False)
    """Of the time it took, what was not reading and decoding."""


class _Stopwatch:
    """Sums up the seconds that the iterators it runs take."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def over(self, blocks: Iterator[Block]) -> Iterator[Block]:
        while True:
            started = time.perf_counter()
            block = next(blocks, None)
            self.seconds += time.perf_counter() - started
            if block is None:
                return
            yield block


def analyse(stream: BinaryIO, limits: AnalysisLimits | None = None, sealed: Sealed | None = None) -> Analysis:
    """Measure the Part 10 object in a seekable stream, frame by frame.

    `sealed` is what the object's trailer holds of it; without it the header is read again, in the same way.
    Raises DicomFault: `decode-failed`, `unsupported-transfer-syntax`, `pixel-data-invalid`, `memory-limit`,
    or what the header is refused for (`not-dicom`, `no-transfer-syntax`, `truncated`). Only what the stream
    itself raises passes through: a disk that fails says nothing about the file.
    """
    watched = WatchedStream(stream)
    with decoding(watched, _faulty):
        known = sealed or Sealed.of_file(watched.reader)
        source = open_pixels(watched.reader, known, limits or AnalysisLimits())
        return _analyse(known.transfer_syntax_uid, source)


def _faulty(error: Exception) -> str:
    return (
        f"The pixel data cannot be decoded ({type(error).__name__}): the file is damaged or "
        "says other things of its pixels than they are."
    )


def _analyse(transfer_syntax_uid: str, source: PixelSource | None) -> Analysis:
    facts: dict[str, Any] = {
        "kind": "no-pixel-data" if source is None else "pixel-data",
        "method_version": METHOD_VERSION,
        "transfer_syntax_uid": transfer_syntax_uid,
    }
    if source is None:
        return Analysis(None, None, None, facts, None)
    image = source.image
    started, decoding = time.perf_counter(), _Stopwatch()
    sampler = Sampler(image)
    measures = _measure(source, sampler, decoding)
    if measures is None:
        facts |= {"count": 0, "nonfinite": image.frames * image.frame_values}
        return Analysis(None, None, image.data_size, facts, None)
    picture, reason = thumbnail(sampler, image, source.layout, measures)
    means = [quotient(frame.total, frame.count) if frame.count else None for frame in measures.frames]
    stored = len(means) > FRAME_MEANS_SENT
    facts |= _statistics(measures, image)
    facts |= {"frame_means": None if stored else means, "frame_means_stored": stored}
    if picture is None:
        facts["thumbnail_missing"] = reason
    return Analysis(
        measures.mean,
        measures.normalized_mean,
        image.data_size,
        facts,
        picture,
        means,
        time.perf_counter() - started - decoding.seconds,
    )


def _measure(source: PixelSource, sampler: Sampler, decoding: _Stopwatch) -> Measures | None:
    image, layout, span = source.image, source.layout, padding(source.image)
    if layout.cell <= 16:
        return measure_cells(_pieces(source, sampler, decoding), layout, image.frames, span)
    seen: list[Sampler | None] = [sampler]  # only the first pass feeds the thumbnail
    return measure_wide(
        lambda: _pieces(source, seen.pop() if seen else None, decoding), layout, image.frames, span
    )


def _pieces(
    source: PixelSource, sampler: Sampler | None, decoding: _Stopwatch
) -> Iterator[tuple[int, Words]]:
    """Give flat runs of cells, small enough for what measuring them takes on top."""
    for block in decoding.over(source.blocks()):
        if sampler is not None:
            sampler.see(block)
        flat = block.words.reshape(-1)
        run = _PIECE_BYTES // flat.itemsize
        for start in range(0, flat.size, run):
            yield block.frame, flat[start : start + run]


def _statistics(measures: Measures, image: Image) -> dict[str, Any]:
    low, median, high = measures.percentiles
    return {
        "count": measures.count,
        "nonfinite": measures.nonfinite,
        "min": measures.minimum,
        "max": measures.maximum,
        "mean": measures.mean,
        "std": json_number(measures.std),
        "median": median,
        "p01": low,
        "p99": high,
        "entropy": measures.entropy,
        # Equal bins from min to max: bin i starts at min + i · (max − min) / 256, the last one is closed.
        "histogram": {
            "bins": BINS,
            "min": measures.minimum,
            "max": measures.maximum,
            "counts": list(measures.histogram),
        },
        "frames": image.frames,
        "modality": _modality(measures, image),
        "padding": _padding(measures, image),
    }


def _modality(measures: Measures, image: Image) -> dict[str, Any] | None:
    """The mean in modality units and the unit's name, None without a modality transform."""
    item = image.attributes.item("ModalityLUTSequence")
    table = lut(item, signed=image.layout.signed)
    if item is not None and table is not None and measures.distribution is not None:
        distribution = measures.distribution
        total = int((table(distribution.values) * distribution.counts).sum())
        return {"mean": total / measures.count, "unit": modality_unit(item, "ModalityLUTType")}
    groups = FunctionalGroups(image.attributes)
    totals = measures.frames if groups.vary else [FrameTotal(measures.total, measures.count)]
    total_in_units: Total = 0
    unit: str | None = None
    for index, frame in enumerate(totals):
        found = rescale(image.attributes, groups, index)
        if found is None:
            return None
        scale, unit = found
        total_in_units += exact(scale.slope) * frame.total + exact(scale.intercept) * frame.count
    return {"mean": json_number(quotient(total_in_units, measures.count)), "unit": unit}


def _padding(measures: Measures, image: Image) -> dict[str, Any] | None:
    """What padding pixels take away, and the mean without them; None when no padding value is named."""
    span = padding(image)
    if span is None:
        return None
    count = measures.count - measures.padding.count
    return {
        "low": span.low,
        "high": span.high,
        "count": measures.padding.count,
        "mean_without": quotient(measures.total - measures.padding.total, count) if count else None,
    }
