"""The chain of the audit log: every kind of tampering is found, at the first entry that is wrong."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.audit.chain import GENESIS, Link, Root, RootSigner, SealedEntry, chained
from services.auth.audit.verification import Break, Row, SignedRoot, Verification

BEGIN = datetime(2026, 5, 1, tzinfo=UTC)
SIGNER = RootSigner(b"s" * 32)
KEYS = {SIGNER.key_id: SIGNER.public}


def entry(number: int) -> SealedEntry:
    return SealedEntry(
        at=BEGIN + timedelta(microseconds=number),
        service="ingest",
        action="file.upload",
        ending="success",
        actor=f"user:{number}",
        acting_as=None,
        object_type="file",
        objects=[str(number)],
        collection="user:1",
        studies=[],
        address="::1",
        route="POST /api/files",
        status=202,
        trace_id=None,
        details={"b": 1, "a": [True, "x"]},
    )


class Log:
    """A sealed log of batches of these sizes."""

    def __init__(self, *sizes: int) -> None:
        self.rows: list[Row] = []
        self.roots: list[SignedRoot] = []
        last = Link(0, GENESIS)
        for batch, size in enumerate(sizes):
            entries = [entry(last.seq + n + 1) for n in range(size)]
            links = chained(last, entries)
            root = Root(batch, links[0].seq, links[-1].seq, last.hash, links[-1].hash, BEGIN)
            self.rows += map(Row, links, entries)
            self.roots.append(SignedRoot(root, SIGNER.key_id, SIGNER.sign(root)))
            last = links[-1]

    def check(self, *anchors: Root) -> Break | None:
        return self.run(Verification(KEYS, anchors))

    def run(self, verification: Verification) -> Break | None:
        rows = list(self.rows)
        for signed in self.roots:
            count = sum(row.link.seq <= signed.root.last_seq for row in rows)
            if (
                found := verification.batch(signed, rows[:count], next(iter(rows[count:]), None))
            ) is not None:
                return found
            del rows[:count]
        return verification.end(rows)

    def reseal(self, place: int, signer: RootSigner = SIGNER, **changed: Any) -> None:
        root = self.roots[place].root._replace(**changed)
        self.roots[place] = SignedRoot(root, signer.key_id, signer.sign(root))


sizes = st.lists(st.integers(1, 5), min_size=1, max_size=5)


@given(sizes)
def test_a_whole_log_is_whole(wanted: list[int]) -> None:
    log = Log(*wanted)
    found = Verification(KEYS, [one.root for one in log.roots])
    assert log.run(found) is None
    assert found.entries == sum(wanted)


@given(sizes, st.data())
def test_a_changed_fact_is_found_where_it_is(wanted: list[int], data: st.DataObject) -> None:
    log = Log(*wanted)
    place = data.draw(st.integers(0, len(log.rows) - 1))
    name = data.draw(st.sampled_from(SealedEntry._fields))
    other = entry(1000)._replace(
        service="x", action="x", ending="error", acting_as="x", object_type="x", collection="x",
        objects=["x"], studies=["1"], address="x", route="x", status=1, trace_id="x",
        details={"a": 1},
    )  # fmt: skip
    row = log.rows[place]
    log.rows[place] = row._replace(entry=row.entry._replace(**{name: getattr(other, name)}))
    found = log.check()
    assert found is not None
    assert (found.kind, found.seq) == ("changed", place + 1)


@given(sizes, st.data())
def test_a_removed_row_is_found(wanted: list[int], data: st.DataObject) -> None:
    log = Log(*wanted, 2)
    # The first batch as a whole may have been retired with its month.
    place = data.draw(st.integers(wanted[0], len(log.rows) - 1))
    del log.rows[place]
    found = log.check()
    assert found is not None
    assert (found.kind, found.seq) == ("missing", place + 1)


@given(sizes, st.data())
def test_a_row_that_was_put_in_is_found(wanted: list[int], data: st.DataObject) -> None:
    log = Log(*wanted)
    place = data.draw(st.integers(0, len(log.rows) - 1))
    log.rows.insert(place, Row(Link(place + 1, b"f" * 32), entry(99)))
    for later in range(place + 1, len(log.rows)):
        row = log.rows[later]
        log.rows[later] = Row(Link(row.link.seq + 1, row.link.hash), row.entry)
    found = log.check()
    assert found is not None
    assert (found.kind, found.seq) == ("added", place + 1)


@given(st.integers(2, 6), st.data())
def test_rows_that_changed_places_are_found(size: int, data: st.DataObject) -> None:
    log = Log(size)
    place = data.draw(st.integers(0, size - 2))
    one, two = log.rows[place], log.rows[place + 1]
    log.rows[place : place + 2] = [Row(one.link, two.entry), Row(two.link, one.entry)]
    assert log.check() == Break(
        "reordered", place + 1, f"entries {place + 1} and {place + 2} have changed places"
    )


def test_a_cut_end_is_found_by_what_was_noted_outside() -> None:
    log = Log(2, 3, 1)
    noted = log.roots[-1].root
    del log.roots[-1], log.rows[-1]
    assert log.check() is None, "nothing inside tells"
    found = log.check(noted)
    assert found is not None
    assert (found.kind, found.seq) == ("cut", 6)


def test_entries_without_a_root_are_found() -> None:
    log = Log(2, 1)
    del log.roots[-1]
    assert log.check() == Break("added", 3, "entry 3 belongs to no signed batch")


def test_a_root_in_between_is_missed() -> None:
    log = Log(1, 1, 1)
    del log.roots[1]
    found = log.check()
    assert found is not None
    assert (found.kind, found.seq) == ("missing", 2)


def test_a_forged_root_is_found() -> None:
    log = Log(2)
    log.reseal(0, RootSigner(b"f" * 32))
    assert _kind(log) == "forged", "an unknown key"
    log = Log(2)
    log.roots[0] = log.roots[0]._replace(signature=bytes(64))
    assert _kind(log) == "forged", "no signature"
    log = Log(2)
    log.reseal(0, root=b"0" * 32)
    assert _kind(log) == "forged", "other entries"


def test_a_log_written_anew_is_another_than_was_noted() -> None:
    noted = Log(2).roots[0].root
    log = Log(2)
    log.reseal(0, sealed_at=BEGIN + timedelta(seconds=1))
    found = log.check(noted)
    assert found is not None
    assert found.kind == "forged"


@pytest.mark.parametrize("kept", [1, 2])
def test_retired_batches_leave_their_roots(kept: int) -> None:
    log = Log(2, 2, 2, 2)
    del log.rows[:4]
    del log.roots[: 2 - kept]
    found = Verification(KEYS, [Log(2).roots[0].root])
    assert log.run(found) is None
    assert found.entries == 4


def _kind(log: Log) -> str | None:
    found = log.check()
    return None if found is None else found.kind
