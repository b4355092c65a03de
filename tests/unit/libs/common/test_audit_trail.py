"""Which entries are written one by one, and which are one."""

from __future__ import annotations

from dataclasses import replace

import orjson

from libs.common.audit.entries import MOST_OBJECTS, AuditEntry
from libs.common.audit.trail import MOST_ALIKE, merged

PICTURE = AuditEntry(
    "results",
    "get_thumbnail",
    "success",
    "user:7",
    object_type="file",
    objects=["a"],
    studies=["1.2"],
    joins=True,
)


def test_pictures_of_one_moment_are_one_entry() -> None:
    second, third = replace(PICTURE, objects=["b"], studies=["1.3"]), replace(PICTURE, objects=["a"])
    [entry] = merged([PICTURE, second, third])
    assert (entry.objects, entry.studies) == (("a", "b"), ("1.2", "1.3"))
    assert entry.details == {"requests": 3}
    assert entry.at == PICTURE.at


def test_merging_again_counts_on() -> None:
    once = merged([PICTURE, PICTURE])
    assert merged([*once, PICTURE])[0].details == {"requests": 3}


def test_other_people_and_other_reads_are_other_entries_in_their_order() -> None:
    other = replace(PICTURE, actor="user:8")
    original = replace(PICTURE, action="get_file", joins=False)
    refused = replace(PICTURE, ending="refused", joins=False)
    assert merged([original, PICTURE, other, original, refused, refused]) == [
        original,
        PICTURE,
        other,
        original,
        refused,
        refused,
    ]


def test_one_entry_does_not_grow_beyond_what_an_entry_holds() -> None:
    many = [replace(PICTURE, objects=[str(n)]) for n in range(MOST_OBJECTS + 1)]
    first, second = merged(many)
    assert (len(first.objects), second.objects) == (MOST_OBJECTS, [str(MOST_OBJECTS)])


def test_a_flood_of_strangers_does_not_fill_the_log() -> None:
    refused = AuditEntry("auth", "login", "refused", "anonymous", address="192.0.2.1", status=401)
    found = merged([refused] * 500 + [replace(refused, address="192.0.2.2")])
    assert len(found) == MOST_ALIKE + 1
    assert found[MOST_ALIKE - 1].details == {"requests": 500 - MOST_ALIKE + 1}
    assert len(merged([replace(refused, actor="user:7")] * 50)) == 50, "whoever is known is told of each time"


def test_what_is_written_is_bounded_and_can_be_stored() -> None:
    entry = AuditEntry(
        "auth",
        "login",
        "refused",
        "anonymous",
        objects=["x\0\ud800" * 500] * 1500,
        details={"why": "y" * 9999},
    )
    written = orjson.loads(entry.to_json())
    assert len(written["objects"]) == MOST_OBJECTS
    assert written["details"]["objects"] == 1500
    assert len(written["details"]["why"]) == 256
    assert "\0" not in entry.to_json()
    assert "address" not in written, "what is not known is left out"


def test_the_largest_entry_fits_its_column() -> None:
    uids = [f"{n:064}" for n in range(5000)]
    entry = AuditEntry(
        "results", "list_results", "success", "user:7", objects=["f" * 36] * 5000, studies=uids
    )
    assert len(entry.to_json()) < 131_072 - 2 * MOST_OBJECTS
