"""Planes in the patient's space: directions, positions, and whether they are the same (PS3.3 C.7.6.2.1.1)."""

from __future__ import annotations

import math
from collections.abc import Sequence

Vector = tuple[float, float, float]
Orientation = tuple[float, float, float, float, float, float]
"""Direction cosines of a row, then of a column."""
Spacing = tuple[float, float]
"""Between rows, then between columns, in mm."""

SAME_DIRECTION = 1e-3
"""Direction cosines that differ by less are of one plane: they are written with few digits."""
_SAME_SPACING = 1e-3
_SKEW = 0.02
"""How far from 1 a direction's length may be, and from 0 what should be a right angle."""


def orientation_of(numbers: Sequence[float]) -> Orientation | None:
    """Two unit vectors at a right angle; None where these numbers are none."""
    if len(numbers) != 6:
        return None
    row, column = numbers[:3], numbers[3:]
    lengths = math.hypot(*row), math.hypot(*column)
    if any(abs(length - 1) > _SKEW for length in lengths) or abs(_dot(row, column)) > _SKEW:
        return None
    first, second, third, fourth, fifth, sixth = numbers
    return first, second, third, fourth, fifth, sixth


def position_of(numbers: Sequence[float]) -> Vector | None:
    """Of the upper left pixel, in mm."""
    if len(numbers) != 3:
        return None
    x, y, z = numbers
    return x, y, z


def spacing_of(numbers: Sequence[float]) -> Spacing | None:
    """Two positive numbers."""
    if len(numbers) != 2 or min(numbers) <= 0:
        return None
    row, column = numbers
    return row, column


def normal_of(orientation: Orientation) -> Vector:
    """What a stack is ordered along: from feet to head where it is axial."""
    row, column = orientation[:3], orientation[3:]
    return (
        row[1] * column[2] - row[2] * column[1],
        row[2] * column[0] - row[0] * column[2],
        row[0] * column[1] - row[1] * column[0],
    )


def place_along(normal: Vector, position: Vector) -> float:
    """How far along the normal a plane lies, in mm to the micrometre: also where a gantry is tilted."""
    return round(_dot(normal, position), 3)


def same_direction(one: Orientation, other: Orientation) -> bool:
    """Whether planes are parallel, and turned alike."""
    return all(abs(a - b) <= SAME_DIRECTION for a, b in zip(one, other, strict=True))


def same_spacing(one: Spacing | None, other: Spacing | None) -> bool:
    """Whether pixels are of one size."""
    if one is None or other is None:
        return one is other
    return all(abs(a - b) <= _SAME_SPACING * a for a, b in zip(one, other, strict=True))


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))
