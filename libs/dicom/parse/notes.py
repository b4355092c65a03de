"""Warnings about faulty elements: recorded, bounded, and free of patient data."""

from __future__ import annotations

from pydicom.datadict import keyword_for_tag

_KEPT = 100


class Notes:
    """Warnings in the order they came; the same one is kept once, and only so many in all."""

    __slots__ = ("_notes", "_omitted")

    def __init__(self) -> None:
        self._notes: dict[str, None] = {}
        self._omitted = 0

    def add(self, text: str) -> None:
        """Record a sentence; it must quote nothing of the data set but tags."""
        if text in self._notes:
            return
        if len(self._notes) < _KEPT:
            self._notes[text] = None
        else:
            self._omitted += 1

    def element(self, tag: int, text: str) -> None:
        """Record what is wrong with the element `tag`."""
        self.add(f"{label(tag)}: {text}")

    def all(self) -> tuple[str, ...]:
        """Give what was recorded."""
        more = (f"{self._omitted} more warnings",) if self._omitted else ()
        return (*self._notes, *more)


def label(tag: int) -> str:
    """Name a tag for a person: `(0028,0008) NumberOfFrames`."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X}) {keyword_for_tag(tag)}".rstrip()
