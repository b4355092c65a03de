"""Attempts are charged to the file whose worker was lost, and to nobody who merely waited there."""

from __future__ import annotations

from pathlib import Path

import pytest

from libs.common.bus.contract import Delivery
from libs.common.encryption.keyring import Keyring
from libs.common.errors import AttemptFailed, HandOn, Unavailable
from libs.common.ids import attempts_key
from libs.common.storage import FileStorage
from services.processor.attempts import Attempts, Counted
from tests.bus_support import received

EVENT = received()


@pytest.fixture
async def storage(tmp_path: Path) -> FileStorage:
    made = FileStorage(tmp_path / "objects", Keyring.create(tmp_path / "keyring.json"))
    await made.ready()
    return made


class Seen:
    """A handler that records attempts, and ends as told."""

    def __init__(self) -> None:
        self.attempts: list[int] = []
        self.error: BaseException | None = None

    async def __call__(self, delivery: Delivery) -> None:
        self.attempts.append(delivery.attempt)
        if self.error is not None:
            raise self.error


class Killed(BaseException):
    """The worker ends: nothing after it is run but what `finally` would."""


def delivered(lost: int = 0, charged: int = 0) -> Delivery:
    """As a broker counts that had lost so many workers with it."""
    return Delivery(EVENT, charged + lost + 1, charged=charged, redelivered=lost > 0)


async def test_the_first_delivery_leaves_no_mark(storage: FileStorage) -> None:
    seen = Seen()
    await Counted(seen, Attempts(storage))(delivered())
    await Counted(seen, Attempts(storage))(delivered(charged=2))
    assert seen.attempts == [1, 3]
    assert not await storage.exists(attempts_key(EVENT.file_id))


async def test_a_file_that_ends_its_workers_is_counted_on(storage: FileStorage) -> None:
    seen = Seen()
    seen.error = Killed()
    for lost in range(4):
        with pytest.raises(Killed):
            await Counted(seen, Attempts(storage))(delivered(lost))
    assert seen.attempts == [1, 2, 3, 4]
    seen.error = None
    await Counted(seen, Attempts(storage))(delivered(lost=4))
    assert not await storage.exists(attempts_key(EVENT.file_id))


async def test_one_that_waits_beside_it_is_charged_once(storage: FileStorage) -> None:
    """Five workers were lost that held it; for all that is known, it was begun by the first."""
    seen, attempts = Seen(), Attempts(storage)
    for lost in range(1, 6):
        assert await attempts.of(delivered(lost)) == 2
    await Counted(seen, attempts)(delivered(lost=5))
    assert seen.attempts == [2]


@pytest.mark.parametrize("error", [Unavailable("away"), HandOn("large")])
async def test_what_is_no_attempt_is_taken_back(storage: FileStorage, error: Exception) -> None:
    seen, attempts = Seen(), Attempts(storage)
    seen.error = error
    for _ in range(3):
        with pytest.raises(type(error)):
            await Counted(seen, attempts)(delivered(lost=1))
    assert seen.attempts == [2, 2, 2]


async def test_a_failure_says_how_many_attempts_there_were(storage: FileStorage) -> None:
    """The broker's own number is larger: it counts every worker that held the delivery."""
    seen = Seen()
    seen.error = AttemptFailed({})
    with pytest.raises(AttemptFailed) as raised:
        await Counted(seen, Attempts(storage))(delivered(lost=7, charged=1))
    assert raised.value.attempt == seen.attempts[0] == 3
    # Its copy is charged with these, and is no redelivery; if a worker is lost with it, that is one more.
    assert await Attempts(storage).of(delivered(charged=3)) == 4
    assert await Attempts(storage).of(delivered(lost=1, charged=3)) == 5


async def test_a_mark_that_cannot_be_read_counts_as_none(storage: FileStorage) -> None:
    await storage.put(attempts_key(EVENT.file_id), b"", {"attempt": "many", "event": str(EVENT.id)})
    assert await Attempts(storage).of(delivered(lost=1)) == 2


async def test_a_mark_that_was_left_of_another_event_charges_nobody(storage: FileStorage) -> None:
    """The store was away when it had to be removed; then somebody asked for the file again."""
    attempts = Attempts(storage)
    await attempts.begin(delivered(lost=9), 10)
    asked_again = EVENT.model_copy(update={"id": received().id})
    assert await attempts.of(Delivery(asked_again, 2, redelivered=True)) == 2
    assert await attempts.of(delivered(lost=9)) == 11
