"""A rotation, step by step, as the keyring's file tells it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import orjson
import pytest

from libs.common.encryption.keyring_content import KeyringContent, decode, first_content

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
OLD = KeyringContent("2025-01-31-0a", {"2025-01-31-0a": b"o" * 32})


def test_a_new_key_wraps_nothing_until_it_is_current_and_stays_until_it_is_former() -> None:
    added = OLD.with_next(NOW)
    assert added.next is not None
    assert added.next.startswith("2026-11-29-")
    assert (added.current, added.former) == (OLD.current, ())
    assert added.keys.keys() == {OLD.current, added.next}
    assert added.role(added.next) == "next"
    with pytest.raises(ValueError, match="only former keys"):
        added.without([added.next])

    later = NOW + timedelta(minutes=5)
    switched = added.switched(later)
    assert (switched.current, switched.next, switched.since) == (added.next, None, later)
    assert switched.former == (OLD.current,)
    assert [switched.role(one) for one in (switched.current, OLD.current)] == ["current", "former"]
    with pytest.raises(ValueError, match="only former keys"):
        switched.without([switched.current])
    with pytest.raises(ValueError, match="no next key"):
        switched.switched(later)

    alone = switched.without([OLD.current])
    assert alone.keys == {added.next: added.keys[added.next]}
    assert alone.made == {added.next: NOW}


def test_each_step_comes_back_from_the_file() -> None:
    added = OLD.with_next(NOW)
    for content in (OLD, added, added.switched(NOW), first_content(NOW)):
        assert decode(content.encode()) == content


def test_releases_that_know_no_rotation_can_read_the_file() -> None:
    added = OLD.with_next(NOW)
    document = orjson.loads(added.encode())
    assert document["current"] == OLD.current
    assert document["keys"].keys() == {OLD.current, added.next}


def test_the_age_is_that_of_the_current_key_and_its_name_tells_it_if_nothing_else_does() -> None:
    assert OLD.age(datetime(2025, 2, 1, tzinfo=UTC)) == 86_400
    assert OLD.with_next(NOW).switched(NOW).age(NOW + timedelta(seconds=7)) == 7
    assert KeyringContent("main", {"main": b"m" * 32}).age(NOW) is None


@pytest.mark.parametrize("following", ["a", "missing"])
def test_a_next_key_that_is_current_or_not_there_is_refused(following: str) -> None:
    with pytest.raises(ValueError, match="next"):
        decode(KeyringContent("a", {"a": b"a" * 32}, next=following).encode())
