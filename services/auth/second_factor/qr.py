"""QR codes as paths: what a page can draw without markup, and an image for others; pure."""

from __future__ import annotations

from dataclasses import dataclass

import segno

BORDER = 4
"""Light modules around it (ISO/IEC 18004)."""


@dataclass(frozen=True)
class Drawing:
    """Dark modules as one SVG path within a square of `size` units, its light border included."""

    size: int
    path: str

    def svg(self) -> str:
        """The same as an image."""
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.size} {self.size}">'
            f'<path fill="#fff" d="M0 0h{self.size}v{self.size}H0z"/><path d="{self.path}"/></svg>'
        )


def draw(text: str) -> Drawing:
    """The QR code of a text; a seventh of it may be unreadable (level M)."""
    matrix = segno.make_qr(text, error="m").matrix
    runs = []
    for y, row in enumerate(matrix, BORDER):
        x = 0
        while x < len(row):
            length = 1
            while x + length < len(row) and row[x + length] == row[x]:
                length += 1
            if row[x]:
                runs.append(f"M{x + BORDER} {y}h{length}v1h-{length}z")
            x += length
    return Drawing(len(matrix) + 2 * BORDER, "".join(runs))
