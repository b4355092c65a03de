"""Disk work in threads: whoever is cancelled waits for it, and then hears of the cancellation alone."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from libs.common.storage.blocking import in_thread
from libs.common.storage.draft import write_all
from tests.waiting import eventually


@pytest.mark.parametrize("outcome", ["written", OSError("the disk fails as well")])
async def test_a_call_cancelled_again_and_again_waits_for_its_thread(outcome: str | OSError) -> None:
    begun, gate = threading.Event(), threading.Event()

    def work() -> str:
        begun.set()
        gate.wait(10)
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


def test_writes_that_come_back_short_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = os.urandom(2500)
    real = os.write
    with (tmp_path / "file").open("wb") as file, monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, view: real(descriptor, view[:1000]))
        write_all(file.fileno(), data)
    assert (tmp_path / "file").read_bytes() == data
