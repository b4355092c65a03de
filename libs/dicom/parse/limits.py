"""Caps on one header, so that no file can make its reader slow, deep or large."""

from __future__ import annotations

import time
from dataclasses import dataclass

from libs.dicom.faults import DicomFault

_TIME_CHECK_EVERY = 64
_LONG_VALUE = 4 << 10


@dataclass(frozen=True, slots=True)
class HeaderLimits:
    """What one header may use up; a value skipped as bulk data does not count as header bytes."""

    max_bytes: int = 16 << 20
    max_elements: int = 200_000
    max_depth: int = 32
    """Nesting of sequences; the outermost data set is depth 0."""
    max_values: int = 2_500_000
    """Single numbers and strings of all elements: 2 bytes in the file are some 36 as a JSON number."""
    deadline_seconds: float = 5.0
    """CPU time of the thread that reads: a busy machine or a slow disk is no fault of the file."""


class Budget:
    """Counts what one header has used up; every method raises DicomFault once a cap is reached.

    It is made and used in one thread, whose time counts.
    """

    __slots__ = ("_bytes", "_deadline", "_elements", "_limits", "_values")

    def __init__(self, limits: HeaderLimits) -> None:
        self._limits = limits
        self._bytes = 0
        self._elements = 0
        self._values = 0
        self._deadline = time.thread_time() + limits.deadline_seconds

    def element(self, size: int = 0, values: int = 0) -> None:
        """Count an element or sequence item with the bytes and single values that are kept of it.

        Looks at the clock every 64th time and after a long value.
        """
        self._elements += 1
        limits = self._limits
        if self._elements > limits.max_elements:
            raise DicomFault(
                "too-many-elements",
                f"The header holds more than {limits.max_elements} elements. "
                "Split the object, or send it without its per-frame private data.",
            )
        if size:
            self.size(size, values)
        if self._elements % _TIME_CHECK_EVERY == 0 or size > _LONG_VALUE:
            self.time()

    def size(self, size: int, values: int = 0) -> None:
        """Count bytes and single values that are kept, of no element of their own."""
        self._bytes += size
        self._values += values
        limits = self._limits
        if self._bytes > limits.max_bytes or self._values > limits.max_values:
            raise DicomFault(
                "header-too-large",
                f"Without its bulk data the header is larger than {limits.max_bytes} bytes, or holds more "
                f"than {limits.max_values} single values. Split the object into smaller ones.",
            )

    def depth(self, depth: int) -> None:
        """Check the nesting of an item about to be opened."""
        if depth > self._limits.max_depth:
            raise DicomFault(
                "header-too-deep",
                f"Sequences are nested more than {self._limits.max_depth} levels deep. "
                "No DICOM object needs that: export it again from its source.",
            )

    def time(self) -> None:
        """Check the clock."""
        if time.thread_time() > self._deadline:
            raise DicomFault(
                "header-deadline",
                f"Reading the header took more than {self._limits.deadline_seconds:g} seconds of computing: "
                "the file is built to be slow, or damaged. Export it again from its source.",
            )
