"""Which of several media types a request would rather have (RFC 9110 12.5.1)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from libs.dicom.web.media_ranges import parse_accept


def chosen(headers: Iterable[str], offered: Sequence[str]) -> str:
    """The first offered type that the best of the ranges takes; without one, the first of all.

    An answer in another type than those asked for is better than none where something was done.
    """
    for one in parse_accept(headers):
        for media in offered:
            if one.takes(media):
                return media
    return offered[0]
