"""Lists of studies: what finds them, in which order, who sees how much of them."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest

from services.results.keys import DATABASE
from services.results.studies import store
from tests.results_support import GROUPS, MEMBER, OWNER, STAFF, STRANGER, Results, running_results
from tests.sharing_support import ANA, BEN, CAT, Person, Sharing
from tests.unit.services.results.events import MOMENT, failed, moved, processed, received


@pytest.fixture
async def results(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Results]:
    """One replica."""
    async with running_results(role_url("results"), tmp_path) as running:
        yield running


def header(**told: str) -> dict[str, Any]:
    """A data set; names are those of _TAGS."""
    tags = {
        "name": "00100010", "patient": "00100020", "accession": "00080050", "study": "00081030",
        "series": "0008103E", "maker": "00080070", "date": "00080020", "time": "00080030",
        "number": "00200011",
    }  # fmt: skip
    found: dict[str, Any] = {}
    for name, value in told.items():
        vr = {"name": "PN", "date": "DA", "time": "TM", "number": "IS"}.get(name, "LO")
        content: Any = {"Alphabetic": value} if vr == "PN" else int(value) if vr == "IS" else value
        found[tags[name]] = {"vr": vr, "Value": [content]}
    return found


async def send(
    results: Results, study: str, series: str | None = None, /, *, owner: int = OWNER, file: str = "a.dcm",
    modality: str = "CT", collection: str | None = None, age: float = 0, measured: bool = True, **told: Any
) -> UUID:  # fmt: skip
    """A file of a study, measured, that came `age` seconds before MOMENT."""
    more: dict[str, Any] = {} if collection is None else {"collection": collection}
    event = received(
        owner_id=owner, study_instance_uid=study, series_instance_uid=series or f"{study}.1",
        modality=modality, **more,
    )  # fmt: skip
    event = event.model_copy(update={"time": MOMENT - timedelta(seconds=age)})
    file_id = await results.upload(event, file_name=file, dicom=header(**told))
    if measured:
        await results.publish(processed(file_id, owner_id=owner))
    return file_id


async def uids(results: Results, query: str = "", user: int = OWNER) -> list[str]:
    """The studies that a query finds, in order."""
    answer = await results.json(f"/api/studies?{query}", user)
    return [study["study_instance_uid"] for study in answer["studies"]]


@pytest.fixture
async def known(results: Results) -> None:
    """Three studies of OWNER, one of STRANGER."""
    await send(
        results, "1.2.1", name="GARCÍA^MARÍA", patient="P-77", accession="ACC1", study="Tórax", age=30,
        series="pulmón fino", maker="ACME", file="disco/IM0262", date="20260110", time="0900",
    )  # fmt: skip
    await send(results, "1.2.2", name="Álvarez^Leo", patient="P-78", age=20, modality="MR", date="20260111")
    await send(results, "1.2.2", "1.2.2.9", name="Álvarez^Leo", patient="P-78", age=19, series="sagital")
    await send(results, "1.2.3", name="Zoe", age=10, date="20250101", file="otro.dcm")
    await send(results, "1.2.4", name="GARCÍA^MARÍA", owner=STRANGER)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["1.2.3", "1.2.2", "1.2.1"]),
        ("q=maria+garcia", ["1.2.1"]),
        ("q=GARC%C3%8DA%5Emar", ["1.2.1"]),
        ("q=p-7", ["1.2.2", "1.2.1"]),
        ("q=acc1", ["1.2.1"]),
        ("q=torax+acme", ["1.2.1"]),
        ("q=PULMON", ["1.2.1"]),
        ("q=sagital", ["1.2.2"]),
        ("q=im0262", ["1.2.1"]),
        ("q=garcia+im0262", ["1.2.1"]),
        ("q=garcia+leo", []),
        ("q=1.2", ["1.2.3", "1.2.2", "1.2.1"]),
        ("q=1.2.2.9", ["1.2.2"]),
        ("q=2.25.", ["1.2.3", "1.2.2", "1.2.1"]),
        ("q=%25", []),
        ("q=_", []),
        ("patient=maria", ["1.2.1"]),
        ("patient=p-78", ["1.2.2"]),
        ("patient=torax", []),
        ("modality=MR", ["1.2.2"]),
        ("modality=MR,CT", ["1.2.3", "1.2.2", "1.2.1"]),
        ("modality=XX", []),
        ("device=acm", ["1.2.1"]),
        ("device=a_m", []),
        ("study_from=2026-01-11", ["1.2.2"]),
        ("study_from=2026-01-10&study_to=2026-01-11", ["1.2.2", "1.2.1"]),
        ("received=2026-01-31", ["1.2.3", "1.2.2", "1.2.1"]),
        ("received=2026-02-01..", []),
        ("received=..2026-01-31T11:59:35Z", ["1.2.1"]),
        ("received=3650d", ["1.2.3", "1.2.2", "1.2.1"]),
        ("owner=7", ["1.2.3", "1.2.2", "1.2.1"]),
        ("owner=8", []),
        ("collection=user:7", ["1.2.3", "1.2.2", "1.2.1"]),
        ("collection=user:8", []),
        ("shared=true", []),
        ("shared=false&modality=MR", ["1.2.2"]),
        ("state=processed", ["1.2.3", "1.2.2", "1.2.1"]),
        ("state=failed", []),
        ("state=received", []),
        ("sort=received", ["1.2.1", "1.2.2", "1.2.3"]),
        ("sort=patient", ["1.2.2", "1.2.1", "1.2.3"]),
        ("sort=-patient", ["1.2.3", "1.2.1", "1.2.2"]),
        ("sort=-study_date", ["1.2.2", "1.2.1", "1.2.3"]),
        ("sort=study_date", ["1.2.3", "1.2.1", "1.2.2"]),
    ],
)
@pytest.mark.usefixtures("known")
async def test_filters_and_orders(results: Results, query: str, found: list[str]) -> None:
    assert await uids(results, query) == found


async def test_states(results: Results) -> None:
    await send(results, "1.1", age=3)
    await send(results, "1.2", age=2, measured=False)
    broken = await send(results, "1.3", age=1, measured=False)
    await results.publish(failed(broken))
    assert await uids(results, "state=processed") == ["1.1"]
    assert await uids(results, "state=received") == ["1.2"]
    assert await uids(results, "state=failed") == ["1.3"]
    assert await uids(results, "state=failed&q=a.dcm") == ["1.3"]


async def test_where_files_are_many_all_studies_of_a_state_are_told(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "FOUND_MOST", 2)
    for number in range(5):
        await send(results, f"1.{number}", measured=False, age=number)
    assert await uids(results, "state=received") == [f"1.{number}" for number in range(5)]


async def test_a_study_tells_its_files_and_no_more(results: Results) -> None:
    await send(results, "1.5", "1.5.2", name="Doe^Jane", number="2", series="late", maker="ACME", age=9)
    cover = await send(results, "1.5", "1.5.1", name="Doe^Jane", number="1", modality="MR", age=8)
    broken = await send(results, "1.5", "1.5.1", name="Doe^Jane", number="1", modality="MR", measured=False)
    await results.publish(failed(broken))
    (study,) = (await results.json("/api/studies"))["studies"]
    assert study["patient_name"] == "Doe^Jane"
    assert (study["series_count"], study["instances"], study["whole"]) == (2, 3, True)
    assert (study["files_received"], study["files_processed"], study["files_failed"]) == (0, 2, 1)
    assert (study["modalities"], study["devices"], study["owners"]) == (["CT", "MR"], ["ACME"], [OWNER])
    assert study["received_at"] == "2026-01-31T11:59:51Z"
    one = await results.json("/api/studies/1.5")
    assert one | {"series": [], "collections": []} == study | {"series": [], "collections": []}
    first, second = one["series"]
    assert (first["series_instance_uid"], first["series_number"], first["modality"]) == ("1.5.1", 1, "MR")
    assert (first["instances"], first["files_failed"], first["cover_file_id"]) == (2, 1, str(cover))
    assert (second["series_description"], second["device"]) == ("late", "ACME")
    for path in ("1.6", "1.5%00", "%25", "x" * 65, "1.5%20"):
        await results.json(f"/api/studies/{path}", status=404)
    await results.json("/api/studies/1.5", STRANGER, status=404)


async def pages(results: Results, query: str, user: int = OWNER) -> list[str]:
    found: list[str] = []
    cursor = ""
    while True:
        answer = await results.json(f"/api/studies?{query}&limit=2{cursor}", user)
        found += [study["study_instance_uid"] for study in answer["studies"]]
        if answer["next_cursor"] is None:
            return found
        cursor = f"&cursor={answer['next_cursor']}"


@pytest.mark.parametrize("sort", ["received", "study_date", "patient"])
async def test_pages_hold_each_study_once_whatever_comes_meanwhile(results: Results, sort: str) -> None:
    """Studies that are equal in what they are sorted by, or have nothing of it, among others."""
    for number in range(9):
        told: dict[str, Any] = (
            {"name": f"N{number // 3}", "date": f"2026010{number // 3 + 1}"} if number > 2 else {}
        )
        await send(results, f"1.{number}", age=number // 3, **told)
    for way in ("", "-"):
        everything = await uids(results, f"sort={way}{sort}")
        assert sorted(everything) == [f"1.{number}" for number in range(9)]
        assert await pages(results, f"sort={way}{sort}") == everything
        if way:
            assert everything == [*reversed(await uids(results, f"sort={sort}"))]
    first = await results.json(f"/api/studies?sort={sort}&limit=4")
    await send(results, "0.1", age=100)
    await send(results, "1.1", age=50)
    rest = await results.json(f"/api/studies?sort={sort}&limit=50&cursor={first['next_cursor']}")
    found = [study["study_instance_uid"] for of in (first, rest) for study in of["studies"]]
    assert len(found) == len(set(found))
    assert set(found) >= {f"1.{number}" for number in range(9)} - {"1.1"}


@pytest.mark.parametrize(
    "query",
    [
        "sort=size", "limit=0", "limit=501", "cursor=x", "state=erased", "received=..", "received=x..y",
        "received=0d", "modality=", "modality=CT,", "study_from=2026-02-30", "owner=0", "collection=7",
        "shared=maybe", "q=%00", "modality=CT&modality=MR", "patient=", "sort=patient&cursor=CURSOR",
        "cursor=FORGED", "received=2026-13-01",
    ],
)  # fmt: skip
async def test_what_is_wrong_is_named(results: Results, query: str) -> None:
    for number in range(3):
        await send(results, f"1.{number}")
    cursor = (await results.json("/api/studies?limit=1"))["next_cursor"]
    raw = b"t" + orjson.dumps(["-received", 1, "x", "y"])
    forged = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    await results.json(
        f"/api/studies?{query.replace('CURSOR', cursor).replace('FORGED', forged)}", status=400
    )


async def test_a_key_of_a_forged_cursor_is_no_fault_of_the_server(results: Results) -> None:
    raw = b"t" + orjson.dumps(["-received", "no time", "x", "y"])
    forged = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
    await results.json(f"/api/studies?cursor={forged}", status=400)


async def test_collections_and_which_one_answers(results: Results) -> None:
    """The viewer's own, else the first of their groups', else the oldest that they see."""
    await send(results, "1.7", name="In group 4", owner=MEMBER, collection="group:4", age=10)
    await send(results, "1.7", name="In group 3", collection="group:3", age=30)
    await send(results, "1.7", name="Of seven", age=50)
    assert GROUPS[MEMBER].keys() == {"group:3", "group:4"}
    assert await uids(results, "", MEMBER) == ["1.7", "1.7"]
    assert await uids(results, "collection=group:4", MEMBER) == ["1.7"]

    async def answered(user: int, collection: str = "") -> tuple[str, list[str]]:
        study = await results.json(f"/api/studies/1.7{collection}", user)
        return study["collection"], study["collections"]

    assert await answered(MEMBER) == ("group:3", ["group:4"])
    assert await answered(MEMBER, "?collection=group:4") == ("group:4", [])
    await results.json("/api/studies/1.7?collection=user:7", MEMBER, status=404)
    assert await answered(OWNER) == ("user:7", [])
    assert await answered(STAFF) == ("user:7", ["group:3", "group:4"])
    await send(results, "1.7", name="Own", owner=MEMBER)
    assert (await answered(MEMBER))[0] == "user:9"
    await results.json("/api/studies/1.7", STRANGER, status=404)


async def test_facets_follow_the_other_filters(results: Results) -> None:
    await send(results, "1.1", modality="CT", maker="ACME", name="Ana")
    await send(results, "1.2", modality="MR", maker="ACME", measured=False, name="Ana")
    await send(results, "1.3", modality="MR", maker="Odd", name="Leo")
    await send(results, "1.3", modality="CT", maker="Odd", name="Leo")
    await send(results, "1.4", modality="CT", owner=STRANGER)

    async def facets(query: str, user: int = OWNER) -> dict[str, Any]:
        answer = await results.json(f"/api/studies/facets?{query}", user)
        assert answer["complete"]
        counted = {
            name: {of["value"]: of["count"] for of in values} for name, values in answer["facets"].items()
        }
        return {"total": answer["total"], **counted}

    assert await facets("") == {
        "total": 3,
        "state": {"processed": 2, "received": 1},
        "modality": {"CT": 2, "MR": 2},
        "device": {"ACME": 2, "Odd": 1},
        "owner": {"7": 3},
        "collection": {"user:7": 3},
        "shared": {"false": 3},
    }
    found = await facets("modality=MR")
    assert found["total"] == 2
    assert found["modality"] == {"CT": 2, "MR": 2}
    assert found["device"] == {"ACME": 1, "Odd": 1}
    assert found["state"] == {"processed": 1, "received": 1}
    found = await facets("modality=MR&state=received")
    assert (found["total"], found["state"]) == (1, {"processed": 1, "received": 1})
    assert found["modality"] == {"MR": 1}
    assert (await facets("q=leo"))["modality"] == {"CT": 1, "MR": 1}
    assert (await facets("", STAFF))["collection"] == {"user:7": 3, "user:8": 1}
    assert (await facets("collection=user:8", STRANGER))["total"] == 1
    assert (await facets("collection=user:7", STRANGER))["total"] == 0


async def test_many_studies_are_counted_up_to_a_limit(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "COUNTED_MOST", 2)
    for number in range(4):
        await send(results, f"1.{number}")
    answer = await results.json("/api/studies/facets")
    assert (answer["total"], answer["complete"]) == (3, False)


async def test_what_moves_away_is_told_no_more(results: Results) -> None:
    """Of a study whose named file has left, the old collection keeps no word."""
    await send(results, "1.8", "1.8.1", name="Keep", file="keep.dcm", maker="Stays")
    gone = await send(
        results, "1.8", "1.8.2", owner=OWNER, file="secret.dcm", maker="Secretive", series="hush"
    )
    await results.publish(moved(gone, "group:3"))
    for word in ("secret.dcm", "secretive", "hush"):
        assert await uids(results, f"q={word}") == []
        assert await uids(results, f"q={word}", MEMBER) == ["1.8"]
    (study,) = (await results.json("/api/studies"))["studies"]
    assert (study["devices"], study["series_count"], study["instances"]) == (["Stays"], 1, 1)
    assert await uids(results, "q=keep+stays") == ["1.8"]
    async with results.client.app[DATABASE].connection() as connection:
        also = await connection.fetchval("SELECT also FROM results.study WHERE collection = 'user:7'")
    assert also == "keep.dcm\nstays"


async def test_names_of_any_length_are_stored(results: Results) -> None:
    """An entry of an index is limited; so what strangers write must be."""
    name = "\ufdfa" * 64
    await send(results, "1.9", name=name, patient="𝔓" * 64, file="\ufdfa" * 255, series="\ufdfa" * 64)
    for number in range(70):
        await send(results, "1.9", f"1.9.{number}", series=f"{number} " + "x" * 60, maker=f"M{number}",
                   modality=f"M{number}", measured=False)  # fmt: skip
    (study,) = (await results.json("/api/studies?sort=patient"))["studies"]
    assert len(study["modalities"]) == len(study["devices"]) == 32
    assert study["instances"] == 71


async def shared_with(results: Results, to: Person, **what: Any) -> None:
    await Sharing(results).share(ANA, to, **what)


async def test_of_a_study_only_what_is_shared_is_told(results: Results) -> None:
    """Files of one study may say different things of the patient: some were made anonymous."""
    secret: dict[str, Any] = {
        "name": "Secret^Person",
        "patient": "S-1",
        "study": "Confidential",
        "date": "19990101",
    }
    await send(results, "1.5", "1.5.1", **secret, file="hidden.dcm", maker="HIDDEN", modality="MR", age=90)
    series = await send(results, "1.5", "1.5.2", name="Anon", series="open", maker="ACME", age=80, number="2")
    file_id = await send(results, "1.5", "1.5.3", name="Anon^Two", file="one.dcm", age=70, number="3")
    await send(results, "1.5", "1.5.3", **secret, file="two.dcm", age=60, number="3")
    what: dict[str, Any]
    for what in ({"series_instance_uid": "1.5.2"}, {"file_id": str(file_id)}):
        await shared_with(results, BEN, **what)
    sharing = Sharing(results)
    (study,) = (await sharing.ask(BEN, "GET", "/api/studies"))["studies"]
    one = await sharing.ask(BEN, "GET", "/api/studies/1.5")
    assert "Secret" not in orjson.dumps([study, one]).decode()
    assert (study["whole"], study["series_count"], study["instances"]) == (False, 2, 2)
    assert (study["patient_name"], study["study_description"], study["study_date"]) == ("Anon", None, None)
    assert (study["modalities"], study["devices"]) == (["CT"], ["ACME"])
    assert study["cover_file_id"] in {str(series), str(file_id)}
    assert study["received_at"] == "2026-01-31T11:58:40Z"
    assert [of["series_instance_uid"] for of in one["series"]] == ["1.5.2", "1.5.3"]
    assert [of["instances"] for of in one["series"]] == [1, 1]

    async def finds(query: str) -> int:
        return len((await sharing.ask(BEN, "GET", f"/api/studies?{query}"))["studies"])

    for query in ("q=secret", "q=hidden", "q=confidential", "q=two.dcm", "q=1.5.1", "patient=s-1",
                  "modality=MR", "device=hidden", "study_to=1999-12-31", "shared=false", "collection=user:8",
                  "state=failed"):  # fmt: skip
        assert await finds(query) == 0, query
    for query in ("q=anon", "q=one.dcm", "q=open+acme", "q=1.5", "q=1.5.3", "patient=anon", "modality=CT",
                  "device=acme", "shared=true", "collection=user:7", "state=processed", "owner=7",
                  "sort=patient", "sort=study_date", "sort=received"):  # fmt: skip
        assert await finds(query) == 1, query
    facets = await sharing.ask(BEN, "GET", "/api/studies/facets?shared=true")
    assert facets["total"] == 1
    assert facets["facets"]["modality"] == [{"value": "CT", "count": 1}]
    await sharing.ask(CAT, "GET", "/api/studies/1.5", 404)
    # Once all of it is shared, all is told.
    await shared_with(results, BEN, study_instance_uid="1.5")
    (study,) = (await sharing.ask(BEN, "GET", "/api/studies?q=secret"))["studies"]
    assert (study["whole"], study["instances"]) == (True, 4)
    assert len((await sharing.ask(BEN, "GET", "/api/studies/1.5"))["series"]) == 3


async def test_a_study_holds_no_file_of_another_that_is_shared_as_well(results: Results) -> None:
    sharing = Sharing(results)
    for study in ("1.5", "1.6"):
        file_id = await send(results, study)
        await sharing.share(ANA, BEN, file_id=str(file_id))
    for study in ("1.5", "1.6"):
        told = await sharing.ask(BEN, "GET", f"/api/studies/{study}")
        assert [series["series_instance_uid"] for series in told["series"]] == [f"{study}.1"]


async def test_what_was_shared_is_hidden_once_taken_back_or_moved(results: Results) -> None:
    file_id = await send(results, "1.5", name="Anon")
    sharing = Sharing(results)
    whats: list[dict[str, Any]] = [
        {"series_instance_uid": "1.5.1"},
        {"file_id": str(file_id)},
        {"study_instance_uid": "1.5"},
    ]
    for what in whats:
        share = await sharing.share(ANA, BEN, **what)
        assert (await sharing.ask(BEN, "GET", "/api/studies/1.5"))["collection"] == "user:7"
        await sharing.take_back(ANA, share)
        await sharing.ask(BEN, "GET", "/api/studies/1.5", 404)
        assert (await sharing.ask(BEN, "GET", "/api/studies"))["studies"] == []
    await sharing.share(ANA, BEN, file_id=str(file_id))
    await results.publish(moved(file_id, "group:3"))
    await sharing.ask(BEN, "GET", "/api/studies/1.5", 404)


async def test_pages_go_through_own_and_shared_studies(results: Results) -> None:
    sharing = Sharing(results)
    for number in range(4):
        await send(results, f"1.{number}", owner=BEN.id, age=2 * number)
        await send(results, f"2.{number}", age=2 * number + 1)
    await sharing.share(ANA, BEN, study_instance_uid="2.0")
    await sharing.share(ANA, BEN, series_instance_uid="2.1.1")
    await sharing.share(ANA, BEN, study_instance_uid="2.2")
    found, cursor = [], ""
    while cursor is not None:
        more = f"&cursor={cursor}" if cursor else ""
        answer = await sharing.ask(BEN, "GET", f"/api/studies?limit=2{more}")
        found += [study["study_instance_uid"] for study in answer["studies"]]
        cursor = answer["next_cursor"]
    assert found == ["1.0", "2.0", "1.1", "2.1", "1.2", "2.2", "1.3"]
