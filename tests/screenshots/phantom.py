"""Slices of nobody: bodies out of ellipses, that look like what a scanner makes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SIDE = 320
AIR = -1000.0


class Ellipse(NamedTuple):
    """Where it lies (-1 to 1), its half axes, and its value in Hounsfield units."""

    x: float
    y: float
    wide: float
    high: float
    value: float


ABDOMEN = (
    Ellipse(0, 0.02, 0.86, 0.62, -90),  # fat
    Ellipse(0, 0.02, 0.8, 0.56, 45),
    Ellipse(-0.33, -0.12, 0.4, 0.34, 105),  # liver
    Ellipse(0.4, -0.14, 0.2, 0.22, 125),  # spleen
    Ellipse(0.1, -0.22, 0.2, 0.15, 15),  # stomach
    Ellipse(0.14, -0.28, 0.12, 0.05, -900),
    Ellipse(-0.36, 0.24, 0.13, 0.15, 165),  # kidneys
    Ellipse(0.36, 0.24, 0.13, 0.15, 165),
    Ellipse(0.06, 0.12, 0.06, 0.06, 230),  # aorta
    Ellipse(0, 0.34, 0.13, 0.11, 420),  # spine
    Ellipse(0, 0.42, 0.05, 0.05, 20),
)
CHEST = (
    Ellipse(0, 0, 0.88, 0.64, -80),
    Ellipse(0, 0, 0.8, 0.56, 50),
    Ellipse(-0.4, -0.02, 0.33, 0.44, -840),  # lungs
    Ellipse(0.4, -0.02, 0.33, 0.44, -840),
    Ellipse(0.1, -0.08, 0.26, 0.25, 90),  # heart
    Ellipse(-0.42, 0.06, 0.05, 0.04, -200),
    Ellipse(0.46, -0.1, 0.03, 0.03, 30),
    Ellipse(0.02, 0.38, 0.13, 0.11, 450),
)
HEAD = (
    Ellipse(0, 0, 0.62, 0.78, 60),
    Ellipse(0, 0, 0.58, 0.74, 900),  # skull
    Ellipse(0, 0.01, 0.52, 0.68, 34),
    Ellipse(0, 0.01, 0.46, 0.6, 28),
    Ellipse(-0.1, -0.06, 0.06, 0.2, 6),  # ventricles
    Ellipse(0.1, -0.06, 0.06, 0.2, 6),
    Ellipse(0.28, 0.28, 0.08, 0.09, 62),
)


def slice_of(body: Sequence[Ellipse], place: float, seed: int) -> NDArray[np.uint16]:
    """Stored values (12 bits, rescaled by -1024) of the slice at `place`, from 0 to 1."""
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
    image = np.full((SIDE, SIDE), AIR)
    swell = 1 - 0.25 * abs(place - 0.5)
    for number, part in enumerate(body):
        own = swell * (1 if number < 2 else 1 - 0.6 * abs(place - 0.5 + 0.07 * (number % 3 - 1)))
        inside = ((x - part.x) / (part.wide * own)) ** 2 + ((y - part.y) / (part.high * own)) ** 2 < 1
        image[inside] = part.value
    noise = np.random.default_rng(seed).normal(0, 9, image.shape)
    # A detector sees no sharp edge.
    for axis in (0, 1):
        image = (np.roll(image, 1, axis) + 2 * image + np.roll(image, -1, axis)) / 4
    return np.clip(image + noise + 1024, 0, 4095).astype(np.uint16)
