"""What isolated processes answered lately, sealed in memory: a frame that many look at is decoded once."""

from __future__ import annotations

import os
from collections import OrderedDict

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from services.results.metrics import ResultsMetrics

_NONCE_BYTES = 12
_LARGEST_PART = 16
"""No answer takes more than this part of the room: one large image would push out everything else."""


class KeptAnswers:
    """Answers by question, the least recently asked out first. Of one event loop.

    Each is sealed by AES-256-GCM with a key that this process alone has and never writes, the question as
    associated data (NIST SP 800-38D): neither a memory dump nor a swapped page shows a picture without it.
    """

    def __init__(self, room: int, metrics: ResultsMetrics) -> None:
        """At most `room` bytes are kept; with 0, nothing."""
        self._room = room
        self._metrics = metrics
        self._kept: OrderedDict[bytes, list[bytes]] = OrderedDict()
        self._cipher = AESGCM(AESGCM.generate_key(256))
        self._bytes = 0
        metrics.pixels_kept_bytes.set_function(lambda: self._bytes)

    def get(self, question: bytes) -> tuple[bytes, ...] | None:
        """The answer, if it is kept."""
        sealed = self._kept.get(question)
        if sealed is None:
            self._metrics.pixels_kept.labels("missed").inc()
            return None
        try:
            parts = tuple(
                self._cipher.decrypt(part[:_NONCE_BYTES], part[_NONCE_BYTES:], question) for part in sealed
            )
        except InvalidTag:
            # Memory that changed by itself; asked anew, it is whole.
            self._drop(question)
            self._metrics.pixels_kept.labels("spoiled").inc()
            return None
        self._kept.move_to_end(question)
        self._metrics.pixels_kept.labels("found").inc()
        return parts

    def put(self, question: bytes, answer: tuple[bytes, ...]) -> None:
        """Keep an answer, if it is not too large."""
        if sum(map(len, answer)) * _LARGEST_PART > self._room:
            return
        self._drop(question)
        sealed = []
        for part in answer:
            nonce = os.urandom(_NONCE_BYTES)
            sealed.append(nonce + self._cipher.encrypt(nonce, part, question))
        self._kept[question] = sealed
        self._bytes += _size(question, sealed)
        while self._bytes > self._room:
            self._drop(next(iter(self._kept)))

    def clear(self) -> None:
        """Forget everything, and the key."""
        self._kept.clear()
        self._cipher = AESGCM(AESGCM.generate_key(256))
        self._bytes = 0

    def _drop(self, question: bytes) -> None:
        sealed = self._kept.pop(question, None)
        if sealed is not None:
            self._bytes -= _size(question, sealed)


def _size(question: bytes, sealed: list[bytes]) -> int:
    return len(question) + sum(map(len, sealed))
