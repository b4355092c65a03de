"""What the gate lets begin, on machines of any kind: readings are given, all else is what runs."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from libs.common.bus.contract import Delivery
from libs.common.bus.lanes import LARGE
from libs.common.encryption.keyring import Keyring
from libs.common.errors import HandOn, Reject, Unavailable
from libs.common.events import Event, FileReceived, LanesPaused, new_event
from libs.common.storage import FileStorage
from libs.dicom.measure.analysis import Analysis
from services.processor.admission.estimate import BASE_BYTES
from services.processor.admission.machine import Reading
from services.processor.answers import Measured, Refused
from services.processor.attempts import Attempts
from services.processor.gate import WorkerGate
from services.processor.metrics import ProcessorMetrics
from services.processor.outlook import GateLimits
from services.processor.pauses import Pauses
from tests.bus_support import received
from tests.waiting import eventually

MIB, GIB = 1 << 20, 1 << 30
JPEG_2000 = "1.2.840.10008.1.2.4.90"
ROOMY = Reading(cores=4.0, machine_cores=4, memory_limit=16 * GIB, memory_free=12 * GIB)
LIMITS = GateLimits(slots=2, per_slot=4, reserve=256 * MIB, decode_memory=1024 * MIB, largest=None)


class Bench:
    """A gate, the machine that it looks at, and its metrics."""

    def __init__(self, folder: Path) -> None:
        self.reading = ROOMY
        self.resident: list[int] = []
        self.registry = CollectorRegistry()
        self.metrics = ProcessorMetrics(self.registry)
        self.storage = FileStorage(folder / "objects", Keyring.create(folder / "keyring.json"))
        self.attempts = Attempts(self.storage)
        self.woken = 0
        self.used: list[int] = []

    def gate(
        self,
        limits: GateLimits = LIMITS,
        patience: float = 300.0,
        paused: Callable[[], frozenset[str] | None] = frozenset,
        behind: Callable[[], bool] = lambda: False,
    ) -> WorkerGate:
        gate = WorkerGate(
            limits,
            lambda: self.reading,
            lambda: self.resident,
            self.attempts,
            self.metrics,
            patience=patience,
            use=self.used.append,
            paused=paused,
            behind=behind,
        )
        gate.on_change(self.wake)
        return gate

    def wake(self) -> None:
        self.woken += 1

    def waits(self, reason: str) -> float:
        return self.registry.get_sample_value("processor_admission_waits_total", {"reason": reason}) or 0.0


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def file(decoded: int = MIB, syntax: str = JPEG_2000, frames: int = 1) -> Event:
    event = received()
    assert isinstance(event.data, FileReceived)
    data = event.data.model_copy(
        update={"decoded_bytes": decoded, "frames": frames, "transfer_syntax_uid": syntax}
    )
    return event.model_copy(update={"data": data})


def small(lane: str = "0") -> Delivery:
    return Delivery(file(), 1, lane=lane)


def measured(peak: int, seconds: float = 0.01) -> Measured:
    analysis = Analysis(None, None, None, {}, None)
    return Measured(analysis, "device", seconds, seconds, peak)


async def test_small_files_begin_up_to_the_places(bench: Bench) -> None:
    gate = bench.gate()
    begun = [gate.choose({"0": small()}) for _ in range(9)]
    assert begun == ["0"] * 8 + [None]
    assert bench.waits("slots") == 1
    assert gate.used_bytes == 2 * (BASE_BYTES + 8 * MIB)


async def test_behind_others_one_file_a_slot_is_under_way(bench: Bench) -> None:
    others = True
    gate = bench.gate(behind=lambda: others)
    first, *waiting = [small() for _ in range(9)]
    assert gate.choose({"0": first}) == "0"
    assert [gate.choose({"0": one}) for one in waiting[:2]] == ["0", None]
    gate.ended("0", first)  # never fewer: what waits goes on
    assert [gate.choose({"0": one}) for one in waiting[1:3]] == ["0", None]
    others = False
    assert [gate.choose({"0": one}) for one in waiting[2:]] == ["0"] * 6
    assert gate.choose({"0": small()}) is None


def told(revision: int, *lanes: str) -> Delivery:
    return Delivery(new_event("/results", LanesPaused(lanes=lanes, revision=revision)), 1)


async def test_a_paused_lane_begins_nothing_and_the_others_go_on(bench: Bench) -> None:
    pauses = Pauses(hold=60.0)
    gate = bench.gate(paused=lambda: pauses.lanes)
    pauses.on_change(gate.look_again)
    waiting = {"0": small(), "large": small("large")}
    # A worker that starts may have been ended by what is paused: it waits to be told.
    assert gate.choose(waiting) is None
    await pauses(told(4, "0"))
    assert bench.woken == 1
    assert gate.choose(waiting) == "large"
    assert gate.choose({"0": small()}) is None
    await pauses(told(3))  # told late
    assert gate.choose({"0": small()}) is None
    await pauses(told(5))
    assert bench.woken == 2
    assert gate.choose({"0": small()}) == "0"
    with pytest.raises(Reject):
        await pauses(small())


async def test_without_a_word_work_begins_after_a_moment(bench: Bench) -> None:
    pauses = Pauses(hold=0.0)
    assert bench.gate(paused=lambda: pauses.lanes).choose({"0": small()}) == "0"


async def test_what_ended_makes_room(bench: Bench) -> None:
    gate, first = bench.gate(), small()
    gate.choose({"0": first})
    for _ in range(7):
        gate.choose({"0": small()})
    waiting = {"0": small()}
    assert gate.choose(waiting) is None
    gate.ended("0", first)
    assert gate.choose(waiting) == "0"


async def test_a_file_too_large_for_this_worker_is_handed_on_and_from_there_put_off(bench: Bench) -> None:
    """200 MiB a frame of JPEG 2000: more than a GiB is likely, and larger workers there are."""
    gate = bench.gate(replace(LIMITS, largest=8 * GIB))
    giant = Delivery(file(200 * MIB), 1, lane="0")
    assert gate.choose({"0": giant}) == "0"
    with pytest.raises(HandOn) as raised:
        gate.check(giant)
    assert raised.value.lane == LARGE
    assert gate.choose({LARGE: giant}) == LARGE
    with pytest.raises(Unavailable):
        gate.check(giant)
    assert (bench.waits("handed-on"), bench.waits("put-off"), gate.used_bytes) == (1, 1, 0)


async def test_what_is_back_before_it_has_ended_is_refused_again(bench: Bench) -> None:
    """A copy may arrive before the delivery it was made of is settled."""
    gate = bench.gate(replace(LIMITS, largest=8 * GIB))
    first = Delivery(file(200 * MIB), 1, lane="0")
    gate.choose({"0": first})
    with pytest.raises(HandOn):
        gate.check(first)
    copy = replace(first, lane=LARGE)
    assert gate.choose({LARGE: copy}) == LARGE
    gate.ended("0", first)
    with pytest.raises(Unavailable):
        gate.check(copy)


async def test_where_no_worker_is_larger_it_is_tried_here(bench: Bench) -> None:
    gate = bench.gate()
    giant = Delivery(file(200 * MIB), 1, lane="0")
    assert gate.choose({"0": giant}) == "0"
    assert gate.check(giant) is None
    assert gate.used_bytes == gate.own_bytes == 1024 * MIB


async def test_what_no_worker_can_hold_fails_at_once(bench: Bench) -> None:
    gate = bench.gate(replace(LIMITS, largest=8 * GIB))
    giant = Delivery(file(9 * GIB), 1, lane=LARGE)
    assert gate.choose({LARGE: giant}) == LARGE
    assert gate.check(giant) == "memory-limit"
    assert gate.check(small()) is None
    assert bench.waits("too-large") == 1
    native = Delivery(file(9 * GIB, "1.2.840.10008.1.2.1"), 1, lane=LARGE)
    assert gate.choose({LARGE: native}) == LARGE
    assert gate.check(native) is None


async def test_the_largest_tries_with_what_its_container_has(bench: Bench) -> None:
    bench.reading = replace(ROOMY, memory_limit=1024 * MIB, memory_free=700 * MIB)
    gate = bench.gate()
    giant = Delivery(file(100 * MIB), 1, lane=LARGE)
    assert gate.choose({LARGE: giant}) == LARGE
    assert gate.check(giant) is None
    # 480 MiB would be its own, if nothing else were in the container.
    assert (gate.own_bytes, gate.used_bytes) == (480 * MIB, 444 * MIB)


async def test_who_waits_is_content_with_what_there_is_at_most(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.processor.gate.LOOK_SECONDS", 0.0)
    bench.reading = replace(ROOMY, memory_limit=1024 * MIB, memory_free=700 * MIB)
    gate, other = bench.gate(), small()
    assert gate.choose({"0": other}) == "0"
    waiting = {LARGE: Delivery(file(100 * MIB), 1, lane=LARGE)}
    # The decoders keep some of what they had.
    bench.reading = replace(bench.reading, memory_free=650 * MIB)
    assert gate.choose(waiting) is None
    gate.ended("0", other)
    assert gate.choose(waiting) == LARGE
    assert gate.used_bytes == 394 * MIB


async def test_what_a_decoder_had_no_memory_for_goes_to_larger_ones(bench: Bench) -> None:
    """The estimate was too small."""
    refused = Refused("memory-limit", "the decoder ran out of memory")
    gate = bench.gate(replace(LIMITS, largest=8 * GIB))
    with pytest.raises(HandOn):
        gate.refused(small(), refused)
    with pytest.raises(Unavailable):
        gate.refused(small(LARGE), refused)
    gate.refused(small(), Refused("decode-failed", "no pixels"))
    for largest in (None, LIMITS.decode_memory):
        bench.gate(replace(LIMITS, largest=largest)).refused(small(LARGE), refused)


async def test_a_small_container_takes_the_large_only_with_room_beside_it(bench: Bench) -> None:
    bench.reading = replace(ROOMY, memory_limit=1024 * MIB, memory_free=700 * MIB)
    gate = bench.gate(replace(LIMITS, largest=8 * GIB))
    assert gate.own_bytes == 1024 * MIB - 256 * MIB - 2 * 128 * MIB - BASE_BYTES
    assert gate.budget_bytes == 444 * MIB
    fitting = Delivery(file(50 * MIB), 1, lane="0")
    assert gate.choose({"0": fitting, "1": small("1")}) == "0"
    assert gate.check(fitting) is None
    # 432 MiB are taken: nothing fits beside for now.
    waiting = {"1": small("1")}
    assert gate.choose(waiting) is None
    assert bench.waits("memory") == 1
    gate.ended("0", fitting)
    assert gate.choose(waiting) == "1"


async def test_who_lacks_memory_for_long_is_left_to_others(bench: Bench) -> None:
    bench.reading = replace(ROOMY, memory_free=300 * MIB)
    gate = bench.gate(patience=0.0)
    medium, beside = Delivery(file(20 * MIB), 1, lane="0"), small("1")
    assert gate.choose({"0": medium, "1": beside}) == "0"
    with pytest.raises(Unavailable):
        gate.check(medium)
    # An ordinary file begins however short memory is.
    assert gate.choose({"1": beside}) == "1"
    assert gate.check(beside) is None


async def test_memory_that_comes_back_is_noticed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.processor.gate.LOOK_SECONDS", 0.01)
    bench.reading = replace(ROOMY, memory_free=300 * MIB)
    gate = bench.gate()
    waiting = {"0": Delivery(file(20 * MIB), 1, lane="0")}
    assert gate.choose(waiting) is None
    looking = asyncio.create_task(gate.run())
    await eventually(lambda: bench.woken > 0)
    bench.reading = ROOMY
    await eventually(lambda: gate.choose(waiting) == "0")
    looking.cancel()


async def test_estimates_follow_what_files_took(bench: Bench) -> None:
    gate = bench.gate()
    data = file(100 * MIB).data
    assert isinstance(data, FileReceived)
    gate.learn(data, measured(100 * MIB + 100 * MIB))
    for _ in range(300):
        gate.learn(data, measured(100 * MIB + BASE_BYTES + 200 * MIB))
    gate.choose({"0": Delivery(file(100 * MIB), 1, lane="0")})
    assert 200 * MIB < gate.used_bytes < 260 * MIB
    lost = replace(measured(0), seconds=9.0)
    gate.learn(data, lost)


async def test_slow_files_are_not_begun_ahead(bench: Bench) -> None:
    gate = bench.gate()
    data = file().data
    assert isinstance(data, FileReceived)
    for _ in range(30):
        gate.learn(data, measured(80 * MIB, seconds=0.5))
    assert [gate.choose({"0": small()}) for _ in range(5)] == ["0"] * 4 + [None]


async def test_more_is_worth_having_here_where_files_take_a_moment(bench: Bench) -> None:
    gate = bench.gate(replace(LIMITS, per_slot=16))
    data = file().data
    assert isinstance(data, FileReceived)
    assert gate.at_hand == 8  # nobody knows yet
    gate.learn(data, measured(1, seconds=0.01))
    assert gate.at_hand == 32
    gate.learn(data, measured(1, seconds=2.0))
    assert gate.at_hand == 8
    for _ in range(10):
        gate.learn(data, measured(1, seconds=0.01))
    assert gate.at_hand == 8  # not to and fro
    for _ in range(10):
        gate.learn(data, measured(1, seconds=0.01))
    assert gate.at_hand == 32


async def test_fewer_decoders_work_where_neighbours_need_the_machine(bench: Bench) -> None:
    bench.reading = replace(ROOMY, pressure=90.0, load=40.0)
    gate = bench.gate()
    assert gate.slots == 1
    # Files are fetched and published beside the one that is decoded.
    assert [gate.choose({"0": small()}) for _ in range(5)] == ["0"] * 4 + [None]
    assert bench.used == [1]


async def test_who_may_have_ended_workers_waits_to_be_alone(bench: Bench) -> None:
    gate, other = bench.gate(), small()
    suspect = Delivery(file(), 3, lane="1", charged=0, redelivered=True)
    await bench.attempts.begin(suspect, 2)
    gate.choose({"0": other})
    assert gate.choose({"1": suspect}) is None, "which attempt it is must be read first"
    await eventually(lambda: bench.woken > 0)
    assert gate.choose({"1": suspect}) is None
    gate.ended("0", other)
    assert gate.choose({"1": suspect}) == "1"
    assert gate.choose({"0": small()}) is None
    gate.ended("1", suspect)
    assert gate.choose({"0": small()}) == "0"


async def test_a_mark_that_cannot_be_read_keeps_no_lane_waiting(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the reason: what is wrong with it shows once the file begins."""

    async def broken(_: object) -> dict[str, int]:
        raise ValueError("no trailer of ours")

    monkeypatch.setattr(bench.storage, "read_trailer", broken)
    gate, back = bench.gate(), Delivery(file(), 2, lane="1", redelivered=True)
    assert gate.choose({"1": back}) is None
    await eventually(lambda: bench.woken > 0)
    assert gate.choose({"1": back}) == "1"


async def test_what_was_known_of_a_delivery_that_is_gone_is_asked_again(bench: Bench) -> None:
    """It comes again with its next attempt, which may be one that begins alone."""
    gate, gone = bench.gate(), Delivery(file(), 2, lane="1", redelivered=True)
    await bench.attempts.begin(gone, 1)
    assert gate.choose({"1": gone}) is None
    await eventually(lambda: bench.woken > 0)
    other = small()
    assert gate.choose({"0": other}) == "0"
    await bench.attempts.begin(gone, 2)
    again = replace(gone, attempt=3)
    assert gate.choose({"1": again}) is None, "asked again, and then found to begin alone"
    await eventually(lambda: bench.woken > 1)
    assert gate.choose({"1": again}) is None
    gate.ended("0", other)
    assert gate.choose({"1": again}) == "1"
