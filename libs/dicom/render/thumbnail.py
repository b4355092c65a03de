"""The thumbnail: a small JPEG of the middle frame, sampled while the frame passes by.

A thumbnail is a convenience: whatever is wrong with it, the file is measured all the same.
"""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from PIL import Image as Pillow

from libs.dicom.measure.measures import Measures
from libs.dicom.pixels.image import Image, Layout, Words
from libs.dicom.pixels.native import Block
from libs.dicom.render.levels import ValueSpan, picture_of
from libs.dicom.render.sizes import LARGEST, SMALLER, join

_QUALITY = 85


class Sampler:
    """Keeps every n-th row and column of one frame, so that little is left to convert."""

    def __init__(self, image: Image, frame: int | None = None, *, side: int | None = LARGEST) -> None:
        """`frame` None: the middle one; `side`: about so many of the longer side are kept, None: all."""
        self.frame = image.frames // 2 if frame is None else frame
        self.ybr = image.photometric.startswith("YBR") and image.photometric not in ("YBR_RCT", "YBR_ICT")
        self._columns = image.columns
        self._step = 1 if side is None else max(1, max(image.rows, image.columns) // side)
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
        cells, most = sampler.picture(), _most_of(measures)
        picture = picture_of(cells, sampler.frame, image, layout, ybr=sampler.ybr, most=most)
        if picture is None:
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


def _most_of(measures: Measures) -> ValueSpan:
    """The bulk of all stored values, or all of them where the bulk is a single value."""
    low, _, high = measures.percentiles
    if low == high:
        low, high = float(measures.minimum), float(measures.maximum)
    return lambda stored: (low, high)
