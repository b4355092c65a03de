"""The chain of the audit log: every kind of tampering is found, at the first entry that is wrong."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.audit.chain import GENESIS, Link, RetiredMonth, Root, RootSigner, SealedEntry, chained
from services.auth.audit.verification import Break, Row, SignedRetired, SignedRoot, Verification

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

    def retired(self, batch: int, signer: RootSigner = SIGNER, **changed: Any) -> SignedRetired:
        """The statement that all up to the end of a batch was dropped."""
        root = self.roots[batch].root
        said = RetiredMonth(date(2026, 1 + batch, 1), root.batch, root.last_seq, root.root, BEGIN)
        said = said._replace(**changed)
        return SignedRetired(said, signer.key_id, signer.sign(said))

    def run(self, verification: Verification) -> Break | None:
        if (wrong := verification.begin()) is not None:
            return wrong
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
    place = data.draw(st.integers(0, len(log.rows) - 1))
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


@pytest.mark.parametrize("kept", [[1], [0, 1]])
def test_retired_batches_leave_a_signed_statement_and_their_last_root(kept: list[int]) -> None:
    log = Log(2, 2, 2, 2)
    said = [log.retired(batch) for batch in kept]
    log.roots = [log.roots[batch] for batch in (*kept, 2, 3)]
    del log.rows[:4]
    found = Verification(KEYS, [Log(2).roots[0].root, Log(2, 2).roots[1].root], said)
    assert log.run(found) is None
    assert (found.entries, found.last.seq) == (4, 8)


def without_its_begin() -> Log:
    log = Log(2, 2, 2)
    del log.rows[:4], log.roots[0]
    return log


def test_a_begin_that_is_gone_without_a_statement_is_missing() -> None:
    log = without_its_begin()
    assert _kind(log) == "missing"
    del log.roots[0]
    assert log.check() == Break("missing", 1, "the log begins with batch 2 and not with entry 1")


@pytest.mark.parametrize(
    ("changed", "signer"),
    [({}, RootSigner(b"f" * 32)), ({"root": b"0" * 32}, SIGNER), ({"last_seq": 3}, SIGNER)],
)
def test_a_statement_that_is_not_ours_or_not_of_this_log_is_forged(
    changed: dict[str, Any], signer: RootSigner
) -> None:
    log = without_its_begin()
    said = [Log(2, 2, 2).retired(1, signer, **changed)]
    found = log.run(Verification(KEYS, (), said))
    assert found is not None
    assert found.kind == "forged"


def test_a_signature_of_a_root_is_none_of_a_statement() -> None:
    log = Log(2, 2)
    root = log.roots[0]
    said = SignedRetired(log.retired(0).retired, root.key_id, root.signature)
    found = log.run(Verification(KEYS, (), [said]))
    assert found is not None
    assert found.kind == "forged"


def test_what_is_left_of_a_retired_month_was_put_there() -> None:
    log = Log(2, 2, 2)
    said = [log.retired(1)]
    del log.rows[:3], log.roots[0]
    found = log.run(Verification(KEYS, (), said))
    assert found == Break("added", 4, "entry 4 is there, though its month was retired")


def test_the_last_root_of_a_retired_month_is_missed() -> None:
    log = Log(2, 2, 2)
    said = [log.retired(1)]
    del log.rows[:4], log.roots[:2]
    found = log.run(Verification(KEYS, (), said))
    assert found is not None
    assert (found.kind, found.seq) == ("missing", 4)


@given(sizes, sizes, st.data())
def test_looking_on_from_a_root_finds_what_came_after_it(
    before: list[int], after: list[int], data: st.DataObject
) -> None:
    log = Log(*before, *after)
    since = log.roots[len(before) - 1].root
    log.roots = log.roots[len(before) - 1 :]
    log.rows = log.rows[sum(before) :]
    found = Verification(KEYS, (), (), since)
    assert log.run(found) is None
    assert found.entries == sum(after)
    place = data.draw(st.integers(0, sum(after) - 1))
    log.rows[place] = log.rows[place]._replace(entry=entry(1000))
    broken = log.run(Verification(KEYS, (), (), since))
    assert broken is not None
    assert (broken.kind, broken.seq) == ("changed", sum(before) + place + 1)


def test_looking_on_from_a_root_that_is_gone_or_another_finds_that() -> None:
    log = Log(2, 2, 2)
    since = log.roots[1].root
    rest = log.roots[2]
    del log.rows[:4]
    log.roots = [rest]
    assert _kind_since(log, since) == "missing"
    log.roots, log.rows = [], []
    assert _kind_since(log, since) == "cut"
    log = Log(2, 2, 2)
    del log.rows[:4], log.roots[0]
    log.reseal(0, root=b"0" * 32)
    assert _kind_since(log, since) == "forged"


def _kind_since(log: Log, since: Root) -> str | None:
    found = log.run(Verification(KEYS, (), (), since))
    return None if found is None else found.kind


def _kind(log: Log) -> str | None:
    found = log.check()
    return None if found is None else found.kind
