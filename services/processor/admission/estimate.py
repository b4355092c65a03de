"""How many bytes one file will take of a decoder: from its header, corrected by what others really took.

Native pixels are read in slices, so their size does not matter; a compressed frame is held whole, with what
its codec needs beside it. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass

from libs.dicom.parse.syntax import NATIVE_UIDS

MIB = 1 << 20
BASE_BYTES = 32 * MIB
"""What a decoder takes for any file above what it takes idle: slices, tables of values, a thumbnail."""

_JPEG_2000 = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (90, 91, 201, 202, 203))
_FACTOR_JPEG_2000 = 8.0
"""Whole components as 32-bit integers, twice: 5 of 16-bit values, more of 8-bit ones."""
_FACTOR = 4.0
"""Decoded frame, encoded frame, and a copy of each on the way through a library: RLE 3.8, JPEG-LS 2.9."""
_FORGETTING = 0.05
"""How far one smaller peak takes a factor down; a larger one counts at once."""


@dataclass(frozen=True, slots=True)
class Pixels:
    """What the header tells of a file's pixels; `frame_bytes` is one frame, decoded."""

    transfer_syntax_uid: str
    frame_bytes: int


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes of a decoder above what it takes idle."""

    least: int
    """Below this nobody can decode it: the decoded frame itself."""
    likely: int


def pixels_of(
    transfer_syntax_uid: str, decoded_bytes: int | None, frames: int | None, size_bytes: int
) -> Pixels:
    """What is known of the file; where its header says nothing of its size, the file's own counts."""
    known = size_bytes if decoded_bytes is None else decoded_bytes
    return Pixels(transfer_syntax_uid, -(-known // max(frames or 1, 1)))


class Estimates:
    """Factors per transfer syntax, learned from this process's own decoders."""

    def __init__(self) -> None:
        """Begin with what the codecs are known to take."""
        self._factors: dict[str, float] = {}

    def of(self, pixels: Pixels, attempt: int = 1) -> Estimate:
        """What the file will take; twice as much for each attempt before, which may have found too little."""
        if pixels.transfer_syntax_uid in NATIVE_UIDS:
            least, grown = 0, 0.0
        else:
            least = pixels.frame_bytes
            grown = self.factor(pixels.transfer_syntax_uid) * pixels.frame_bytes
        likely = BASE_BYTES + int(grown)
        return Estimate(least, likely << min(attempt - 1, 8))

    def factor(self, transfer_syntax_uid: str) -> float:
        """Bytes that a decoder takes for each byte of a decoded frame."""
        prior = _FACTOR_JPEG_2000 if transfer_syntax_uid in _JPEG_2000 else _FACTOR
        return self._factors.get(transfer_syntax_uid, prior)

    def learn(self, pixels: Pixels, taken_bytes: int) -> None:
        """Correct the factor by what one file took of a decoder, above what that takes idle.

        It is never below one: of small frames nothing is seen beyond BASE_BYTES.
        """
        if pixels.transfer_syntax_uid in NATIVE_UIDS or pixels.frame_bytes <= 0:
            return
        seen = max(1.0, (taken_bytes - BASE_BYTES) / pixels.frame_bytes)
        before = self.factor(pixels.transfer_syntax_uid)
        if seen <= before and pixels.frame_bytes < BASE_BYTES / before:
            return  # hidden below the base: it tells nothing against the factor
        self._factors[pixels.transfer_syntax_uid] = (
            seen if seen > before else before + (seen - before) * _FORGETTING
        )
