"""Memory that a process holds without using it goes back to the kernel."""

from __future__ import annotations

import subprocess
import sys

HOLES = """
import asyncio
from libs.common import memory

def grow():
    pieces = [bytearray(20_000) for _ in range(4_000)]
    return pieces[::100]  # what is left lies between holes

async def main():
    memory.LOOK_SECONDS = 0.05
    giving = asyncio.create_task(memory.give_back_memory())
    await asyncio.sleep(0)
    kept = grow()
    held = memory._resident_bytes()
    await asyncio.sleep(1)
    print(held, memory._resident_bytes())
    kept = [kept, grow()]  # it goes on looking
    held = memory._resident_bytes()
    await asyncio.sleep(1)
    print(held, memory._resident_bytes())
    giving.cancel()

asyncio.run(main())
"""


def test_holes_in_the_heap_are_given_back() -> None:
    ended = subprocess.run([sys.executable, "-c", HOLES], capture_output=True, text=True, check=True)
    for line in ended.stdout.splitlines():
        held, left = map(int, line.split())
        assert held - left > 40 << 20
    assert len(ended.stdout.splitlines()) == 2
