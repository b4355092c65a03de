"""In which form frames are given, as a client takes them (PS3.18 10.4.4, tables 8.7.3-4 and -5); pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from libs.dicom.parse.syntax import EXPLICIT_LITTLE_UID
from libs.dicom.web.instances import ANY
from libs.dicom.web.media_ranges import MediaRange, covers

OCTETS = "application/octet-stream"
MOST_FRAMES = 4096
"""That one address may name."""

_JPEG = "1.2.840.10008.1.2.4."
MEDIA_TYPES: Mapping[str, str] = MappingProxyType(
    {
        **{_JPEG + process: "image/jpeg" for process in ("50", "51", "57", "70")},
        **{_JPEG + process: "image/jls" for process in ("80", "81")},
        **{_JPEG + process: "image/jp2" for process in ("90", "91")},
        **{_JPEG + process: "image/jpx" for process in ("92", "93")},
        **{_JPEG + process: "image/jphc" for process in ("201", "202", "203")},
        **{_JPEG + process: "image/jxl" for process in ("110", "111", "112")},
        "1.2.840.10008.1.2.5": "image/dicom-rle",
        **{_JPEG + profile: "video/mpeg" for profile in ("100", "100.1", "101", "101.1")},
        **{_JPEG + profile: "video/mp4" for profile in ("102", "103", "104", "105", "106", "107", "108")},
        **{_JPEG + profile: "video/mp4" for profile in ("102.1", "103.1", "104.1", "105.1", "106.1")},
    }
)
"""Of compressed frames, by transfer syntax UID; a video is one stream of all its frames."""


def is_video(syntax: str) -> bool:
    """Whether all frames are one stream."""
    return MEDIA_TYPES.get(syntax, "").startswith("video/")


_LIST = re.compile(r"[0-9]{1,9}(?:,[0-9]{1,9})*")


class FrameForm(NamedTuple):
    """How an answer holds its frames."""

    media_type: str
    syntax: str
    stored: bool
    """As they are stored, not decoded."""
    single: bool = False
    """Without multipart."""

    @property
    def content_type(self) -> str:
        """Of each part."""
        return f"{self.media_type}; transfer-syntax={self.syntax}"


class StoredFrames(NamedTuple):
    """What decides which forms can be had."""

    syntax: str
    native: bool
    decodable: bool


def parse_frames(text: str) -> list[int] | None:
    """The frame numbers of an address, counted from 1 on; None for what is no such list."""
    if not _LIST.fullmatch(text):
        return None
    numbers = [int(number) for number in text.split(",")]
    return numbers if len(numbers) <= MOST_FRAMES else None


def frame_form(ranges: Sequence[MediaRange], stored: StoredFrames, *, one: bool) -> FrameForm | None:
    """The form that is taken best; `one`: a single frame is asked for. None: none of them can be had."""
    for asked in ranges:
        if asked.takes("multipart/related"):
            found = _form(asked.part, asked.transfer_syntax, stored)
        elif one and asked.type != "*/*":
            found = _form(asked.type, asked.transfer_syntax, stored)
            found = found and found._replace(single=True)
        else:
            continue
        if found is not None:
            return found
    return None


def _form(part: str, syntax: str | None, stored: StoredFrames) -> FrameForm | None:
    image = MEDIA_TYPES.get(stored.syntax, OCTETS)
    as_stored = syntax in (ANY, stored.syntax) and not stored.native
    if covers(part, OCTETS):
        if as_stored:
            return FrameForm(OCTETS if part == OCTETS else image, stored.syntax, stored=True)
        if stored.decodable and syntax in (None, ANY, EXPLICIT_LITTLE_UID):
            return FrameForm(OCTETS, EXPLICIT_LITTLE_UID, stored=False)
    if covers(part, image) and syntax in (None, ANY, stored.syntax) and not stored.native:
        # Also where anything is taken and nothing here decodes it.
        return FrameForm(image, stored.syntax, stored=True)
    return None
