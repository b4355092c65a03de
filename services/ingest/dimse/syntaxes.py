"""Transfer syntaxes that objects may come in, in the order in which one is chosen (PS3.6 annex A); pure.

Of those that a sender offers in one presentation context it is the acceptor's order that decides. What is
compressed comes first: a sender that has compressed objects and offers native syntaxes beside would have to
decompress them, and many cannot. Lossless comes before lossy, which a sender might otherwise apply.
"""

from __future__ import annotations

IMPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_VR_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_VR_BIG_ENDIAN = "1.2.840.10008.1.2.2"

_JPEG = "1.2.840.10008.1.2.4."
LOSSLESS = (
    f"{_JPEG}201",  # HTJ2K, lossless only
    f"{_JPEG}202",  # the same with RPCL options
    f"{_JPEG}80",  # JPEG-LS lossless
    f"{_JPEG}90",  # JPEG 2000, lossless only
    f"{_JPEG}70",  # JPEG lossless, first-order prediction
    f"{_JPEG}57",  # JPEG lossless
    f"{_JPEG}92",  # JPEG 2000 part 2, lossless only
    f"{_JPEG}58",
    f"{_JPEG}65",
    f"{_JPEG}66",
    "1.2.840.10008.1.2.5",  # RLE
    "1.2.840.10008.1.2.8.1",  # deflated image frames
    "1.2.840.10008.1.2.1.98",  # encapsulated uncompressed
)
LOSSY = (
    f"{_JPEG}203",  # HTJ2K
    f"{_JPEG}91",  # JPEG 2000
    f"{_JPEG}81",  # JPEG-LS near-lossless
    f"{_JPEG}51",  # JPEG extended
    f"{_JPEG}50",  # JPEG baseline
    f"{_JPEG}93",  # JPEG 2000 part 2
    *(f"{_JPEG}{process}" for process in (52, 53, 54, 55, 56, 59, 60, 61, 62, 63, 64)),
)
VIDEO = tuple(
    f"{_JPEG}{video}"
    for video in (
        *("107", "108"),  # HEVC
        *("102", "103", "104", "105", "106"),  # MPEG-4 AVC
        *("100", "101"),  # MPEG2
        *("102.1", "103.1", "104.1", "105.1", "106.1", "100.1", "101.1"),  # fragmentable
    )
)
NATIVE = (EXPLICIT_VR_LITTLE_ENDIAN, EXPLICIT_VR_BIG_ENDIAN, DEFLATED, IMPLICIT_VR_LITTLE_ENDIAN)
PREFERRED = (*LOSSLESS, *LOSSY, *VIDEO, *NATIVE)
"""Not among them: what only points to pixels elsewhere (JPIP), and what is no data set (RFC 2557, XML)."""
RANK = {uid: place for place, uid in enumerate(PREFERRED)}


def preferred(offered: list[str]) -> str | None:
    """The one to choose of those that are offered; None where none can be taken."""
    known = [uid for uid in offered if uid in RANK]
    return min(known, key=RANK.__getitem__, default=None)
