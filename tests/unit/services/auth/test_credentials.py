"""Passwords: argon2id, renewed when the parameters change, bounded, and equally slow for nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator

import pytest
from argon2 import PasswordHasher, extract_parameters
from argon2.low_level import Type

from libs.common.errors import Unavailable
from libs.common.security.passwords import Passwords, generate_password

Make = Callable[..., Passwords]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[Passwords] = []

    def build(*, time_cost: int = 1, memory_kib: int = 64, workers: int = 2, queue: int = 32) -> Passwords:
        made.append(
            Passwords(time_cost=time_cost, memory_kib=memory_kib, parallelism=1, workers=workers, queue=queue)
        )
        return made[-1]

    yield build
    for passwords in made:
        passwords.close()


async def test_a_hash_is_argon2id_with_the_given_parameters(make: Make) -> None:
    found = extract_parameters(await make(time_cost=2, memory_kib=128).hash("contraseña"))
    assert (found.type, found.time_cost, found.memory_cost, found.parallelism) == (Type.ID, 2, 128, 1)
    assert found.hash_len == 32


async def test_only_the_right_password_matches(make: Make) -> None:
    passwords = make()
    encoded = await passwords.hash("contraseña")
    assert await passwords.verify(encoded, "contraseña")
    assert await passwords.verify(encoded, "contrasen\N{COMBINING TILDE}a")
    assert not await passwords.verify(encoded, "Contraseña")
    assert not await passwords.verify(encoded, "")
    assert not await passwords.verify(encoded, "contraseña\0")
    assert await passwords.hash("contraseña") != encoded


@pytest.mark.parametrize("encoded", ["", "!", "md5$x$y", "$argon2id$v=19$m=64,t=1,p=1$x", "$argon2id$ñ"])
async def test_an_unusable_hash_matches_nothing(make: Make, encoded: str) -> None:
    assert not await make().verify(encoded, "x")


async def test_nobody_costs_as_much_as_somebody(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = make(time_cost=2, memory_kib=128)
    encoded = await passwords.hash("x")
    checked: list[str] = []
    verify = PasswordHasher.verify

    def note(hasher: PasswordHasher, encoded: str, password: str) -> bool:
        checked.append(encoded)
        return verify(hasher, encoded, password)

    monkeypatch.setattr(PasswordHasher, "verify", note)
    for held in (None, "", "!", "md5$x$y", encoded):
        assert not await passwords.verify(held, "y")
    assert len(checked) == 5
    assert {str(extract_parameters(one)) for one in checked} == {str(extract_parameters(encoded))}


async def test_hashes_of_other_parameters_are_outdated(make: Make) -> None:
    old, new = make(), make(time_cost=2)
    encoded = await old.hash("x")
    assert not old.outdated(encoded)
    assert new.outdated(encoded)
    assert await new.verify(encoded, "x")


async def test_work_is_bounded_and_leaves_the_event_loop_free(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    passwords = make(workers=2, queue=5)
    gate, lock = threading.Event(), threading.Lock()
    running = most = 0

    def slow(_: PasswordHasher, password: str) -> str:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        gate.wait(60)
        with lock:
            running -= 1
        return password

    monkeypatch.setattr(PasswordHasher, "hash", slow)
    accepted = [asyncio.create_task(passwords.hash(str(n))) for n in range(5)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="moment"):
        await passwords.hash("one too many")
    accepted[4].cancel()
    await asyncio.wait([accepted[4]])
    extra = asyncio.create_task(passwords.hash("in its place"))
    await asyncio.sleep(0)
    gate.set()
    assert await asyncio.gather(*accepted[:4], extra) == ["0", "1", "2", "3", "in its place"]
    assert most == 2


async def test_strangers_leave_places_for_the_known(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    passwords = make(workers=1, queue=4)
    gate = threading.Event()

    def slow(*_: object) -> bool:
        return gate.wait(60)

    monkeypatch.setattr(PasswordHasher, "verify", slow)
    waiting = [asyncio.create_task(passwords.verify("$argon2id$", "x", stranger=True)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await passwords.verify("$argon2id$", "x", stranger=True)
    waiting += [asyncio.create_task(passwords.verify("$argon2id$", "x")) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await passwords.verify("$argon2id$", "x")
    gate.set()
    assert await asyncio.gather(*waiting) == [True] * 4


async def test_one_place_is_everybodys(make: Make) -> None:
    passwords = make(workers=1, queue=1)
    encoded = await passwords.hash("x")
    assert await passwords.verify(encoded, "x", stranger=True)


async def test_what_keyboards_compose_differently_is_one_password(make: Make) -> None:
    """NFKC; nothing else of what was typed changes, and 64 characters and more count to the last."""
    passwords = make()
    encoded = await passwords.hash("contraseña ﬁna ①")
    assert await passwords.verify(encoded, "contrasen\u0303a fina 1")
    assert not await passwords.verify(encoded, "CONTRASEÑA FINA 1")
    assert not await passwords.verify(encoded, "contraseña fina 1 ")
    long = await passwords.hash("x" * 1023 + "y")
    assert await passwords.verify(long, "x" * 1023 + "y")
    assert not await passwords.verify(long, "x" * 1023 + "z")


def test_generated_passwords_are_long_and_differ() -> None:
    found = {generate_password() for _ in range(100)}
    assert len(found) == 100
    assert all(len(password.replace("-", "")) == 30 for password in found)
