"""Real decoder processes, really killed, stopped and starved: only the file at hand is affected."""

from __future__ import annotations

import asyncio
import os
import signal
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from libs.common.encryption import HEADER_BYTES
from libs.common.encryption.keyring import Keyring
from libs.common.errors import ObjectUnreadable, Unavailable
from libs.common.ids import file_key, new_file_id
from libs.common.storage import ChildAccess, FileStorage
from libs.dicom.measure.analysis import AnalysisLimits
from services.processor.answers import Measured, Refused
from services.processor.pool import PLACES_PER_SLOT, DecoderCrashed, DecoderPool, DecodeTimeout
from tests.builders import DEFLATED, JPEG_BASELINE, ct_instance, encapsulated_instance
from tests.waiting import eventually

MIB = 1 << 20
Store = Callable[[bytes], Awaitable[ChildAccess]]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    """Store an object; returns what a child needs to read it, good until the test ends."""
    storage = FileStorage(tmp_path / "objects", Keyring.create(tmp_path / "keyring.json"))

    async def put(content: bytes) -> ChildAccess:
        key = file_key(new_file_id())
        await storage.put(key, content, {"dicom": {}}, durable=False)
        return await opened.enter_async_context(storage.child_access(key))

    async with AsyncExitStack() as opened:
        yield put


MakePool = Callable[..., DecoderPool]


@pytest.fixture
async def make_pool() -> AsyncIterator[MakePool]:
    """A pool, closed at the end."""
    pools: list[DecoderPool] = []

    def make(
        *, slots: int = 2, cpu: float = 60.0, wall: float = 60.0, memory_bytes: int = 1024 * MIB
    ) -> DecoderPool:
        pools.append(
            DecoderPool(
                slots=slots,
                cpu_seconds=cpu,
                wall_seconds=wall,
                memory_bytes=memory_bytes,
                limits=AnalysisLimits(),
            )
        )
        return pools[-1]

    yield make
    for pool in pools:
        await pool.close()


def big() -> bytes:
    """Enough work to be caught in the middle of it."""
    return ct_instance(rows=1024, columns=1024, frames=64, seed=1)


def laborious() -> bytes:
    """A small file that takes many seconds of CPU time: 3 GiB of zeros, deflated."""
    frames, piece = 3072, 64 * MIB
    whole = ct_instance(1024, 1024, 8, frames=frames, pixels=b"", transfer_syntax=DEFLATED)
    start = 144 + int.from_bytes(whole[140:144], "little")
    head = zlib.decompress(whole[start:], -15)[:-4] + (frames * MIB).to_bytes(4, "little")
    deflate = zlib.compressobj(1, zlib.DEFLATED, -15)
    begin = deflate.compress(head) + deflate.flush(zlib.Z_FULL_FLUSH)
    # After a full flush nothing refers to what was before, so that a block may come again and again.
    zeros = deflate.compress(bytes(piece)) + deflate.flush(zlib.Z_FULL_FLUSH)
    return whole[:start] + begin + zeros * (frames * MIB // piece) + deflate.flush()


def decoders() -> set[int]:
    """Pids of this process's decoder children that have begun their work."""
    own = os.getpid()
    found = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            command = (entry / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == own and b"libs.isolation.child" in command:
            found.add(int(entry.name))
    return found


async def cpu_of(pid: int) -> int:
    """Clock ticks spent so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


async def caught_decoding(
    pool: DecoderPool, access: ChildAccess
) -> tuple[asyncio.Task[Measured | Refused], int]:
    """Start to measure; returns the task and the pid of the child once it works on the file."""
    before = {pid: await cpu_of(pid) for pid in decoders()}
    task = asyncio.create_task(pool.measure(access))

    async def busy() -> int:
        spent = {pid: await cpu_of(pid) - before[pid] for pid in before}
        pid = max(spent, key=lambda p: spent[p])
        return pid if spent[pid] >= 2 else 0

    return task, await eventually(busy)


async def started(pool: DecoderPool) -> asyncio.Task[None]:
    """Every child is up."""
    running = asyncio.create_task(pool.run())
    await eventually(lambda: len(decoders()) == pool.slots)
    return running


async def test_measures(store: Store, make_pool: MakePool) -> None:
    pool = make_pool()
    accesses = [await store(ct_instance(seed=n)) for n in range(6)]
    results = await asyncio.gather(*(pool.measure(a) for a in accesses))
    assert all(isinstance(r, Measured) for r in results)
    assert len({r.analysis.average_before_normalization for r in results if isinstance(r, Measured)}) == 6


async def test_a_killed_decoder_costs_one_file_only(store: Store, make_pool: MakePool) -> None:
    pool = make_pool(slots=2)
    first = await pool.measure(await store(ct_instance()))
    assert isinstance(first, Measured)
    await asyncio.gather(*[pool.measure(await store(ct_instance(seed=n))) for n in range(4)])
    task, pid = await caught_decoding(pool, await store(big()))
    neighbour = asyncio.create_task(pool.measure(await store(ct_instance(seed=9))))
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(DecoderCrashed):
        await task
    assert isinstance(await neighbour, Measured)
    assert isinstance(await pool.measure(await store(ct_instance(seed=10))), Measured)


async def test_a_hanging_decoder_is_ended(store: Store, make_pool: MakePool) -> None:
    """One that takes no CPU time."""
    pool = make_pool(slots=1, wall=5.0)
    assert isinstance(await pool.measure(await store(ct_instance())), Measured)
    task, pid = await caught_decoding(pool, await store(big()))
    os.kill(pid, signal.SIGSTOP)
    with pytest.raises(DecodeTimeout, match="did not answer for 5 s"):
        await task
    assert isinstance(await pool.measure(await store(ct_instance(seed=2))), Measured)
    assert pid not in decoders()


async def test_a_decoder_that_computes_too_long_is_ended(store: Store, make_pool: MakePool) -> None:
    """In CPU time, which other work on the machine does not use up."""
    pool = make_pool(slots=1, cpu=1.0)
    assert isinstance(await pool.measure(await store(ct_instance())), Measured)
    with pytest.raises(DecodeTimeout, match="took 1 s of CPU time"):
        await pool.measure(await store(laborious()))
    assert pool.replaced == 1
    for seed in range(3):
        assert isinstance(await pool.measure(await store(ct_instance(seed=seed))), Measured)


async def test_a_sound_file_may_wait_for_the_cpu(store: Store, make_pool: MakePool) -> None:
    """As on a busy machine: here its decoder gets none for longer than its deadline."""
    pool = make_pool(slots=1, cpu=2.0)
    assert isinstance(await pool.measure(await store(ct_instance())), Measured)
    task, pid = await caught_decoding(pool, await store(big()))
    os.kill(pid, signal.SIGSTOP)
    await asyncio.sleep(3.0)
    os.kill(pid, signal.SIGCONT)
    assert isinstance(await task, Measured)


async def test_the_deadline_begins_anew_with_each_file(store: Store, make_pool: MakePool) -> None:
    pool = make_pool(slots=1, cpu=2.0)
    access, spent = await store(big()), 0.0
    while spent < 3.0:
        result = await pool.measure(access)
        assert isinstance(result, Measured)
        spent += result.seconds


async def test_a_disk_that_fails_says_nothing_about_the_file(store: Store, make_pool: MakePool) -> None:
    """What a decoder cannot read is no answer: the caller tries again."""
    pool = make_pool(slots=1)
    access = await store(ct_instance())
    # The kernel answers EIO where nothing is mapped, as a bad sector does.
    with Path("/proc/self/mem").open("rb") as unreadable, pytest.raises(ObjectUnreadable):
        await pool.measure(ChildAccess("/proc/self/mem", unreadable.fileno(), access.data_key))
    assert isinstance(await pool.measure(access), Measured)


async def test_a_false_answer_is_a_crash(
    store: Store, make_pool: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of a decoder that a file has taken over, say; another attempt gets a true one."""
    monkeypatch.setattr("services.processor.child.WORK", "tests.isolation_support:worker")
    pool = make_pool(slots=1)
    access = await store(ct_instance())
    with pytest.raises(DecoderCrashed, match="cannot be read"):
        await pool.measure(ChildAccess(access.path, access.descriptor, b"echo"))


async def test_no_more_files_are_fetched_than_are_soon_decoded(make_pool: MakePool) -> None:
    pool = make_pool(slots=2)
    async with AsyncExitStack() as places:
        for _ in range(2 * PLACES_PER_SLOT):
            assert not pool.place().locked()
            await places.enter_async_context(pool.place())
        assert pool.place().locked()


async def test_faults_of_the_content_are_answers(store: Store, make_pool: MakePool) -> None:
    pool = make_pool(slots=1)
    broken = await pool.measure(await store(encapsulated_instance([b"\xff\xd8no jpeg\xff\xd9"] * 1)))
    assert isinstance(broken, Refused)
    assert broken.reason == "decode-failed"
    access = await store(ct_instance(seed=4))
    damaged = bytearray(Path(access.path).read_bytes())
    damaged[HEADER_BYTES + 2000] ^= 1
    Path(access.path).write_bytes(damaged)
    refused = await pool.measure(access)
    assert isinstance(refused, Refused)
    assert refused.reason == "object-corrupt"


async def test_an_image_too_big_for_the_memory_limit(store: Store, make_pool: MakePool) -> None:
    pool = make_pool(slots=1, memory_bytes=256 * MIB)
    bomb = encapsulated_instance(
        [b"\xff\xd8" + b"\0" * 64 + b"\xff\xd9"], transfer_syntax=JPEG_BASELINE, Rows=60000, Columns=60000
    )
    refused = await pool.measure(await store(bomb))
    assert isinstance(refused, Refused)
    assert refused.reason in ("memory-limit", "decode-failed", "pixel-data-invalid")
    assert isinstance(await pool.measure(await store(ct_instance(seed=2))), Measured)


async def test_a_decoder_killed_while_idle_costs_nothing(store: Store, make_pool: MakePool) -> None:
    """By the kernel short of memory, say; all of them, then one of two."""
    pool = make_pool(slots=2)
    running = await started(pool)
    access = await store(ct_instance())

    async def measured() -> bool:
        try:
            return isinstance(await pool.measure(access), Measured)
        except Unavailable:
            return False  # it was killed while it started: a bus tries again

    for victims in (2, 1, 2):
        await eventually(measured)
        await eventually(lambda: len(decoders()) == 2)
        for pid in sorted(decoders())[:victims]:
            os.kill(pid, signal.SIGKILL)
        await eventually(measured)
    running.cancel()
