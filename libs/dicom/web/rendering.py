"""How a client wants a picture: its query parameters (PS3.18 8.3.5); pure. Raises ValueError in words."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from libs.dicom.render.frame import MOST_SIDE, PICTURE_TYPES, QUALITY, PictureType, Rendering, Viewport
from libs.dicom.render.transform import Window
from libs.dicom.web.media_ranges import MediaRange, covers

FUNCTIONS = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}
IGNORED = ("annotation", "iccprofile")
"""Parameters that are known, and change nothing here."""
_NUMBERS_OF_VIEWPORT = (2, 6)


def picture_type(ranges: Sequence[MediaRange]) -> tuple[PictureType, bool] | None:
    """The media type that is taken best, and whether in multipart; None: none that can be had."""
    for asked in ranges:
        for media_type in PICTURE_TYPES:
            if asked.takes(media_type):
                return media_type, False
            if asked.takes("multipart/related") and asked.part in (media_type, "image/*", "*/*"):
                return media_type, True
    return None


def picture_part(ranges: Sequence[MediaRange]) -> PictureType | None:
    """The media type of pictures that is taken best in multipart; None: none is."""
    for asked in _in_parts(ranges):
        for media_type in PICTURE_TYPES:
            if covers(asked, media_type):
                return media_type
    return None


def takes_part(ranges: Sequence[MediaRange], media_type: str) -> bool:
    """Whether parts of this type are taken."""
    return any(covers(asked, media_type) for asked in _in_parts(ranges))


def _in_parts(ranges: Sequence[MediaRange]) -> list[str]:
    return [asked.part for asked in ranges if asked.takes("multipart/related")]


def rendering_of(query: Mapping[str, str], media_type: PictureType) -> Rendering:
    """What the parameters `viewport`, `window` and `quality` say."""
    return Rendering(media_type, _quality(query), window_of(query.get("window")), viewport_of(query))


def viewport_of(query: Mapping[str, str]) -> Viewport | None:
    """`viewport=vw,vh[,sx,sy,sw,sh]`, of which the last four may be empty."""
    if "viewport" not in query:
        return None
    texts = query["viewport"].split(",")
    if len(texts) not in _NUMBERS_OF_VIEWPORT:
        raise ValueError("viewport: give its width and height, or six numbers.")
    numbers = [_whole("viewport", text) if text.strip() else None for text in texts]
    width, height = numbers[:2]
    if width is None or height is None or not (1 <= width <= MOST_SIDE and 1 <= height <= MOST_SIDE):
        raise ValueError(f"viewport: its width and height are 1 to {MOST_SIDE}.")
    if len(numbers) == 2:
        return Viewport(width, height)
    left, top, part_width, part_height = numbers[2:]
    if (left or 0) < 0 or (top or 0) < 0 or part_width == 0 or part_height == 0:
        raise ValueError("viewport: the part begins at 0 or behind, and is no line.")
    return Viewport(width, height, left or 0, top or 0, part_width, part_height)


def window_of(text: str | None) -> Window | None:
    """`window=center,width[,function]`; None where none is asked for."""
    if text is None:
        return None
    texts = [part.strip() for part in text.split(",")]
    if len(texts) not in (2, 3):
        raise ValueError("window: give center,width,function.")
    function = FUNCTIONS.get(texts[2].lower().replace("_", "-")) if len(texts) == 3 else "LINEAR"
    if function is None:
        raise ValueError(f"window: the function is one of {', '.join(FUNCTIONS)}.")
    try:
        center, width = float(texts[0]), float(texts[1])
    except ValueError:
        raise ValueError("window: center and width are numbers.") from None
    least = 1.0 if function == "LINEAR" else 0.0
    if not (math.isfinite(center) and math.isfinite(width)) or width < least or width == 0:
        raise ValueError("window: the width is above 0, and 1 at least where it is linear.")
    return Window(center, width, function)


def _quality(query: Mapping[str, str]) -> int:
    if "quality" not in query:
        return QUALITY
    quality = _whole("quality", query["quality"])
    if not 1 <= quality <= 100:
        raise ValueError("quality: it is 1 to 100.")
    return quality


def _whole(name: str, text: str) -> int:
    try:
        return int(text.strip())
    except ValueError:
        raise ValueError(f"{name}: {text[:20]!r} is no whole number.") from None
