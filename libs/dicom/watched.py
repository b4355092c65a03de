"""Telling errors of a stream from errors of those who read it."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import BinaryIO, TypeVar, cast

from libs.dicom.faults import DicomFault

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


@contextmanager
def decoding(watched: WatchedStream, says: Callable[[Exception], str]) -> Iterator[None]:
    """Run decoders over a stream; `says` what is told of an error of theirs.

    Raises DicomFault, and what the stream itself raised.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what pydicom remarks was recorded when the header was read
            yield
        watched.check()
    except DicomFault:
        watched.check()
        raise
    except MemoryError as error:
        raise DicomFault("memory-limit", "Decoding this object takes more memory than is allowed.") from error
    except Exception as error:
        # The one edge where any class is caught: decoders raise what they like, and all of it means
        # that this file cannot be decoded. The cause stays attached for the log.
        watched.check()
        raise DicomFault("decode-failed", says(error)) from error
