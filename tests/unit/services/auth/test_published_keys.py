"""Which of several keys signs at a moment, and which are published."""

from __future__ import annotations

import math

import pytest

from services.auth.sessions.signing import TokenSigner
from services.auth.sessions.signing_key import HeldKey, published_at

OLD, NEW, NEXT = (TokenSigner(bytes([number]) * 32) for number in (1, 2, 3))


def key(signer: TokenSigner, signs_at: float, ends_at: float = math.inf) -> HeldKey:
    return HeldKey(signer, signs_at, ends_at, made_at=0.0)


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (99.0, [OLD, NEW]),
        (100.0, [NEW, OLD]),
        (199.0, [NEW, OLD]),
        (200.0, [NEW]),
    ],
)
def test_the_one_that_has_begun_last_signs_until_the_next_begins(
    now: float, expected: list[TokenSigner]
) -> None:
    keys = [key(NEW, 100.0), key(OLD, -500.0, 200.0)]
    for order in (keys, keys[::-1]):
        assert [one.signer for one in published_at(order, now)] == expected


def test_one_that_only_waits_signs_where_there_is_no_other() -> None:
    waiting = [key(NEXT, 50.0), key(NEW, 20.0)]
    assert [one.signer for one in published_at(waiting, 0.0)] == [NEW, NEXT]
    assert published_at([], 0.0) == []
    assert published_at([key(OLD, 0.0, 5.0)], 5.0) == []
