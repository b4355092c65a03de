"""Telling errors of a stream from errors of those who read it."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO, TypeVar, cast

T = TypeVar("T")


class WatchedStream:
    """Remembers what a stream raised, since a decoder may swallow it or turn it into an error of its own."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._failure: Exception | None = None

    @property
    def reader(self) -> BinaryIO:
        """This stream as one to read from; only read, seek and tell are there."""
        return cast(BinaryIO, self)

    def check(self) -> None:
        """Raise what the stream raised, if it did."""
        if self._failure is not None:
            raise self._failure

    def read(self, count: int = -1) -> bytes:
        """Read as the stream does."""
        return self._noting(lambda: self._stream.read(count))

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Seek as the stream does."""
        return self._noting(lambda: self._stream.seek(offset, whence))

    def tell(self) -> int:
        """Tell as the stream does."""
        return self._noting(self._stream.tell)

    def _noting(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except MemoryError:
            raise  # the reader asked for too much
        except Exception as error:
            self._failure = error
            raise
