"""Real children: what they are given, what ends them, and who pays for it."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import orjson
import pytest

from libs.common.errors import Unavailable
from libs.isolation.calls import CallFailed, ChildCrashed, ChildTimedOut
from libs.isolation.frames import ANSWER, READY, frame
from libs.isolation.limits import OPEN_FILES, ChildLimits
from libs.isolation.pool import ChildPool
from tests.isolation_support import WORK
from tests.waiting import eventually

MIB = 1 << 20
MakePool = Callable[..., ChildPool]


@pytest.fixture
async def make_pool() -> AsyncIterator[MakePool]:
    """A pool, closed at the end."""
    pools: list[ChildPool] = []

    def make(
        *,
        slots: int = 1,
        cpu: float = 60.0,
        wall: float = 60.0,
        calls: int = 1000,
        nice: int = 0,
        settings: bytes = b"",
    ) -> ChildPool:
        pools.append(ChildPool(WORK, settings, ChildLimits(cpu, wall, 512 * MIB, calls, nice), slots=slots))
        return pools[-1]

    yield make
    for pool in pools:
        await pool.close()


async def given(pool: ChildPool, *parts: bytes, quick: bool = True) -> asyncio.Task[tuple[bytes, ...]]:
    """A call that a child has, or that waits for one."""
    task = asyncio.create_task(pool.call(parts, quick=quick))
    await asyncio.sleep(0)
    return task


async def test_a_child_has_what_a_call_gives_it_and_nothing_else(
    make_pool: MakePool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYRING_FILE", "/secret")
    pool = make_pool()
    inherited = os.open(tmp_path, os.O_RDONLY)
    os.set_inheritable(inherited, True)
    (tmp_path / "object").write_bytes(b"ciphertext")
    with (tmp_path / "object").open("rb") as file:
        assert await pool.call([b"echo", b"key"], file.fileno()) == (b"key", b"ciphertext")
    (found,) = await pool.call([b"look"])
    os.close(inherited)
    told = orjson.loads(found)
    assert set(told["environment"]) <= {"OPENBLAS_NUM_THREADS", "LC_CTYPE"}
    others = {number: target for number, target in told["descriptors"] if number > 2}
    assert len(others) == 1
    assert next(iter(others.values())).startswith("socket:")
    assert {target for number, target in told["descriptors"] if number <= 2} == {"/dev/null"}


async def test_a_crash_is_charged_to_the_call_that_was_worked_on(make_pool: MakePool) -> None:
    pool = make_pool()
    first = await given(pool, b"crash")
    behind = [await given(pool, b"echo", str(n).encode()) for n in range(5)]
    with pytest.raises(ChildCrashed, match="code -11"):
        await first
    assert await asyncio.gather(*behind) == [(str(n).encode(),) for n in range(5)]
    assert pool.replaced == 1


async def test_a_call_that_a_child_had_not_begun_is_charged_to_nobody(make_pool: MakePool) -> None:
    """The child was idle when something ended it."""
    pool = make_pool()
    await pool.call([b"pid"])
    (pid,) = pool.pids
    os.kill(pid, signal.SIGSTOP)
    call = await given(pool, b"echo", b"1")
    os.kill(pid, signal.SIGKILL)
    assert await call == (b"1",)
    assert pool.replaced == 1


async def test_calls_that_a_child_had_not_begun_are_charged_to_nobody_however_many(
    make_pool: MakePool,
) -> None:
    pool = make_pool()
    await pool.call([b"pid"])
    (pid,) = pool.pids
    os.kill(pid, signal.SIGSTOP)
    calls = [await given(pool, b"echo", str(n).encode()) for n in range(5)]
    os.kill(pid, signal.SIGKILL)
    assert await asyncio.gather(*calls) == [(str(n).encode(),) for n in range(5)]
    assert pool.replaced == 1


async def test_a_child_that_denies_what_it_has_begun_is_believed_once(make_pool: MakePool) -> None:
    """It may be the work of a stranger's file."""
    pool = make_pool()
    with pytest.raises(ChildCrashed):
        await pool.call([b"deny"])
    assert pool.replaced == 2


async def test_answers_that_were_given_before_a_crash_count(make_pool: MakePool) -> None:
    pool = make_pool()
    await pool.call([b"pid"])
    calls = [await given(pool, *parts) for parts in ((b"echo", b"1"), (b"crash",), (b"echo", b"2"))]
    first, second, third = await asyncio.gather(*calls, return_exceptions=True)
    assert (first, third) == ((b"1",), (b"2",))
    assert isinstance(second, ChildCrashed)


async def test_those_behind_a_long_call_are_given_to_others(make_pool: MakePool) -> None:
    """It began beside a busy neighbour; once that is free it takes what waits."""
    pool = make_pool(slots=2)
    await asyncio.gather(pool.call([b"sleep", b"0.2"]), pool.call([b"sleep", b"0.2"]))
    await eventually(lambda: pool.ready)
    longs = [await given(pool, b"spin"), await given(pool, b"sleep", b"0.5")]
    behind = [await given(pool, b"pid") for _ in range(4)]
    pids = {parts[0] for parts in await asyncio.gather(*behind)}
    assert len(pids) == 1
    assert not longs[0].done()
    longs[0].cancel()
    assert (await longs[1])[0] in pids


async def test_so_many_work_at_once_as_are_allowed(make_pool: MakePool) -> None:
    pool = make_pool(slots=2)
    await asyncio.gather(pool.call([b"sleep", b"0.2"]), pool.call([b"sleep", b"0.2"]))
    await eventually(lambda: pool.ready)
    pool.at_once = 1
    long, behind = await given(pool, b"sleep", b"0.3"), [await given(pool, b"pid") for _ in range(4)]
    assert pool.busy == 1
    [pid] = {parts[0] for parts in await asyncio.gather(long, *behind)}
    spinning, waiting = await given(pool, b"spin", quick=False), await given(pool, b"pid", quick=False)
    assert (pool.busy, waiting.done()) == (1, False)
    pool.at_once = 2
    assert (await waiting)[0] != pid or not spinning.done()
    spinning.cancel()


async def test_what_is_not_quick_waits_for_an_idle_child(make_pool: MakePool) -> None:
    pool = make_pool(slots=2)
    await asyncio.gather(pool.call([b"sleep", b"0.2"]), pool.call([b"sleep", b"0.2"]))
    spinning = await given(pool, b"spin", quick=False)
    pids = {(await pool.call([b"pid"], quick=quick))[0] for quick in (True, False, True, False)}
    assert len(pids) == 1
    assert pool.busy == 1
    spinning.cancel()


async def test_cancelling_ends_the_child_and_no_other_call(make_pool: MakePool) -> None:
    pool = make_pool()
    (pid,) = await pool.call([b"pid"])
    spinning = await given(pool, b"spin")
    behind = await given(pool, b"pid")
    dropped = await given(pool, b"crash")
    dropped.cancel()
    spinning.cancel()
    (other,) = await behind
    assert other != pid
    assert pool.replaced == 0
    await pool.call([b"echo"])


async def test_a_child_that_computes_too_long_is_ended(make_pool: MakePool) -> None:
    pool = make_pool(cpu=0.5)
    with pytest.raises(ChildTimedOut, match=r"0\.5 s of CPU"):
        await pool.call([b"spin"])
    assert pool.replaced == 1


async def test_what_a_call_raises_is_told_without_its_text(make_pool: MakePool) -> None:
    """The text may quote what was worked on; and the child goes on."""
    pool = make_pool()
    (pid,) = await pool.call([b"pid"])
    with pytest.raises(CallFailed, match=r"ValueError at .*isolation_support\.py") as failed:
        await pool.call([b"fail"])
    assert "PAT-0001" not in str(failed.value)
    assert await pool.call([b"pid"]) == (pid,)


@pytest.mark.parametrize(
    "said",
    [b"\xff" * 100, frame(READY), frame(ANSWER) + frame(ANSWER), frame(77), frame(ANSWER, [bytes(100)])[:50]],
    ids=["no frame", "ready again", "two answers", "unknown", "half an answer"],
)
async def test_a_child_that_does_not_keep_to_the_format_is_ended(make_pool: MakePool, said: bytes) -> None:
    pool = make_pool(wall=5.0)
    try:
        await pool.call([b"say", said])
    except (ChildCrashed, ChildTimedOut):
        pass
    else:
        assert said.startswith(frame(ANSWER)), "the first answer is one"
    await eventually(lambda: pool.replaced == 1)
    assert await pool.call([b"echo", b"1"]) == (b"1",)


async def test_after_so_many_calls_another_child_takes_over(make_pool: MakePool) -> None:
    pool = make_pool(calls=10)
    pids = []

    async def enough() -> bool:
        pids.append((await pool.call([b"pid"]))[0])
        return len(set(pids)) == 3

    await eventually(enough)
    assert pool.replaced == 0
    assert min(pids.count(pid) for pid in set(pids[:-1])) >= 10


async def test_children_that_cannot_be_started_are_unavailable(make_pool: MakePool) -> None:
    """No call waits for ever; and none is at fault."""
    pool = make_pool(settings=b"broken")
    for _ in range(2):
        with pytest.raises(Unavailable):
            await pool.call([b"echo"])
    assert not pool.ready


async def test_limits_are_those_of_the_kernel(make_pool: MakePool) -> None:
    pool = make_pool()
    (pid,) = await pool.call([b"pid"])
    rows = Path(f"/proc/{pid.decode()}/limits").read_text().splitlines()
    limits = {row[:25].strip(): row[25:].split()[:2] for row in rows[1:]}
    assert limits["Max data size"] == [str(512 * MIB)] * 2
    assert limits["Max core file size"] == limits["Max file size"] == ["0", "0"]
    assert limits["Max open files"] == [str(OPEN_FILES)] * 2


async def test_a_child_goes_behind_its_parent_and_has_no_signals_of_its_terminal(make_pool: MakePool) -> None:
    pool = make_pool(nice=7)
    await pool.call([b"pid"])
    (pid,) = pool.pids
    assert os.getpriority(os.PRIO_PROCESS, pid) == os.getpriority(os.PRIO_PROCESS, 0) + 7
    assert os.getsid(pid) == os.getsid(0)
    assert os.getpgid(pid) == pid


async def test_children_end_with_the_pool(make_pool: MakePool) -> None:
    pool = make_pool(slots=2)
    spinning = await given(pool, b"spin")
    await eventually(lambda: pool.ready)
    pids = pool.pids
    await pool.close()
    with pytest.raises(ChildCrashed):
        await spinning
    assert not any(Path(f"/proc/{pid}").exists() for pid in pids)
    with pytest.raises(Unavailable):
        await pool.call([b"echo"])
