"""Disk work in threads: whoever is cancelled waits for it, and then hears of the cancellation alone."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import weakref
from collections.abc import Sequence
from pathlib import Path

import pytest

from libs.common.storage.draft import write_all
from libs.common.storage.threads import Threads, in_thread
from tests.waiting import eventually


@pytest.mark.parametrize("outcome", ["written", OSError("the disk fails as well")])
async def test_a_call_cancelled_again_and_again_waits_for_its_thread(outcome: str | OSError) -> None:
    begun, gate = threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        gate.wait(60)
        if isinstance(outcome, OSError):
            raise outcome
        return outcome

    call = asyncio.create_task(in_thread(None, work))
    await eventually(begun.is_set)
    for _ in range(3):
        call.cancel()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not call.done()
    gate.set()
    await asyncio.wait({call})
    assert call.cancelled()


async def test_calls_run_beside_each_other_up_to_the_most() -> None:
    threads, gate = Threads(2), threading.Event()
    running: list[int] = []

    def work(number: int) -> int:
        running.append(number)
        gate.wait(10)
        return number

    calls = [asyncio.create_task(in_thread(threads, work, n)) for n in range(3)]
    await eventually(lambda: len(running) == 2)
    await asyncio.sleep(0.05)
    assert sorted(running) == [0, 1]
    gate.set()
    assert await asyncio.gather(*calls) == [0, 1, 2]
    assert await in_thread(threads, work, 3) == 3


class _Fails(OSError):
    """OSError itself takes no weak references."""


async def test_what_a_call_raises_is_raised_here_and_held_by_nobody() -> None:
    def work() -> None:
        raise _Fails("the disk fails")

    gc.disable()
    try:
        with pytest.raises(_Fails, match="the disk fails") as raised:
            await in_thread(None, work)
        told = weakref.ref(raised.value)
        del raised
        assert told() is None
    finally:
        gc.enable()


def test_writes_that_come_back_short_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(2500)
    real = os.writev

    def short(descriptor: int, views: Sequence[memoryview]) -> int:
        return real(descriptor, [views[0][:1000]])

    with (tmp_path / "file").open("wb") as file, monkeypatch.context() as patch:
        patch.setattr(os, "writev", short)
        write_all(file.fileno(), data[:700], b"", data[700:])
    assert (tmp_path / "file").read_bytes() == data
