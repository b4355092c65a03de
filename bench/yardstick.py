"""A fixed piece of work: the CPU time that it takes here and now is the unit in which machines are compared.

It does what a file's way does, in like shares: small Python objects, JSON, SHA-256, counting of values. Its
parts never change: a baseline that was taken with another yardstick means nothing.
"""

from __future__ import annotations

import hashlib
import time

import numpy as np
import orjson

BYTES = 512 * 1024
ROUNDS = 25


class _Step:
    __slots__ = ("number", "parts")

    def __init__(self, number: int) -> None:
        self.number = number
        self.parts = [f"{number}:{part}" for part in range(8)]

    def told(self) -> dict[str, object]:
        return {"number": self.number, "parts": self.parts, "last": self.parts[-1]}


def work() -> int:
    """One round: a millisecond or two."""
    steps = [_Step(number).told() for number in range(800)]
    found = sum(len(orjson.loads(orjson.dumps(step))) for step in steps)
    content = bytes(BYTES)
    values = np.frombuffer(content, np.uint16)
    return found + hashlib.sha256(content).digest()[0] + int(np.bincount(values)[0])


def cpu_ms() -> float:
    """CPU milliseconds that a round takes, the least of several: what disturbs it only adds."""
    taken = []
    for _ in range(ROUNDS):
        started = time.process_time()
        work()
        taken.append(time.process_time() - started)
    return min(taken) * 1000
