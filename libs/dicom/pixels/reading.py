"""From a sealed reading to pixel cells: frame by frame, or slice by slice of a frame, never all at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from libs.dicom.faults import DicomFault
from libs.dicom.parse.inflate import inflated
from libs.dicom.parse.sealed import Sealed
from libs.dicom.parse.syntax import DEFLATED_UID, NATIVE_UIDS
from libs.dicom.pixels.attributes import Attributes, BulkValues
from libs.dicom.pixels.codecs import CELLS_KEPT, CODECS, Decoded
from libs.dicom.pixels.frames import encoded_frames
from libs.dicom.pixels.image import Image, Layout, describe_image
from libs.dicom.pixels.native import Block, native_blocks


@dataclass(frozen=True, slots=True)
class AnalysisLimits:
    """What the analysis of one file may use up."""

    max_frame_bytes: int = 256 << 20
    """Decoded size of one compressed frame, which codecs need whole; native frames are read in slices."""
    max_inflated_bytes: int = 8 << 30
    """Size of a deflated data set once inflated; it is never held whole."""
    max_frames: int = 1 << 20
    """Frames of one object; each costs some bookkeeping."""


@dataclass(frozen=True, slots=True)
class PixelSource:
    """An image ready to be read: `stream` gives its file, the data set inflated if need be."""

    stream: BinaryIO
    image: Image

    def blocks(self) -> Iterator[Block]:
        """Read all pixel cells from the start; raises DicomFault and whatever a codec raises."""
        if self.image.place.transfer_syntax_uid in NATIVE_UIDS:
            return native_blocks(self.stream, self.image)
        return _compressed_blocks(self.stream, self.image)

    @property
    def layout(self) -> Layout:
        """How stored values lie in the cells that `blocks` gives."""
        layout, uid = self.image.layout, self.image.place.transfer_syntax_uid
        return layout if uid in NATIVE_UIDS | CELLS_KEPT else replace(layout, high=layout.stored - 1)


def open_pixels(stream: BinaryIO, sealed: Sealed, limits: AnalysisLimits) -> PixelSource | None:
    """Find the image in the file that `stream` gives; raises DicomFault.

    None for an object without pixel data, in whatever transfer syntax.
    """
    place, uid = sealed.pixels, sealed.transfer_syntax_uid
    if place is None:
        return None
    if uid not in NATIVE_UIDS and uid not in CODECS:
        raise DicomFault(
            "unsupported-transfer-syntax",
            "The pixel data are compressed in a way that cannot be decoded here, such as video. "
            "Send the object in another transfer syntax.",
        )
    if uid == DEFLATED_UID:
        stream = inflated(stream, limits.max_inflated_bytes)
    bulk = BulkValues(stream, sealed.bulk, little=place.syntax.little)
    image = describe_image(Attributes(sealed.data_set, bulk), place)
    if image.frames > limits.max_frames:
        raise DicomFault("pixel-data-invalid", f"The object has more than {limits.max_frames} frames.")
    if uid in CODECS and image.data_size // image.frames > limits.max_frame_bytes:
        raise DicomFault(
            "memory-limit",
            f"One compressed frame takes more than {limits.max_frame_bytes} bytes once decoded.",
        )
    return PixelSource(stream, image)


def _compressed_blocks(stream: BinaryIO, image: Image) -> Iterator[Block]:
    """Decode frame by frame; each plane of a colour-by-plane frame is a block."""
    decode = CODECS[image.place.transfer_syntax_uid]
    done = 0
    for data in encoded_frames(stream, image):
        if done == image.frames:
            break  # more frames than the header says: the header decides
        yield from decoded_blocks(decode(data, image), done)
        done += 1
    if done < image.frames:
        raise DicomFault(
            "pixel-data-invalid",
            f"The header says {image.frames} frames but the compressed pixel data hold {done}.",
        )


def decoded_blocks(decoded: Decoded, frame: int) -> Iterator[Block]:
    """The cells of a decoded frame; each plane of a colour-by-plane one is a block."""
    if decoded.planar:
        for plane, words in enumerate(decoded.words):
            yield Block(frame, plane, 0, words[..., None], decoded.ybr)
    else:
        yield Block(frame, 0, 0, decoded.words, decoded.ybr)
