"""Regions of ultrasound images that have a scale of their own (PS3.3 C.8.5.5)."""

from __future__ import annotations

from typing import Any

from libs.dicom.pixels.attributes import Attributes

UNITS = ("none", "%", "dB", "cm", "s", "Hz", "dB/s", "cm/s", "cm2", "cm2/s", "cm3", "cm3/s", "deg")
"""Of PhysicalUnitsXDirection and -YDirection, by their codes (PS3.3 C.8.5.5.1.15)."""


def regions_of(attributes: Attributes) -> list[dict[str, Any]]:
    """Where each lies in the image, and what one pixel is in it; those that say so."""
    found = []
    for item in attributes.items("SequenceOfUltrasoundRegions"):
        corners = [item.number(f"RegionLocation{corner}") for corner in ("MinX0", "MinY0", "MaxX1", "MaxY1")]
        steps = item.number("PhysicalDeltaX"), item.number("PhysicalDeltaY")
        if None in corners or None in steps or 0 in steps:
            continue
        named = zip(("x0", "y0", "x1", "y1", "dx", "dy"), (*corners, *steps), strict=True)
        units = {f"unit_{axis.lower()}": _unit(item, axis) for axis in "XY"}
        found.append({**dict(named), **units})
    return found


def _unit(item: Attributes, axis: str) -> str:
    code = item.number(f"PhysicalUnits{axis}Direction")
    known = code is not None and 0 <= code < len(UNITS) and code == int(code)
    return UNITS[int(code)] if known and code is not None else "none"
