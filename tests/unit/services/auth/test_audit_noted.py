"""Entries of any form: none stops the sealer, and each is hashed as it will be found again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.common.audit.entries import MOST_OBJECTS, MOST_TEXT, AuditEntry
from services.auth.audit.chain import GENESIS, linked
from services.auth.audit.noted import UNREADABLE, read_entry

NOW = datetime(2026, 5, 1, tzinfo=UTC)
GOOD: dict[str, Any] = {
    "at": "2026-05-01T00:00:00+00:00", "service": "ingest", "action": "upload_files", "ending": "success",
    "actor": "user:7",
}  # fmt: skip
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


def nested(depth: int) -> str:
    return orjson.dumps(GOOD).decode()[:-1] + ',"details":{"a":' + "[" * depth + "]" * depth + "}}"


@pytest.mark.parametrize(
    "written",
    [
        "[]",
        "7",
        '{"at": 7}',
        orjson.dumps({**GOOD, "status": 2**40}).decode(),
        orjson.dumps({**GOOD, "status": True}).decode(),
        orjson.dumps({**GOOD, "actor": "x" * (MOST_TEXT + 1)}).decode(),
        orjson.dumps({**GOOD, "objects": ["x" * 9000]}).decode(),
        orjson.dumps({**GOOD, "studies": ["1"] * (MOST_OBJECTS + 1)}).decode(),
        orjson.dumps({**GOOD, "objects": "abc"}).decode(),
        orjson.dumps({**GOOD, "at": "0001-01-01T00:00:00+14:00"}).decode(),
        nested(500),
    ],
)
def test_what_could_not_be_stored_is_kept_as_it_came(written: str) -> None:
    read = read_entry(written, NOW)
    assert read.action == UNREADABLE
    assert read.details == {"entry": written}


def test_an_entry_of_ours_is_read() -> None:
    entry = AuditEntry("ingest", "upload_files", "success", "user:7", objects=["a"], status=202, at=NOW)
    read = read_entry(entry.to_json(), NOW)
    assert (read.at, read.action, read.objects, read.status) == (NOW, "upload_files", ["a"], 202)


@given(
    st.dictionaries(st.sampled_from([*GOOD, "objects", "studies", "status", "details", "route"]), anything),
    st.booleans(),
)
def test_no_form_stops_the_sealer(changed: dict[str, Any], based: bool) -> None:
    facts = {**(GOOD if based else {}), **changed}
    try:
        written = orjson.dumps(facts).decode()
    except TypeError:
        return  # no JSON that PostgreSQL would have handed over
    linked(GENESIS, read_entry(written, NOW))
