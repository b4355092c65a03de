"""The frames of one stored object: where each lies, as stored, and decoded; for viewers and DICOMweb."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Any, NamedTuple, Self
from uuid import UUID

import numpy as np
import orjson

from libs.common.errors import InvalidContent
from libs.common.ids import file_key
from libs.common.storage import ChildAccess, ObjectReader, Storage
from libs.dicom.faults import DicomFault
from libs.dicom.parse.sealed import Sealed
from libs.dicom.parse.syntax import DEFLATED_UID, NATIVE_UIDS, data_set_syntax
from libs.dicom.pixels.codecs import CODECS
from libs.dicom.pixels.image import Image
from libs.dicom.pixels.spans import FileSpan, FrameSpans, simple_spans
from libs.dicom.render.frame import Rendering
from libs.dicom.render.values import are_cells, from_cells, value_type, values_size
from libs.dicom.transcode.part10 import image_of
from libs.dicom.transcode.pixels import is_as_it_stands
from libs.dicom.web.frames import is_video
from services.results.pixels.decoders import PixelDecoders


class DecodingFor(NamedTuple):
    """Where objects lie, who decodes them, and who takes a turn for each call."""

    storage: Storage
    decoders: PixelDecoders
    owner: str


PIECE_BYTES = 4 << 20
"""Of what a process decodes at once, unless a frame is larger: it waits here for its reader."""
LARGEST_PIECE = 32 << 20
KEPT = frozenset({"frames", "render", "values"})
"""Operations whose answers are kept for a while: what takes long, and is asked for again."""


class FrameSource:
    """An opened object. Use as a context; frames count from 0."""

    def __init__(self, reader: ObjectReader, decoding: DecodingFor, file_id: UUID) -> None:
        """`reader` is closed with it. Raises InvalidContent where no pixels can be read."""
        self.reader = reader
        self._decoding = decoding
        self._file_id = file_id
        self._access: ChildAccess | None = None
        self._held = AsyncExitStack()
        self._opening = asyncio.Lock()
        self._spans: list[FrameSpans] | None = None
        sealed = Sealed.from_trailer(reader.trailer)
        if sealed is None:
            raise InvalidContent(
                "This file came in with a release that did not note where its pixels lie: send it again.",
                code="decode-failed",
            )
        self.sealed = sealed
        try:
            self._image = image_of(sealed)
        except DicomFault as fault:
            raise InvalidContent(fault.detail, code="decode-failed") from fault

    @classmethod
    async def open(cls, decoding: DecodingFor, file_id: UUID) -> FrameSource:
        """Open the object of a file. Raises as above, and as Storage."""
        reader = await decoding.storage.open(file_key(file_id))
        try:
            return cls(reader, decoding, file_id)
        except BaseException:
            await reader.close()
            raise

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Release it; more than once is harmless."""
        await self._held.aclose()
        await self.reader.close()

    @property
    def transfer_syntax(self) -> str:
        """As stored."""
        return self.sealed.transfer_syntax_uid

    @property
    def count(self) -> int:
        """Frames; none without pixel data."""
        return 0 if self._image is None else self._image.frames

    @property
    def image(self) -> Image:
        """Its image. Raises InvalidContent where it has none."""
        if self._image is None:
            raise InvalidContent("This object has no pixel data.", code="no-pixel-data")
        return self._image

    @property
    def is_native(self) -> bool:
        """Whether its pixel data are not compressed."""
        return self.transfer_syntax in NATIVE_UIDS

    @property
    def is_decodable(self) -> bool:
        """Whether frames can be given without compression."""
        return self.is_native or self.transfer_syntax in CODECS

    async def codestreams(self) -> int:
        """How many there are of compressed pixel data: one for each frame, or one video."""
        return len(await self._all_spans())

    async def codestream(self, frame: int) -> AsyncIterator[bytes]:
        """A compressed frame as it is stored, read by range. Raises InvalidContent where it is not there."""
        spans = await self._all_spans()
        if frame >= len(spans):
            raise InvalidContent(
                "The compressed pixel data hold fewer frames than announced.", code="decode-failed"
            )
        for offset, length in spans[frame]:
            async for chunk in self.reader.chunks(offset, offset + length):
                yield chunk

    async def decoded(self, frame: int) -> AsyncIterator[bytes]:
        """A frame without compression, little endian."""
        image = self.image
        if not self.is_native:
            size = (image.full_values * image.bits_allocated + 7) // 8
            async for piece in self._in_pieces("frames", size, first=frame, frames=1):
                yield piece
            return
        bits = image.frame_values * image.bits_allocated
        first, last = frame * bits, (frame + 1) * bits
        if bits % 8 == 0:
            async for piece in self.native(first // 8, last // 8):
                yield piece
            return
        packed = b"".join([piece async for piece in self.native(first // 8, (last + 7) // 8)])
        cells = np.unpackbits(np.frombuffer(packed, np.uint8), bitorder="little")
        yield np.packbits(cells[first % 8 : first % 8 + bits], bitorder="little").tobytes()

    async def native(self, start: int, stop: int) -> AsyncIterator[bytes]:
        """Bytes of a value that is not compressed, little endian."""
        image = self.image
        if is_as_it_stands(image):
            offset = image.place.offset
            async for chunk in self.reader.chunks(offset + start, offset + stop):
                yield chunk
            return
        first = start - start % 8
        while first < stop:
            count = min(PIECE_BYTES, (image.place.length or 0) - first)
            (piece,) = await self._ask("native", start=first, count=count)
            yield piece[max(start - first, 0) : stop - first]
            first += count

    async def all_decoded(self) -> AsyncIterator[bytes]:
        """All frames of compressed pixel data, one behind the other."""
        image = self.image
        if image.bits_allocated == 1:
            size, at_once = (image.full_values * image.frames + 7) // 8, image.frames
        else:
            size = image.full_values * image.bits_allocated // 8
            at_once = max(1, PIECE_BYTES // size)
        for first in range(0, image.frames, at_once):
            frames = min(at_once, image.frames - first)
            taken = size if image.bits_allocated == 1 else size * frames
            async for piece in self._in_pieces("frames", taken, first=first, frames=frames):
                yield piece

    async def explicit(self) -> tuple[bytes, int | None, bytes]:
        """In Explicit VR Little Endian: what is before the pixel data, how long they are, what is behind."""
        before, after, told = await self._ask("explicit")
        return before, orjson.loads(told), after

    async def picture(self, frame: int, rendering: Rendering) -> bytes:
        """A frame as a picture. Raises as PixelDecoders."""
        (made,) = await self._ask("render", frame=frame, rendering=rendering.to_json())
        return made

    async def values(self, frame: int) -> AsyncIterator[bytes]:
        """What a viewer calculates with, little endian, as `value_type` of its image says.

        Raises InvalidContent where that is None, and as PixelDecoders.
        """
        image = self.image
        kind = value_type(image)
        if kind is None:
            raise InvalidContent("There is no picture of so many samples per pixel.", code="decode-failed")
        size = values_size(image, kind)
        if not are_cells(image):
            async for piece in self._in_pieces("values", size, frame=frame):
                yield piece
            return
        if (image.place.length or 0) < (frame + 1) * size:
            raise InvalidContent("The header describes more pixels than there are.", code="decode-failed")
        cell, rest = image.layout.cell // 8, b""
        offset = image.place.offset + frame * size
        async for chunk in self.reader.chunks(offset, offset + size):
            whole = rest + chunk
            at = len(whole) - len(whole) % cell
            yield from_cells(whole[:at], image)
            rest = whole[at:]

    async def value(self, uri: str, start: int = 0, stop: int | None = None) -> AsyncIterator[bytes]:
        """Bytes of a value that the header names by `uri`, little endian; without `stop` to its end.

        Raises KeyError where it names none.
        """
        offset, length, _ = self.sealed.bulk[uri]
        last = length if stop is None else min(stop, length)
        syntax = self.transfer_syntax
        if syntax != DEFLATED_UID and data_set_syntax(syntax).little:
            async for chunk in self.reader.chunks(offset + start, offset + last):
                yield chunk
            return
        # Whole words, whatever their size: their bytes may have to be turned round.
        for first in range(start - start % 8, last, PIECE_BYTES):
            (piece,) = await self._ask("value", uri=uri, start=first, count=min(PIECE_BYTES, length - first))
            yield piece[max(start - first, 0) : last - first]

    async def _in_pieces(self, do: str, size: int, **asked: Any) -> AsyncIterator[bytes]:
        """The `size` bytes that an operation makes; what it tells of them besides is left out."""
        for start in range(0, size, LARGEST_PIECE):
            piece, *_ = await self._ask(do, **asked, start=start, count=min(LARGEST_PIECE, size - start))
            yield piece

    async def _all_spans(self) -> list[FrameSpans]:
        if self._spans is None:
            frames = 1 if is_video(self.transfer_syntax) else self.image.frames
            self._spans = simple_spans(self.image.place, frames)
        if self._spans is None:
            (told,) = await self._ask("spans")
            self._spans = [[FileSpan(*span) for span in frame] for frame in orjson.loads(told)]
        return self._spans

    async def _ask(self, do: str, **asked: Any) -> tuple[bytes, ...]:
        if do not in KEPT:
            return await self._call(do, **asked)
        # Stored objects never change: another content has another id.
        question = orjson.dumps([str(self._file_id), do, asked], option=orjson.OPT_SORT_KEYS)
        kept = self._decoding.decoders.kept
        answer = kept.get(question)
        if answer is None:
            answer = await self._call(do, **asked)
            kept.put(question, answer)
        return answer

    async def _call(self, do: str, **asked: Any) -> tuple[bytes, ...]:
        # Once for all calls, also of the same moment: an object in MongoDB is copied to a disk for it.
        async with self._opening:
            if self._access is None:
                access = self._decoding.storage.child_access(file_key(self._file_id))
                self._access = await self._held.enter_async_context(access)
        return await self._decoding.decoders.ask(self._decoding.owner, self._access, do, **asked)
