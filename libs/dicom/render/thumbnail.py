"""The thumbnail: a small JPEG of the middle frame, sampled while the frame passes by.

A thumbnail is a convenience: whatever is wrong with it, the file is measured all the same.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from libs.dicom.measure.measures import Measures
from libs.dicom.pixels.image import Image, Layout, Words
from libs.dicom.pixels.native import Block
from libs.dicom.render.palette import apply_palette
from libs.dicom.render.sizes import LARGEST, SMALLER, join
from libs.dicom.render.transform import FunctionalGroups, Lut, Window, lut, rescale, window

_QUALITY = 85

Gray = NDArray[np.uint8]


class Sampler:
    """Keeps every n-th row and column of the middle frame, so that little is left to convert."""

    def __init__(self, image: Image) -> None:
        self.frame = image.frames // 2
        self.ybr = image.photometric.startswith("YBR") and image.photometric not in ("YBR_RCT", "YBR_ICT")
        self._columns = image.columns
        self._step = max(1, max(image.rows, image.columns) // LARGEST)
        self._planes: dict[int, list[Words]] = {}

    def see(self, block: Block) -> None:
        """Take what is needed of a block."""
        if block.frame != self.frame:
            return
        rows = block.words[-block.row % self._step :: self._step]
        if block.words.shape[1] * 2 == self._columns and block.words.shape[2] == 4:
            sample = self._from_pairs(rows)
        else:
            sample = rows[:, :: self._step]
        self._planes.setdefault(block.plane, []).append(sample.copy())
        if block.ybr is not None:
            self.ybr = block.ybr

    def _from_pairs(self, rows: Words) -> Words:
        """Undo 4:2:2 for the columns that are kept: pixels in pairs of Y1 Y2 Cb Cr."""
        columns = np.arange(0, self._columns, self._step)
        pairs = rows[:, columns // 2]
        luminance = np.where(columns % 2 == 0, pairs[..., 0], pairs[..., 1])
        return np.stack([luminance, pairs[..., 2], pairs[..., 3]], axis=-1)

    def picture(self) -> Words:
        """Give the sampled cells in the shape (rows, columns, samples)."""
        planes = [np.concatenate(pieces) for _, pieces in sorted(self._planes.items())]
        return planes[0] if len(planes) == 1 else np.concatenate(planes, axis=2)


def thumbnail(sampler: Sampler, image: Image, layout: Layout, measures: Measures) -> tuple[bytes | None, str]:
    """Give the JPEG and its smaller sizes, or None and the reason why there is none."""
    try:
        cells = sampler.picture()
        if cells.shape[2] == 1 and image.photometric != "PALETTE COLOR":
            picture = Pillow.fromarray(_gray(cells[..., 0], sampler.frame, image, layout, measures))
        elif cells.shape[2] in (1, 3):
            picture = _color(cells, image, layout, ybr=sampler.ybr)
        else:
            return None, "no rendering for this number of samples per pixel"
        picture.thumbnail((LARGEST, LARGEST), Pillow.Resampling.BILINEAR)
        return join(_jpeg(picture), list(_smaller(picture))), ""
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - an edge: lookup tables may be broken in any way
        return None, f"cannot be rendered ({type(error).__name__})"


def _jpeg(picture: Pillow.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


def _smaller(picture: Pillow.Image) -> Iterator[bytes]:
    """It with each longest side of SMALLER, made of the size before; nothing where it is no larger."""
    for side in SMALLER:
        longest = max(picture.size)
        if longest <= side:
            yield b""
            continue
        if longest == 2 * side:
            picture = picture.reduce(2)  # a tenth of the time that resampling takes
        else:
            picture = picture.copy()
            picture.thumbnail((side, side), Pillow.Resampling.BILINEAR)
        yield _jpeg(picture)


def _gray(cells: Words, frame: int, image: Image, layout: Layout, measures: Measures) -> Gray:
    """Turn sampled cells into grey levels: modality transform, then VOI LUT, window or percentiles."""
    groups = FunctionalGroups(image.attributes)
    stored = layout.values(cells)
    values: NDArray[np.floating[Any]] = stored.astype(np.float64 if layout.cell > 16 else np.float32)
    modality = lut(image.attributes.item("ModalityLUTSequence"), signed=layout.signed)
    scale = rescale(image.attributes, groups, frame)
    view = window(image.attributes, groups, frame)
    voi = lut(image.attributes.item("VOILUTSequence"), signed=layout.signed or scale is not None)
    if (voi or view) and modality is not None:
        values = modality(stored).astype(np.float32)
    elif (voi or view) and scale is not None:
        values *= scale[0].slope
        values += scale[0].intercept
    if voi is not None:
        levels = _lut_levels(voi, values)
    elif view is not None:
        levels = _window_levels(view, values)
    else:
        levels = _stretched_levels(values, measures)
    if image.photometric == "MONOCHROME1":
        np.subtract(255, levels, out=levels)
    return levels.astype(np.uint8)


def _lut_levels(voi: Lut, values: Words) -> Words:
    """Look up and bring the whole range of the table to 0 … 255."""
    top = max(int(voi.entries.max()), 1)
    return voi(values).astype(np.float32) * (255.0 / top)


def _window_levels(view: Window, values: Words) -> Words:
    """Apply a window (PS3.3 C.11.2.1.2.1, C.11.2.1.3); changes `values`."""
    if view.function == "SIGMOID":
        return 255.0 / (1.0 + np.exp(np.clip((values - view.center) * (-4.0 / view.width), -80, 80)))
    exact = view.function == "LINEAR_EXACT"
    center, width = (view.center, view.width) if exact else (view.center - 0.5, max(view.width - 1.0, 1e-6))
    return _ramp(values, center - width / 2, center + width / 2)


def _stretched_levels(values: Words, measures: Measures) -> Words:
    """Stretch the bulk of the stored values, or all of them where the bulk is a single value."""
    low, _, high = measures.percentiles
    if low == high:
        low, high = float(measures.minimum), float(measures.maximum)
    return _ramp(np.nan_to_num(values, nan=low, posinf=high, neginf=low), low, high)


def _ramp(values: Words, low: float, high: float) -> Words:
    """Map `low` … `high` to 0 … 255; changes `values`."""
    values -= low
    values *= 255.0 / (high - low) if high > low else 0.0
    return np.clip(values, 0, 255, out=values)


def _color(cells: Words, image: Image, layout: Layout, *, ybr: bool) -> Pillow.Image:
    """Make a colour picture of palette, RGB or YBR cells; integers only."""
    values = layout.values(cells)
    bits = layout.stored
    if cells.shape[2] == 1:
        values, ybr, bits = apply_palette(values[..., 0], image.attributes, signed=layout.signed), False, 8
    if bits > 8:
        values = values >> (bits - 8)
    size = (values.shape[1], values.shape[0])
    return Pillow.frombytes("YCbCr" if ybr else "RGB", size, values.astype(np.uint8).tobytes())
