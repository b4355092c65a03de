"""A keyring that follows its file: rotating keys takes no restart."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path

from libs.common.encryption.keyring import Keyring
from libs.common.errors import ConfigurationError, Unavailable

log = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
"""How long a change of the file may go unnoticed by what wraps; what lacks a key looks at once."""
Stamp = tuple[int, int, int, int, int]


class FollowedKeyring(Keyring):
    """The file's ring at each moment; safe for concurrent use.

    A file that cannot be read any more, or is being written, leaves the ring as it was.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock` counts seconds. Raises ConfigurationError."""
        self._path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._stamp = _stamp_of(path)
        self._ring = Keyring.load(path)
        self._looked = clock()
        self.readable = True
        """Whether the last look could read the file."""

    def __repr__(self) -> str:
        return f"FollowedKeyring({str(self._path)!r}, {self._ring!r})"

    @property
    def current(self) -> str:
        return self.now().current

    def now(self) -> Keyring:
        """The ring as it is at this moment; the file is looked at now and then."""
        if self._clock() - self._looked >= LOOK_SECONDS:
            self._look()
        return self._ring

    def derived(self, purpose: str) -> dict[str, bytes]:
        return self.now().derived(purpose)

    def wrap(self, data_key: bytes, context: bytes) -> bytes:
        return self.now().wrap(data_key, context)

    def unwrap(self, reference: str, wrapped: bytes, context: bytes) -> bytes:
        """As a ring does, but first look into the file for a key that is not known yet."""
        ring = self.now()
        try:
            return ring.unwrap(reference, wrapped, context)
        except Unavailable:
            self._look()
            if self._ring is ring:
                raise
            return self._ring.unwrap(reference, wrapped, context)

    def _look(self) -> None:
        with self._lock:
            self._looked = self._clock()
            stamp = _stamp_of(self._path)
            if stamp is not None and stamp == self._stamp:
                return
            try:
                ring = Keyring.load(self._path)
            except ConfigurationError as error:
                if self.readable:
                    log.error("the keyring is kept as it was: %s", error.detail)
                self.readable = False
                return
            # Of before it was read: what was written meanwhile is seen by the next look.
            self._stamp, self.readable = stamp, True
            if ring.content != self._ring.content:
                log.info("the keyring has changed: %r", ring)
            self._ring = ring


def _stamp_of(path: Path) -> Stamp | None:
    """What changes when the file is replaced, written in place or mounted anew; None: not there."""
    try:
        told = path.stat()
    except OSError:
        return None
    return (told.st_dev, told.st_ino, told.st_mtime_ns, told.st_ctime_ns, told.st_size)
