"""What both buses promise of work: lanes take turns, and what is begun, left or handed on keeps its count."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

from libs.common.bus.contract import Admission, Delivery, Handler
from libs.common.bus.topology import PROCESSOR_WORK
from libs.common.bus.turns import Turns
from libs.common.errors import AttemptFailed, HandOn, Unavailable
from libs.common.telemetry.tracing import Telemetry
from tests.bus_support import FAST, received
from tests.contract.bus_carriers import Carrier, Recorder, ignore, ready, wait_for
from tests.waiting import eventually

BURST = "user:7"
LANE_OF_BURST, OTHERS = "1", {"user:11": "0", "user:2": "2"}


class Gate:
    """A handler that notes what begins, and lets one end each time it is told to."""

    def __init__(self) -> None:
        self.begun: list[Delivery] = []
        self._permits = asyncio.Semaphore(0)

    async def __call__(self, delivery: Delivery) -> None:
        self.begun.append(delivery)
        await self._permits.acquire()

    @property
    def lanes(self) -> list[str | None]:
        """Where what has begun had waited."""
        return [delivery.lane for delivery in self.begun]

    def open(self, count: int = 1) -> None:
        """Let so many end."""
        for _ in range(count):
            self._permits.release()


async def taking(
    carrier: Carrier, handler: Handler, admission: Admission, *, ahead: int = 40, attempts: int = 10
) -> None:
    """Take the processor's work, of which `ahead` are held."""
    for subscription in FAST.subscriptions:
        await carrier.bus.subscribe(subscription, ignore, concurrency=8)
    await carrier.bus.take(PROCESSOR_WORK, handler, admission, ahead=ahead, attempts=attempts)
    await ready(carrier.bus)


async def test_a_burst_of_one_does_not_keep_another_waiting(carrier: Carrier, telemetry: Telemetry) -> None:
    """Who comes last with one file is served after what was begun, not after the burst."""
    gate = Gate()
    await taking(carrier, gate, Turns(2))
    for _ in range(30):
        await carrier.send(received(collection=BURST))
    await eventually(lambda: len(gate.begun) == 2)
    for collection in OTHERS:
        await carrier.send(received(collection=collection))
    await wait_for(telemetry, 30)
    gate.open(2)
    await eventually(lambda: len(gate.begun) == 4)
    assert set(gate.lanes[2:]) == set(OTHERS.values())
    gate.open(30)
    await eventually(lambda: len(gate.begun) == 32)
    assert gate.lanes.count(LANE_OF_BURST) == 30


async def test_what_is_urgent_begins_first_but_has_half_of_the_places(
    carrier: Carrier, telemetry: Telemetry
) -> None:
    gate = Gate()
    await taking(carrier, gate, Turns(4))
    for _ in range(8):
        await carrier.send(received())
    await eventually(lambda: len(gate.begun) == 4)
    for _ in range(4):
        await carrier.send(received(priority="urgent"))
    await wait_for(telemetry, 8)
    gate.open(4)
    await eventually(lambda: len(gate.begun) == 8)
    assert sorted(map(str, gate.lanes[4:])) == ["1", "1", "urgent", "urgent"]
    assert gate.lanes[4:6] == ["urgent", "urgent"]
    gate.open(8)
    await eventually(lambda: len(gate.begun) == 12)


async def test_what_is_handed_on_waits_in_the_other_lane_and_no_attempt_is_counted(carrier: Carrier) -> None:
    def leave(delivery: Delivery) -> None:
        if delivery.lane != "large":
            raise HandOn("large")

    recorder = Recorder(leave)
    await taking(carrier, recorder, Turns(8))
    await carrier.send(event := received())
    await eventually(lambda: len(recorder.deliveries) == 2)
    assert recorder.deliveries == [Delivery(event, 1, lane="1"), Delivery(event, 1, lane="large")]
    assert await carrier.dead(PROCESSOR_WORK) == []


async def test_a_retry_comes_back_to_its_lane_with_its_attempts_and_their_word(carrier: Carrier) -> None:
    """Also one that was handed on, put off and handed on again."""

    def fail(delivery: Delivery) -> None:
        if delivery.lane == "2":
            raise HandOn("urgent")
        if len(recorder.deliveries) == 2:
            raise AttemptFailed({"n": 1})
        if len(recorder.deliveries) == 3:
            raise Unavailable("storage is away")

    recorder = Recorder(fail)
    await taking(carrier, recorder, Turns(8))
    await carrier.send(received(collection="user:3"))
    await eventually(lambda: len(recorder.deliveries) == 4)
    assert [delivery.lane for delivery in recorder.deliveries] == ["2", "urgent", "urgent", "urgent"]
    assert [(delivery.attempt, delivery.charged) for delivery in recorder.deliveries] == [
        (1, 0),
        (1, 0),
        (2, 1),
        (2, 1),
    ]
    assert [delivery.earlier for delivery in recorder.deliveries] == [None, None, '[{"n":1}]', '[{"n":1}]']


async def test_all_lanes_share_one_place_for_what_was_given_up(carrier: Carrier) -> None:
    def fail(_: Delivery) -> None:
        raise OSError

    await taking(carrier, Recorder(fail), Turns(8), attempts=1)
    for event in (received(), received(collection="user:11"), received(priority="urgent")):
        await carrier.send(event)

    async def given_up() -> bool:
        return len(await carrier.dead(PROCESSOR_WORK)) == 3

    await eventually(given_up)


async def test_what_was_not_begun_is_left_by_a_drain_and_nothing_begins(
    carrier: Carrier, telemetry: Telemetry
) -> None:
    gate = Gate()
    await taking(carrier, gate, Turns(1))
    for _ in range(3):
        await carrier.send(received())
    await wait_for(telemetry, 2)
    assert len(gate.begun) == 1
    draining = asyncio.create_task(carrier.bus.drain())
    await wait_for(telemetry, 0)
    gate.open(3)
    await draining
    assert len(gate.begun) == 1


async def test_what_an_admission_holds_back_begins_when_it_says_so(
    carrier: Carrier, telemetry: Telemetry
) -> None:
    """Without any arrival or ending."""

    class Closed(Turns):
        open = False

        def choose(self, waiting: Mapping[str, Delivery]) -> str | None:
            return super().choose(waiting) if self.open else None

        def on_change(self, wake: Callable[[], None]) -> None:
            self.wake = wake

    admission, recorder = Closed(8), Recorder()
    await taking(carrier, recorder, admission)
    await carrier.send(received())
    await wait_for(telemetry, 1)
    assert recorder.deliveries == []
    admission.open = True
    admission.wake()
    await eventually(lambda: len(recorder.deliveries) == 1)
