"""The order of the images of a series; pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from uuid import UUID

SAME_DIRECTION = 1e-3
"""Direction cosines that differ by less are of one plane: they are written with few digits."""


class StackedImage(NamedTuple):
    """What tells where an image lies among the others of its series."""

    file_id: UUID
    instance_number: int | None
    position: Sequence[float] | None
    """Of the upper left pixel, in mm."""
    orientation: Sequence[float] | None
    """Direction cosines of a row, then of a column."""


def in_order(images: Sequence[StackedImage]) -> list[StackedImage]:
    """Along the normal where all lie in parallel planes, each in its own; else by instance number."""
    by_number = sorted(
        images, key=lambda image: (image.instance_number is None, image.instance_number or 0, image.file_id)
    )
    places = _places(by_number)
    if places is None:
        return by_number
    return [image for _, image in sorted(zip(places, by_number, strict=True), key=lambda pair: pair[0])]


def _places(images: Sequence[StackedImage]) -> list[float] | None:
    """How far along the common normal each lies; None where that orders nothing (PS3.3 C.7.6.2.1.1)."""
    common = images[0].orientation if images else None
    if common is None or len(common) != 6:
        return None
    row, column = common[:3], common[3:]
    normal = (
        row[1] * column[2] - row[2] * column[1],
        row[2] * column[0] - row[0] * column[2],
        row[0] * column[1] - row[1] * column[0],
    )
    places: list[float] = []
    for _, _, position, orientation in images:
        if position is None or len(position) != 3 or orientation is None or len(orientation) != 6:
            return None
        if max(abs(a - b) for a, b in zip(orientation, common, strict=True)) > SAME_DIRECTION:
            return None
        places.append(sum(a * b for a, b in zip(normal, position, strict=True)))
    return places if len(set(places)) == len(places) else None
