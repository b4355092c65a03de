"""Sharing a file, a series or a study: every route of results sees it, and stops to when it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from libs.common.database.postgres import Connection
from services.results.keys import DATABASE, METRICS
from services.results.sharing.keeping import end_and_count
from services.results.write.handlers import record
from services.results.write.reports import report_of
from tests.results_support import running_results
from tests.sharing_support import ANA, BEN, CAT, CHIEF, DAN, GUEST, MANAGER, READER, VIEWER, Person, Sharing
from tests.unit.services.results.events import moved, processed, received, trailer

LONG = timedelta(days=2)


@pytest.fixture
async def sharing(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Sharing]:
    """One replica."""
    async with running_results(role_url("results"), tmp_path) as running:
        yield Sharing(running)


def in_(span: timedelta) -> str:
    return (datetime.now(UTC) + span).isoformat()


WHATS: dict[str, Callable[[str], dict[str, Any]]] = {
    "file": lambda file_id: {"file_id": file_id},
    "series": lambda _: {"series_instance_uid": "1.2.3"},
    "study": lambda _: {"study_instance_uid": "1.2"},
}


@pytest.mark.parametrize("kind", WHATS)
async def test_every_route_sees_what_is_shared_and_stops_to(sharing: Sharing, kind: str) -> None:
    file_id, other = await sharing.file(), await sharing.file(study="1.9", series="1.9.1")
    assert not await sharing.sees(BEN, file_id)
    share = await sharing.share(ANA, BEN, **WHATS[kind](file_id))
    assert share["kind"] == kind
    assert share["grantee"] == {"user": 8, "group": None, "link": None}
    assert await sharing.sees(BEN, file_id)
    assert not await sharing.sees(BEN, other)
    assert not await sharing.sees(CAT, file_id)
    await sharing.take_back(ANA, share)
    assert not await sharing.sees(BEN, file_id)
    assert await sharing.sees(ANA, file_id)


@pytest.mark.parametrize("kind", ["series", "study"])
async def test_files_that_arrive_later_are_shared_too(sharing: Sharing, kind: str) -> None:
    first = await sharing.file()
    await sharing.share(ANA, BEN, **WHATS[kind](first))
    assert await sharing.sees(BEN, await sharing.file())
    for elsewhere in (
        await sharing.file("user:9"),
        await sharing.file(
            series="1.2.4" if kind == "series" else "1.2.3", study="1.2" if kind == "series" else "1.7"
        ),
    ):
        assert not await sharing.sees(BEN, elsewhere)


async def test_a_series_of_two_studies_is_shared_in_one(sharing: Sharing) -> None:
    """Whoever manages one study must not get at the other by the series' UID."""
    mine, same_uid = await sharing.file(), await sharing.file(study="1.9")
    await sharing.share(ANA, BEN, series_instance_uid="1.2.3", study_instance_uid="1.2")
    assert await sharing.sees(BEN, mine)
    assert not await sharing.sees(BEN, same_uid)


async def test_a_group_share_reaches_its_members_whatever_the_groups_mode(sharing: Sharing) -> None:
    file_id = await sharing.file()
    await sharing.share(ANA, 6, file_id=file_id)
    assert await sharing.sees(GUEST, file_id)
    assert not await sharing.sees(Person(GUEST.id), file_id), "who has left the group"


async def test_lists_say_what_is_shared_to_those_who_see_it(sharing: Sharing, sql: Connection) -> None:
    file_id, elsewhere = await sharing.file(), await sharing.file(study="1.9", series="1.9.1")
    named = "patient_name = 'GARCIA^MARIA', study_description = 'Abdomen'"
    await sql.execute(f"UPDATE results.upload_dicomresult SET {named} WHERE file_id = $1", UUID(file_id))
    thing = {"file_name": "slice.dcm", "patient_name": "GARCIA^MARIA", "study_description": "Abdomen"}
    for what in WHATS.values():
        made = await sharing.share(ANA, BEN, **what(file_id))
        assert thing.items() <= made["thing"].items()
        await sharing.share(BEN, CAT, status=403, **what(file_id))
    await sharing.share(ANA, BEN, file_id=elsewhere)
    for who, query in ((ANA, "by=me"), (BEN, "with=me"), (ANA, f"file_id={file_id}")):
        shares = (await sharing.ask(who, "GET", f"/api/shares?{query}"))["shares"]
        assert [share["thing"]["patient_name"] for share in shares][-3:] == ["GARCIA^MARIA"] * 3
    await sql.execute("UPDATE results.share SET collection = 'user:9', created_by = 8")
    assert {share["thing"] for share in (await sharing.ask(BEN, "GET", "/api/shares?by=me"))["shares"]} <= {
        None
    }


@pytest.mark.parametrize("kind", WHATS)
async def test_who_shares_is_told_when_it_was_last_opened(
    sharing: Sharing, sql: Connection, kind: str
) -> None:
    file_id, other = await sharing.file(), await sharing.file(study="1.9", series="1.9.1")
    share = await sharing.share(ANA, BEN, **WHATS[kind](file_id))
    assert share["last_used_at"] is None
    await sharing.share(ANA, 6, file_id=other)

    async def used() -> list[Any]:
        """When each was, the newest share first."""
        shares = (await sharing.ask(ANA, "GET", "/api/shares?by=me"))["shares"]
        return [one["last_used_at"] for one in shares]

    for opened in (f"/api/results/{file_id}", "/api/studies/1.2", "/api/studies/1.2/zip"):
        await sql.execute("UPDATE results.share SET last_used_at = NULL")
        await sharing.results.client.get(opened, headers=ANA.headers())
        assert await used() == [None, None], "one's own is nobody's share"
        await sharing.results.client.get(opened, headers=BEN.headers())
        theirs, mine = await used()
        assert theirs is None
        assert mine is not None, opened
        await sharing.ask(BEN, "GET", f"/api/results/{file_id}")
        assert await used() == [None, mine], "noted once in a while"
    await sharing.ask(GUEST, "GET", f"/api/results/{other}")
    assert None not in await used()


async def test_an_end_ends_it(sharing: Sharing, sql: Connection) -> None:
    file_id = await sharing.file()
    share = await sharing.share(ANA, BEN, file_id=file_id, until=in_(LONG), reason="second opinion")
    assert share["reason"] == "second opinion"
    assert await sharing.sees(BEN, file_id)
    await sql.execute("UPDATE results.share SET until = now()")
    assert not await sharing.sees(BEN, file_id)
    assert (await sharing.ask(BEN, "GET", "/api/shares?with=me"))["shares"] == []
    await sharing.share(ANA, BEN, file_id=file_id)
    assert await sharing.sees(BEN, file_id)


async def test_the_same_again_changes_the_first(sharing: Sharing, sql: Connection) -> None:
    file_id = await sharing.file()
    first = await sharing.share(ANA, BEN, file_id=file_id, until=in_(LONG), reason="look")
    again = await sharing.share(ANA, BEN, "manage", file_id=file_id)
    assert (again["id"], again["mode"], again["until"], again["reason"]) == (
        first["id"],
        "manage",
        None,
        None,
    )
    assert await sql.fetchval("SELECT count(*) FROM results.share") == 1


async def test_what_one_does_not_see_cannot_be_shared(sharing: Sharing) -> None:
    """As if there were no such file, study or series."""
    file_id = await sharing.file()
    answers = []
    whats: tuple[dict[str, Any], ...] = (
        {"file_id": file_id},
        {"file_id": str(uuid4())},
        {"study_instance_uid": "1.2"},
        {"study_instance_uid": "1.2", "collection": "user:7"},
        {"series_instance_uid": "1.2.3", "collection": "user:7"},
        {"series_instance_uid": "9.9"},
    )
    for what in whats:
        body = await sharing.share(BEN, CAT, status=404, **what)
        body.pop("trace_id", None)
        answers.append(body)
    assert all(body == answers[0] for body in answers)


async def test_what_one_only_sees_cannot_be_shared(sharing: Sharing) -> None:
    in_group, own = await sharing.file("group:3"), await sharing.file()
    await sharing.share(VIEWER, BEN, status=403, file_id=in_group)
    await sharing.share(VIEWER, BEN, status=403, study_instance_uid="1.2")
    await sharing.share(READER, BEN, status=403, file_id=own)
    await sharing.share(ANA, BEN, file_id=own)
    await sharing.share(BEN, CAT, status=403, file_id=own)
    for by in (MANAGER, CHIEF):
        await sharing.share(by, BEN, study_instance_uid="1.2", collection="group:3")
    assert await sharing.sees(BEN, in_group)


async def test_who_may_not_share_does_not(sharing: Sharing) -> None:
    file_id = await sharing.file()
    plain = Person(7, permissions=frozenset({"view_dicomresult"}))
    refused = await sharing.share(plain, BEN, status=403, file_id=file_id)
    assert refused["permission"] == "share_dicomfile"


async def test_the_original_takes_a_permission_of_its_own(sharing: Sharing) -> None:
    file_id = await sharing.file()
    await sharing.share(ANA, BEN, file_id=file_id)
    looking = Person(BEN.id, permissions=frozenset({"view_dicomresult"}))
    await sharing.ask(looking, "GET", f"/api/results/{file_id}")
    refused = await sharing.ask(looking, "GET", f"/api/results/{file_id}/file", 403)
    assert refused["permission"] == "view_dicomfile"


async def test_a_manage_share_shares_on_and_never_more(sharing: Sharing) -> None:
    file_id = await sharing.file()
    other = await sharing.file(series="1.2.4")
    held = await sharing.share(ANA, BEN, "manage", series_instance_uid="1.2.3", until=in_(LONG))
    await sharing.share(BEN, CAT, status=403, study_instance_uid="1.2", collection="user:7")
    await sharing.share(BEN, CAT, status=404, file_id=other)
    await sharing.share(BEN, CAT, status=403, file_id=file_id, until=in_(LONG * 2))
    given = await sharing.share(BEN, CAT, "manage", file_id=file_id)
    assert given["until"] == held["until"], "without an end, it ends with what its maker has"
    assert given["given_under"] == held["id"]
    await sharing.share(CAT, DAN, status=403, series_instance_uid="1.2.3", collection="user:7")
    await sharing.share(CAT, DAN, file_id=file_id)
    assert await sharing.sees(DAN, file_id)


async def test_what_was_given_under_a_share_ends_with_it(sharing: Sharing) -> None:
    file_id = await sharing.file()
    first = await sharing.share(ANA, BEN, "manage", file_id=file_id)
    await sharing.share(BEN, CAT, "manage", file_id=file_id)
    await sharing.share(CAT, DAN, file_id=file_id)
    # Sharing in a circle keeps nothing.
    await sharing.share(CAT, GUEST, "manage", file_id=file_id)
    await sharing.share(GUEST, BEN, "manage", file_id=file_id)
    await sharing.share(BEN, CAT, "manage", file_id=file_id)
    await sharing.take_back(ANA, first)
    for who in (BEN, CAT, DAN, GUEST):
        assert not await sharing.sees(who, file_id)


async def test_a_circle_of_those_who_left_the_owner_keeps_nothing(sharing: Sharing) -> None:
    """BEN loses the group by which he managed, and holds the file by what he gave himself in a round."""
    file_id = await sharing.file("group:3")
    ben_then = Person(BEN.id, groups=(3,), collections={"group:3": "manage"})
    given = await sharing.share(ben_then, CAT, "manage", file_id=file_id)
    await sharing.share(CAT, BEN, "manage", file_id=file_id)
    await sharing.share(BEN, CAT, "manage", status=403, file_id=file_id)
    await sharing.take_back(MANAGER, given)
    for who in (BEN, CAT):
        assert not await sharing.sees(who, file_id)


async def test_less_for_the_maker_is_less_for_theirs(sharing: Sharing) -> None:
    file_id = await sharing.file()
    await sharing.share(ANA, BEN, "manage", file_id=file_id)
    await sharing.share(BEN, CAT, file_id=file_id)
    held = await sharing.share(ANA, BEN, "manage", file_id=file_id, until=in_(LONG))
    [share] = (await sharing.ask(CAT, "GET", "/api/shares?with=me"))["shares"]
    assert share["until"] == held["until"]
    await sharing.share(ANA, BEN, "view", file_id=file_id)
    assert await sharing.sees(BEN, file_id)
    assert not await sharing.sees(CAT, file_id)


async def test_who_may_take_back(sharing: Sharing) -> None:
    file_id = await sharing.file()
    held = await sharing.share(ANA, BEN, "manage", file_id=file_id)
    given = await sharing.share(BEN, CAT, file_id=file_id)
    with_group = await sharing.share(ANA, 3, file_id=file_id)
    for who, share, status in (
        (DAN, given, 404),
        (READER, given, 404),
        (BEN, with_group, 404),
        (VIEWER, with_group, 403),
        (MANAGER, with_group, 204),  # for the group
        (CAT, given, 204),  # drops it
        (CAT, given, 404),  # it is gone
        (CHIEF, held, 204),  # manages everything
    ):
        await sharing.take_back(who, share, status)


async def test_lists_of_shares(sharing: Sharing) -> None:
    file_id, later = await sharing.file(), await sharing.file()
    by_file = await sharing.share(ANA, BEN, "manage", file_id=file_id)
    by_study = await sharing.share(ANA, 6, study_instance_uid="1.2")
    by_series = await sharing.share(ANA, CAT, series_instance_uid="1.2.3")
    other_file = await sharing.share(ANA, CAT, file_id=later)
    further = await sharing.share(BEN, DAN, file_id=file_id)

    async def shown(who: Person, query: str, status: int = 200) -> list[str]:
        answer = await sharing.ask(who, "GET", f"/api/shares?{query}", status)
        return [share["id"] for share in answer.get("shares", [])]

    def ids(*shares: Any) -> list[str]:
        return [share["id"] for share in shares]

    assert await shown(ANA, "by=me") == ids(other_file, by_series, by_study, by_file)
    assert await shown(BEN, "by=me") == ids(further)
    assert await shown(GUEST, "with=me") == ids(by_study)
    assert await shown(CAT, "with=me") == ids(other_file, by_series)
    assert await shown(ANA, f"file_id={file_id}") == ids(further, by_series, by_study, by_file)
    assert await shown(ANA, "study_instance_uid=1.2") == ids(
        further, other_file, by_series, by_study, by_file
    )
    assert await shown(ANA, "series_instance_uid=1.2.3") == ids(by_series, by_study)
    assert await shown(BEN, f"file_id={file_id}") == ids(further, by_series, by_study, by_file)
    assert await shown(DAN, f"file_id={file_id}", 403) == []
    assert await shown(Person(99), f"file_id={file_id}", 404) == []
    first = await sharing.ask(ANA, "GET", "/api/shares?by=me&limit=3")
    rest = await shown(ANA, f"by=me&limit=3&cursor={first['next_cursor']}")
    assert [*ids(*first["shares"]), *rest] == ids(other_file, by_series, by_study, by_file)


@pytest.mark.parametrize(
    "query",
    [
        "",
        "by=me&with=me",
        "by=you",
        "by=me&file_id=00000000-0000-0000-0000-000000000000",
        "collection=user:7",
    ],
)
async def test_a_list_answers_one_question(sharing: Sharing, query: str) -> None:
    await sharing.ask(ANA, "GET", f"/api/shares?{query}", 400)


@pytest.mark.parametrize(
    "changed",
    [
        {"grantee": {}},
        {"grantee": {"user": 8, "group": 3}},
        {"grantee": {"user": 7}},
        {"grantee": {"user": 0}},
        {"grantee": {"user": 2**63}},
        {"grantee": {"link": "00000000-0000-0000-0000-000000000000"}},
        {"file_id": None},
        {"study_instance_uid": "1.2"},
        {"collection": "user:7"},
        {"mode": "own"},
        {"until": "2020-01-01T00:00:00Z"},
        {"until": "2099-01-01T00:00:00"},
        {"until": "9999-12-31T23:59:59-12:00"},
        {"reason": "x" * 501},
        {"reason": "a\0b"},
        {"extra": 1},
    ],
)
async def test_what_makes_no_sense_is_refused(sharing: Sharing, changed: dict[str, Any]) -> None:
    body = {"grantee": {"user": 8}, "file_id": str(uuid4()), "mode": "view"}
    await sharing.ask(ANA, "POST", "/api/shares", 400, {**body, **changed})


async def test_erased_and_moved_files_are_no_longer_shared(sharing: Sharing, sql: Connection) -> None:
    file_id = await sharing.file()
    await sharing.share(ANA, BEN, file_id=file_id)
    await sharing.share(ANA, BEN, study_instance_uid="1.2")
    await sql.execute("UPDATE results.upload_dicomresult SET collection = 'user:9'")
    assert await sharing.listed(BEN) == []
    await sharing.ask(BEN, "GET", f"/api/results/{file_id}", 404)
    await sql.execute("UPDATE results.upload_dicomresult SET collection = 'user:7', state = 'erased'")
    assert await sharing.listed(BEN) == []
    await sharing.ask(BEN, "GET", f"/api/results/{file_id}", 404)
    await sharing.share(ANA, CAT, status=404, file_id=file_id)
    shares = (await sharing.ask(BEN, "GET", "/api/shares?with=me"))["shares"]
    assert [share["kind"] for share in shares] == ["study"]


async def test_a_moved_file_is_shared_anew_by_who_manages_its_new_place(sharing: Sharing) -> None:
    """Under its first share it was seen where it lay; that share neither goes along nor stands in the way."""
    file_id = await sharing.file("group:3")
    first = await sharing.share(MANAGER, BEN, file_id=file_id)
    assert await sharing.sees(BEN, file_id)
    await sharing.results.publish(moved(UUID(file_id), "user:13", source="group:3"))
    assert await sharing.listed(BEN) == []
    await sharing.ask(BEN, "GET", f"/api/results/{file_id}", 404)
    left = (await sharing.ask(BEN, "GET", "/api/changes?limit=500"))["changes"][-1]
    assert (left["file_id"], left["collection"], left["state"]) == (file_id, "group:3", "moved")
    second = await sharing.share(MANAGER, BEN, file_id=file_id)
    assert second["id"] != first["id"]
    assert await sharing.sees(BEN, file_id)
    await sharing.results.publish(moved(UUID(file_id), "group:3", 2, source="user:13"))
    await sharing.take_back(MANAGER, first)
    assert await sharing.listed(BEN) == []


async def test_what_is_shared_in_several_ways_is_there_once(sharing: Sharing) -> None:
    files = [await sharing.file() for _ in range(3)]
    await sharing.share(ANA, GUEST, file_id=files[0])
    for to in (GUEST, 6):
        for kind in ("series", "study"):
            await sharing.share(ANA, to, **WHATS[kind](""))
    assert await sharing.listed(GUEST) == files[::-1]
    page = await sharing.ask(GUEST, "GET", "/api/results?limit=2")
    assert [row["file_id"] for row in page["results"]] == files[:0:-1]
    assert page["next_cursor"]
    changes = (await sharing.ask(GUEST, "GET", "/api/changes"))["changes"]
    assert len(changes) == len({change["cursor"] for change in changes}) == 6
    assert (await sharing.ask(GUEST, "GET", "/api/results/summary"))["total"] == 3


@pytest.mark.parametrize(
    "query", ["&q=1.2", "&q=slice", "&study=1.2", "&series=1.2.3", "&state=processed", "&to=2099-01-01"]
)
async def test_filters_find_what_is_shared_among_ones_own(sharing: Sharing, query: str) -> None:
    shared, _, own = await sharing.file(), await sharing.file("user:9"), await sharing.file("user:8")
    await sharing.share(ANA, BEN, file_id=shared)
    await sharing.share(ANA, BEN, study_instance_uid="1.2")
    expected = await sharing.listed(READER, query)
    assert await sharing.listed(BEN, query) == [f for f in expected if f in (shared, own)]


async def test_pages_of_shared_files_are_in_order_and_miss_nothing(sharing: Sharing) -> None:
    expected = []
    for number in range(25):
        collection = ("user:7", "user:8", "user:9")[number % 3]
        file_id = await sharing.file(collection, study=f"1.{number % 2}", series=f"1.{number}")
        if collection == "user:7":
            if number % 2:
                await sharing.share(ANA, BEN, file_id=file_id)
            expected.append(file_id)
        elif collection == "user:8":
            expected.append(file_id)
    await sharing.share(ANA, BEN, study_instance_uid="1.0")
    for name, entries, after in (("results", "next_cursor", "cursor"), ("changes", "next", "after")):
        found: list[str] = []
        cursor = ""
        while True:
            body = await sharing.ask(BEN, "GET", f"/api/{name}?limit=4{cursor}")
            found += [entry["file_id"] for entry in body[name]]
            if len(body[name]) < 4:
                break
            cursor = f"&{after}={body[entries]}"
        if name == "results":
            assert found == expected[::-1]
        else:
            assert found == [file_id for file_id in expected for _ in ("received", "processed")]


@pytest.mark.parametrize(
    ("setting", "other"),
    [
        ("shares_per_item", {"to": CAT}),
        ("shares_per_maker", {"to": CAT, "file": "other"}),
        ("shares_per_grantee", {"to": BEN, "file": "other"}),
        ("shares_per_maker_and_grantee", {"to": BEN, "file": "other"}),
    ],
)
async def test_limits(
    role_url: Callable[[str], str], tmp_path: Path, setting: str, other: dict[str, Any]
) -> None:
    given: dict[str, Any] = {setting: 1}
    async with running_results(role_url("results"), tmp_path, **given) as running:
        sharing = Sharing(running)
        file_id, second = await sharing.file(), await sharing.file()
        share = await sharing.share(ANA, BEN, file_id=file_id)
        await sharing.share(ANA, BEN, "manage", file_id=file_id)
        wanted = second if "file" in other else file_id
        refused = await sharing.share(ANA, other["to"], status=409, file_id=wanted)
        assert refused["code"] == "too-many-shares"
        await sharing.take_back(ANA, share)
        await sharing.share(ANA, other["to"], file_id=wanted)


async def test_who_may_only_share_reads_nothing_by_it(sharing: Sharing) -> None:
    """An API key, say, with no other permission."""
    file_id, narrow = await sharing.file(), Person(7, permissions=frozenset({"share_dicomfile"}))
    await sharing.share(narrow, BEN, status=403, file_id=file_id)
    await sharing.ask(narrow, "POST", "/api/links", 403, {"file_id": file_id})


async def test_a_share_of_a_file_that_was_moved_away_is_taken_back(sharing: Sharing) -> None:
    file_id = await sharing.file()
    share = await sharing.share(ANA, BEN, file_id=file_id)
    await sharing.results.publish(moved(UUID(file_id), "user:13", source="user:7"))
    await sharing.take_back(ANA, share)
    await sharing.results.publish(moved(UUID(file_id), "user:7", 2, source="user:13"))
    assert not await sharing.sees(BEN, file_id)
    await sharing.take_back(ANA, share, 404)


async def test_the_same_at_once_is_one(sharing: Sharing, sql: Connection) -> None:
    file_id = await sharing.file()
    shares = await asyncio.gather(*(sharing.share(ANA, BEN, file_id=file_id) for _ in range(8)))
    assert len({share["id"] for share in shares}) == 1
    assert await sql.fetchval("SELECT count(*) FROM results.share") == 1


async def test_what_is_taken_back_is_not_given_on_meanwhile(sharing: Sharing) -> None:
    """Whichever comes first: nobody keeps it."""
    file_id = await sharing.file()
    for _ in range(5):
        held = await sharing.share(ANA, BEN, "manage", file_id=file_id)
        body = {"grantee": {"user": CAT.id}, "file_id": file_id, "mode": "view"}
        post = sharing.results.client.post("/api/shares", json=body, headers=BEN.headers())
        answer, _ = await asyncio.gather(post, sharing.take_back(ANA, held))
        assert answer.status in (200, 403, 404)
        for who in (BEN, CAT):
            await sharing.ask(who, "GET", f"/api/results/{file_id}", 404)


async def test_ends_are_noted_and_counted(sharing: Sharing, sql: Connection) -> None:
    app = sharing.results.client.app
    file_id = await sharing.file()
    for to in (BEN, CAT):
        await sharing.share(ANA, to, file_id=file_id)
    over = await sharing.share(ANA, 6, file_id=file_id, until=in_(LONG))
    taken = await sharing.share(ANA, DAN, file_id=file_id)
    await sharing.take_back(ANA, taken)
    await sql.execute("UPDATE results.share SET until = now() WHERE id = $1", over["id"])
    await end_and_count(app[DATABASE], app[METRICS])
    async with sharing.results.client.get("/metrics") as answer:
        text = await answer.text()
    for line in (
        'results_shares{grantee="user"} 2.0',
        'results_shares{grantee="group"} 0.0',
        "results_shares_given_total 4.0",
        'results_shares_ended_total{cause="taken-back"} 1.0',
        'results_shares_ended_total{cause="expired"} 1.0',
    ):
        assert line in text.splitlines(), line
    assert await sql.fetchval("SELECT revoked_at = until FROM results.share WHERE id = $1", over["id"])


async def test_writing_files_asks_for_no_share(sharing: Sharing) -> None:
    """So that sharing costs those who write nothing."""
    await sharing.file()
    await sharing.share(ANA, BEN, study_instance_uid="1.2")
    looks = "SELECT seq_scan + coalesce(idx_scan, 0) FROM pg_stat_xact_user_tables WHERE relname = 'share'"
    file_id = uuid4()
    events = received(file_id, study_instance_uid="1.2"), processed(file_id)
    async with sharing.results.client.app[DATABASE].transaction() as connection:
        before = await connection.fetchval(looks)
        before = await connection.fetchval(looks)
        changes, _ = await record(connection, [report_of(event, trailer()) for event in events])
        assert len(changes) == 1
        assert await connection.fetchval(looks) == before
        await connection.fetch("SELECT FROM results.share")
        assert await connection.fetchval(looks) == before + 1
