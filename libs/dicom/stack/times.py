"""When images were taken, and how long frames are shown."""

from __future__ import annotations

import re
from datetime import datetime

from libs.dicom.pixels.attributes import Attributes

_DATE = re.compile(r"(\d{4})\.?(\d\d)\.?(\d\d)", re.ASCII)
_TIME = re.compile(r"(\d\d):?(\d\d)?:?(\d\d)?(?:\.(\d{1,6}))?", re.ASCII)
_MOMENTS = ("AcquisitionDateTime", "FrameAcquisitionDateTime", "FrameReferenceDateTime")
_PAIRS = (("AcquisitionDate", "AcquisitionTime"), ("ContentDate", "ContentTime"))


def acquired(holder: Attributes) -> str | None:
    """When it was acquired, or made, in ISO 8601 by the clock where that was; None where that is not said."""
    for keyword in _MOMENTS:
        if text := holder.text(keyword):
            found = _moment(text[:8], re.split("[&+-]", text[8:])[0])
            if found is not None:
                return found
    for date, time in _PAIRS:
        found = _moment(holder.text(date), holder.text(time))
        if found is not None:
            return found
    return None


def frame_times(attributes: Attributes, frames: int) -> float | list[float] | None:
    """Milliseconds that each frame is shown, or from the one before to each (PS3.3 C.7.6.5)."""
    if frames < 2:
        return None
    each = attributes.number("FrameTime")
    vector = attributes.numbers("FrameTimeVector")
    if len(vector) == frames and min(vector) >= 0 and max(vector) > 0:
        return list(vector)
    if each is not None and each > 0:
        return each
    for keyword in ("RecommendedDisplayFrameRate", "CineRate"):
        rate = attributes.number(keyword)
        if rate is not None and rate > 0:
            return 1000.0 / rate
    return None


def _moment(date: str, time: str) -> str | None:
    day, clock = _DATE.fullmatch(date), _TIME.fullmatch(time)
    if day is None or clock is None:
        return None
    hour, minute, second, fraction = clock.groups()
    try:
        found = datetime(
            int(day[1]),
            int(day[2]),
            int(day[3]),
            int(hour),
            int(minute or 0),
            int(second or 0),
            int((fraction or "0").ljust(6, "0")),
        )
    except ValueError:
        return None
    return found.isoformat()
