"""Grey levels and colours of pixel cells: of a thumbnail's sample or of a whole frame, by the same rules."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps

from libs.dicom.faults import DicomFault
from libs.dicom.pixels.image import Image, Layout, Words
from libs.dicom.render.palette import apply_palette
from libs.dicom.render.transform import (
    FunctionalGroups,
    Lut,
    Rescale,
    Window,
    is_inverse,
    lut,
    padding,
    rescale,
    window,
)

Gray = NDArray[np.uint8]
View = Window | Literal["lut"]
"""What is asked for in place of the header's first choice: a window, or the VOI LUT of the header."""
ValueSpan = Callable[[Words], tuple[float, float]]
"""Stored values -> where most of them lie, from dark to bright: what is shown where no window is named."""


class Showing(NamedTuple):
    """How cells are shown, beyond what their header says."""

    view: View | None = None
    """Goes before the windows and lookup tables of the header."""
    invert: bool = False
    """Bright for dark at the very end, of padding and of colours, too."""


def picture_of(
    cells: Words,
    frame: int,
    image: Image,
    layout: Layout,
    *,
    ybr: bool,
    most: ValueSpan,
    shown: Showing = Showing(),  # noqa: B008  immutable
) -> Pillow.Image | None:
    """A picture of cells of the shape (rows, columns, samples); None where their number says nothing.

    Raises DicomFault where the view that is asked for is not there, and whatever broken tables lead to.
    """
    if is_gray(image, cells.shape[2]):
        return Pillow.fromarray(_gray(cells[..., 0], frame, image, layout, most, shown))
    if cells.shape[2] not in (1, 3):
        return None
    picture = color_of(cells, image, layout, ybr=ybr)
    return ImageOps.invert(picture.convert("RGB")) if shown.invert else picture


def is_gray(image: Image, samples: int) -> bool:
    """Whether cells of so many samples are grey levels."""
    return samples == 1 and image.photometric != "PALETTE COLOR"


def _gray(cells: Words, frame: int, image: Image, layout: Layout, most: ValueSpan, shown: Showing) -> Gray:
    """Turn sampled cells into grey levels: modality transform, then VOI LUT, window or percentiles.

    Then PS3.3 C.11.6.1 for MONOCHROME1, and black where there is no pixel, by padding value or as NaN.
    """
    asked = shown.view
    groups = FunctionalGroups(image.attributes)
    stored = layout.values(cells)
    absent = _absent(stored, image)
    modality = lut(image.attributes.item("ModalityLUTSequence"), signed=layout.signed)
    scale = rescale(image.attributes, groups, frame)
    view = asked if isinstance(asked, Window) else window(image.attributes, groups, frame)
    voi = None
    if not isinstance(asked, Window):
        voi = lut(image.attributes.item("VOILUTSequence"), signed=layout.signed or scale is not None)
    if asked == "lut" and voi is None:
        raise DicomFault("no-voi-lut", "The header has no VOI LUT that can be read: ask for a window.")
    values = _modality_values(stored.astype(np.float64 if layout.cell > 16 else np.float32), modality, scale)
    if voi is not None:
        levels = _lut_levels(voi, values)
    elif view is not None:
        levels = _window_levels(view, values)
    else:
        ends = np.array(most(stored if absent is None else stored[~absent]), np.float64)
        levels = _stretched_levels(values, *sorted(_modality_values(ends, modality, scale).tolist()))
    if is_inverse(image):
        np.subtract(255, levels, out=levels)
    if absent is not None:
        levels[absent] = 0
    shades = levels.astype(np.uint8)
    return 255 - shades if shown.invert else shades


def _modality_values(stored: Words, table: Lut | None, scale: tuple[Rescale, str | None] | None) -> Words:
    """Apply a Modality LUT, else a rescale (PS3.3 C.11.1); changes floats in `stored`."""
    if table is not None:
        return table(stored).astype(np.float32)
    if scale is not None:
        stored *= scale[0].slope
        stored += scale[0].intercept
    return stored


def _absent(stored: Words, image: Image) -> NDArray[np.bool_] | None:
    """Where there is no pixel (PS3.3 C.7.5.1.1.2); None: nowhere."""
    span = padding(image)
    absent = None if span is None else (stored >= span.low) & (stored <= span.high)
    if stored.dtype.kind == "f":
        absent = np.isnan(stored) if absent is None else absent | np.isnan(stored)
    return absent if absent is not None and absent.any() else None


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


def _stretched_levels(values: Words, low: float, high: float) -> Words:
    """Stretch what lies between to all levels; changes `values`."""
    if not np.isfinite(values).all():
        np.nan_to_num(values, copy=False, nan=low, posinf=high, neginf=low)
    return _ramp(values, low, high)


def _ramp(values: Words, low: float, high: float) -> Words:
    """Map `low` … `high` to 0 … 255; changes `values`."""
    values -= low
    values *= 255.0 / (high - low) if high > low else 0.0
    return np.clip(values, 0, 255, out=values)


def color_of(cells: Words, image: Image, layout: Layout, *, ybr: bool) -> Pillow.Image:
    """Make a colour picture of palette, RGB or YBR cells; integers only."""
    values = layout.values(cells)
    bits = layout.stored
    if cells.shape[2] == 1:
        values, ybr, bits = apply_palette(values[..., 0], image.attributes, signed=layout.signed), False, 8
    if bits > 8:
        values = values >> (bits - 8)
    size = (values.shape[1], values.shape[0])
    return Pillow.frombytes("YCbCr" if ybr else "RGB", size, values.astype(np.uint8).tobytes())
