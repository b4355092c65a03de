"""The order of the images of a series."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

import pytest

from services.results.read.stack import StackedImage, in_order

AXIAL = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
SAGITTAL = [0.0, 1.0, 0.0, 0.0, 0.0, -1.0]


def image(
    name: int,
    number: int | None,
    position: Sequence[float] | None = None,
    *,
    plane: Sequence[float] | None = AXIAL,
) -> StackedImage:
    return StackedImage(UUID(int=name), number, position, plane)


def order(*images: StackedImage) -> list[int]:
    return [image.file_id.int for image in in_order(images)]


def test_parallel_planes_are_ordered_along_their_normal() -> None:
    images = [image(1, 1, [0, 0, 30]), image(2, 2, [0, 0, -5.5]), image(3, 3, [9, 9, 12])]
    assert order(*images) == [2, 3, 1]
    turned = [image(of, of, [x, 0, 0], plane=SAGITTAL) for of, x in ((1, 3), (2, 1), (3, 2))]
    assert order(*turned) == [1, 3, 2], "the normal of a sagittal plane points to the patient's right"


def test_a_direction_written_with_few_digits_is_the_same() -> None:
    tilted = [0.9999, 0.0004, 0.0, 0.0, 1.0, 0.0]
    assert order(image(1, 1, [0, 0, 2]), image(2, 2, [0, 0, 1], plane=tilted)) == [2, 1]


@pytest.mark.parametrize(
    "other",
    [
        image(2, 1, None),
        image(2, 1, [0, 0, 1], plane=None),
        image(2, 1, [0, 0, 1], plane=SAGITTAL),
        image(2, 1, [0, 0, 5]),
        image(2, 1, [0, 0]),
        image(2, 1, [0, 0, 1], plane=[1.0, 0.0, 0.0]),
    ],
)
def test_what_does_not_lie_in_parallel_goes_by_number(other: StackedImage) -> None:
    assert order(image(1, 2, [0, 0, 5]), other) == [2, 1]


def test_without_numbers_they_come_last_in_the_order_of_their_upload() -> None:
    bare: dict[str, None] = {"plane": None}
    images = [image(4, None, **bare), image(3, None, **bare), image(2, 7, **bare), image(1, 7, **bare)]
    assert order(*images) == [1, 2, 3, 4]
    assert order() == []
