"""A circuit per codec: when nothing but crashes comes from one transfer syntax, it is paused and then probed.

Pure, of one worker: each learns by itself, by crashes of its own decoders. Times in seconds of any one clock.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import UUID


@dataclass
class _Codec:
    crashed: dict[UUID, None] = field(default_factory=dict)
    """The latest files whose decoder was lost, since one last answered."""
    until: float | None = None
    """The end of the pause; None while the circuit is closed."""
    probe: UUID | None = None
    """The one file that is tried after it."""


class Circuits:
    """Which files may be begun. Whatever was begun says how it ended, and `left` at last."""

    def __init__(self, crashes: int, seconds: float) -> None:
        """So many different files in a row that lose their decoder pause their codec for `seconds`."""
        self._crashes = crashes
        self._seconds = seconds
        self._codecs: dict[str, _Codec] = {}

    def begin(self, codec: str, file_id: UUID, now: float) -> float:
        """0 when the file may begin, else seconds after which to ask again; nothing waits for ever.

        After a pause one file is the probe. Those that have crashed before are it only when no other has come
        for a pause more: a file that is broken itself must not keep the codec paused.
        """
        known = self._codecs.get(codec)
        if known is None or known.until is None:
            return 0.0
        if known.probe is not None:
            return self._seconds
        ready = known.until + (self._seconds if file_id in known.crashed else 0.0)
        if now < ready:
            return ready - now
        known.probe = file_id
        return 0.0

    def crashed(self, codec: str, file_id: UUID, now: float) -> None:
        """The file's decoder crashed, or passed its deadline."""
        known = self._codecs.setdefault(codec, _Codec())
        known.crashed.pop(file_id, None)
        known.crashed[file_id] = None
        while len(known.crashed) > self._crashes:
            del known.crashed[next(iter(known.crashed))]
        probed = known.probe == file_id
        if probed:
            known.probe = None
        if probed or (known.until is None and len(known.crashed) >= self._crashes):
            known.until = now + self._seconds

    def answered(self, codec: str) -> None:
        """A decoder measured a file of this codec, or refused it: it works."""
        self._codecs.pop(codec, None)

    def left(self, codec: str, file_id: UUID) -> None:
        """The file is no longer under way, however it ended: another may be the probe."""
        known = self._codecs.get(codec)
        if known is not None and known.probe == file_id:
            known.probe = None

    def paused(self, now: float) -> Iterator[str]:
        """Codecs that are paused or on probation; may be asked from another thread."""
        for codec, known in list(self._codecs.items()):
            if known.until is not None and (now < known.until or known.probe is not None):
                yield codec
