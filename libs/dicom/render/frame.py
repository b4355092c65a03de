"""One frame as a picture, as large as a client wants it (PS3.18 8.3.5, 8.7.4)."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal, NamedTuple, get_args

import numpy as np
from PIL import Image as Pillow

from libs.dicom.faults import DicomFault
from libs.dicom.parse.syntax import NATIVE_UIDS
from libs.dicom.pixels.image import Image, Words
from libs.dicom.pixels.native import native_blocks
from libs.dicom.pixels.reading import PixelSource, decoded_blocks
from libs.dicom.pixels.spans import frame_spans, read_spans
from libs.dicom.render.levels import Showing, View, picture_of
from libs.dicom.render.thumbnail import Sampler
from libs.dicom.render.transform import Window
from libs.dicom.transcode.pixels import decode_frame

PictureType = Literal["image/jpeg", "image/png"]
PICTURE_TYPES: tuple[PictureType, ...] = get_args(PictureType)
QUALITY = 85
"""Of JPEG where a client names none."""
MOST_SIDE = 8192
_PERCENTILES = (1, 99)
_FINER = 2
"""How many times finer than a smaller picture the cells are that it is made of."""


class Viewport(NamedTuple):
    """The size of what shows the picture, and the part of the frame that it shows (PS3.18 8.3.5.1.3).

    A negative width or height of the part turns it over; None: all there is.
    """

    width: int
    height: int
    left: int = 0
    top: int = 0
    part_width: int | None = None
    part_height: int | None = None


@dataclass(frozen=True, slots=True)
class Rendering:
    """How a frame is shown; `view` None: as its header says."""

    media_type: PictureType = "image/jpeg"
    quality: int = QUALITY
    view: View | None = None
    viewport: Viewport | None = None
    side: int | None = None
    """The longest side at most; of a larger frame, made of some of its rows and columns."""
    invert: bool = False

    def to_json(self) -> dict[str, Any]:
        """For another process."""
        view, viewport = self.view, self.viewport
        return {
            "media_type": self.media_type,
            "quality": self.quality,
            "view": [view.center, view.width, view.function] if isinstance(view, Window) else view,
            "viewport": None if viewport is None else list(viewport),
            "side": self.side,
            "invert": self.invert,
        }

    @classmethod
    def from_json(cls, told: dict[str, Any]) -> Rendering:
        """Read what `to_json` gave."""
        view, viewport = told["view"], told["viewport"]
        return cls(
            told["media_type"],
            told["quality"],
            Window(*view) if isinstance(view, list) else view,
            None if viewport is None else Viewport(*viewport),
            told["side"],
            told["invert"],
        )


def render_frame(stream: BinaryIO, image: Image, frame: int, rendering: Rendering, max_bytes: int) -> bytes:
    """The picture, encoded; `stream` is inflated if need be. Raises DicomFault and as codecs."""
    return _encoded(draw_frame(stream, image, frame, rendering, max_bytes), rendering)


def draw_frame(
    stream: BinaryIO, image: Image, frame: int, rendering: Rendering, max_bytes: int
) -> Pillow.Image:
    """The picture, as large as the frame where `rendering` names no size. Raises as `render_frame`."""
    finest = None if rendering.side is None else rendering.side * _FINER
    sampler = sampled(stream, image, frame, max_bytes, side=finest)
    layout = PixelSource(stream, image).layout
    shown = Showing(rendering.view, rendering.invert)
    made = picture_of(sampler.picture(), frame, image, layout, ybr=sampler.ybr, most=most_of, shown=shown)
    if made is None:
        raise DicomFault("pixel-data-invalid", "There is no picture of so many samples per pixel.")
    if rendering.side is not None:
        made.thumbnail((rendering.side, rendering.side), Pillow.Resampling.BILINEAR)
    return _within(made, rendering.viewport)


def sampled(
    stream: BinaryIO, image: Image, frame: int, max_bytes: int, *, side: int | None = None
) -> Sampler:
    """The cells of one frame, all or about `side` of the longer side. Raises as `render_frame`."""
    if image.full_values * image.layout.dtype.itemsize > max_bytes:
        raise DicomFault("memory-limit", f"One frame takes more than {max_bytes} bytes once decoded.")
    sampler = Sampler(image, frame, side=side)
    if image.place.transfer_syntax_uid in NATIVE_UIDS:
        blocks = native_blocks(stream, image, range(frame, frame + 1))
    else:
        spans = frame_spans(stream, image)
        if frame >= len(spans):
            raise DicomFault("pixel-data-invalid", "The pixel data hold fewer frames than announced.")
        blocks = decoded_blocks(decode_frame(read_spans(stream, spans[frame]), image), frame)
    for block in blocks:
        sampler.see(block)
    return sampler


def most_of(stored: Words) -> tuple[float, float]:
    """Where most values of a frame lie; all of them where that is one value."""
    finite = stored[np.isfinite(stored)] if stored.dtype.kind == "f" else stored.reshape(-1)
    if not finite.size:
        return 0.0, 1.0
    low, high = np.percentile(finite, _PERCENTILES)
    if low == high:
        low, high = finite.min(), finite.max()
    return float(low), float(high)


def _within(picture: Pillow.Image, viewport: Viewport | None) -> Pillow.Image:
    """Cut and scale it to fit, its shape kept."""
    if viewport is None:
        return picture
    columns, rows = picture.size
    width, height = viewport.part_width, viewport.part_height
    right = min(viewport.left + abs(columns if width is None else width), columns)
    bottom = min(viewport.top + abs(rows if height is None else height), rows)
    if viewport.left >= right or viewport.top >= bottom:
        raise DicomFault("viewport-outside", "The viewport shows a part that lies outside of the frame.")
    picture = picture.crop((viewport.left, viewport.top, right, bottom))
    if width is not None and width < 0:
        picture = picture.transpose(Pillow.Transpose.FLIP_LEFT_RIGHT)
    if height is not None and height < 0:
        picture = picture.transpose(Pillow.Transpose.FLIP_TOP_BOTTOM)
    scale = min(viewport.width / picture.width, viewport.height / picture.height)
    size = max(round(picture.width * scale), 1), max(round(picture.height * scale), 1)
    return picture if size == picture.size else picture.resize(size, Pillow.Resampling.BILINEAR)


def _encoded(picture: Pillow.Image, rendering: Rendering) -> bytes:
    out = io.BytesIO()
    if rendering.media_type == "image/png":
        (picture.convert("RGB") if picture.mode == "YCbCr" else picture).save(out, "PNG", compress_level=3)
    else:
        picture.save(out, "JPEG", quality=rendering.quality)
    return out.getvalue()
