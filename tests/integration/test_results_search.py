"""What `q`, `study`, `series` and `state` find, and what rows tell of the header."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from services.results.read.models import ResultList
from tests.results_support import OWNER, STRANGER, Results, running_results
from tests.unit.services.results.events import failed, processed, received

HEADER: dict[str, Any] = {
    "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
    "00080020": {"vr": "DA", "Value": ["20260131"]},
    "00080030": {"vr": "TM", "Value": ["081530.25"]},
    "00080050": {"vr": "SH", "Value": ["ACC-77/1"]},
    "00080070": {"vr": "LO", "Value": ["ACME"]},
    "00080090": {"vr": "PN", "Value": [{"Alphabetic": "House^Gregory"}]},
    "00081030": {"vr": "LO", "Value": ["Tórax con contraste"]},
    "0008103E": {"vr": "LO", "Value": ["Axial fino"]},
    "00081090": {"vr": "LO", "Value": ["Scanner 3000"]},
    "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Müller-Núñez^José María"}]},
    "00100020": {"vr": "LO", "Value": ["PAT_0042"]},
    "00100030": {"vr": "DA", "Value": ["19700102"]},
    "00100040": {"vr": "CS", "Value": ["M"]},
    "00180015": {"vr": "CS", "Value": ["CHEST"]},
    "00200010": {"vr": "SH", "Value": ["S1"]},
    "00200011": {"vr": "IS", "Value": [4]},
    "00200013": {"vr": "IS", "Value": [17]},
    "00200032": {"vr": "DS", "Value": [-1.5, 0, 20.25]},
    "00200037": {"vr": "DS", "Value": [1, 0, 0, 0, 1, 0]},
}
TOLD = {
    "patient_name": "Müller-Núñez^José María",
    "patient_id": "PAT_0042",
    "patient_birth_date": "1970-01-02",
    "patient_sex": "M",
    "study_date": "2026-01-31",
    "study_time": "08:15:30.250000",
    "accession_number": "ACC-77/1",
    "study_id": "S1",
    "study_description": "Tórax con contraste",
    "referring_physician_name": "House^Gregory",
    "series_description": "Axial fino",
    "series_number": 4,
    "body_part_examined": "CHEST",
    "instance_number": 17,
    "study_instance_uid": "1.2.40.1",
    "series_instance_uid": "1.2.40.1.5",
    "sop_instance_uid": "1.2.40.1.5.17",
}
UIDS: dict[str, Any] = {
    name: TOLD[name] for name in ("study_instance_uid", "series_instance_uid", "sop_instance_uid")
}


@pytest.fixture
async def results(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Results]:
    """One replica."""
    async with running_results(role_url("results"), tmp_path) as running:
        yield running


@pytest.fixture
async def known(results: Results) -> UUID:
    """A file of OWNER whose header tells much, among others that tell nothing of it."""
    await results.upload(file_name="other.dcm")
    file_id = await results.upload(received(**UIDS), file_name="Corte_017.dcm", dicom=HEADER)
    await results.publish(processed(file_id))
    await results.upload(received(owner_id=STRANGER), file_name="Corte_018.dcm", dicom=HEADER)
    return file_id


async def found(results: Results, query: str) -> list[str]:
    body = await results.json(f"/api/results?{query}")
    ResultList.model_validate(body, extra="forbid")
    return [row["file_id"] for row in body["results"]]


async def test_lists_and_single_results_tell_the_headers_facts(results: Results, known: UUID) -> None:
    (row,) = (await results.json("/api/results?study=1.2.40.1"))["results"]
    assert {name: row[name] for name in TOLD} == TOLD
    single = await results.json(f"/api/results/{known}")
    assert {name: single[name] for name in TOLD} == TOLD
    assert single["image_position"] == [-1.5, 0.0, 20.25]
    assert single["image_orientation"] == [1.0, 0.0, 0.0, 0.0, 1.0, 0.0]
    assert single["owner"] == {"id": OWNER}


@pytest.mark.parametrize(
    "q",
    [
        "Müller-Núñez^José María",
        "MULLER",
        "josé müller",
        "María+NUNEZ",
        "pat_0042",
        "ACC-77/1",
        "torax",
        "contraste fino",
        "scanner+acme",
        "house^gregory",
        "corte_017",
        "017.dcm axial jose",
        "1.2.40",
        "1.2.40.1.5.17",
    ],
)
async def test_words_and_the_beginnings_of_uids_find_it(results: Results, known: UUID, q: str) -> None:
    assert await found(results, "q=" + q.replace("+", "%20").replace("^", "%5E")) == [str(known)]


@pytest.mark.parametrize("q", ["müler", "jose unknown", "pat%0042", "2.40", "1.2.41", "house gregori"])
async def test_what_is_not_there_is_not_found(results: Results, known: UUID, q: str) -> None:
    assert await found(results, "q=" + q.replace("%", "%25")) == []


async def test_rows_without_folded_text_are_found_by_file_name_and_device(
    results: Results, known: UUID, database_url: str
) -> None:
    """As rows of before are, until they are filled."""
    connection = await asyncpg.connect(database_url)
    await connection.execute("UPDATE results.upload_dicomresult SET search = NULL, file_name = 'Núcleo.dcm'")
    await connection.close()
    for q in ("núcleo", "NÚCLEO.DCM", "scanner 3000", "3000 acme núc", str(known), "1.2.40"):
        assert str(known) in await found(results, f"q={q}"), q
    assert await found(results, "q=torax") == []


async def test_study_and_series_are_exact(results: Results, known: UUID) -> None:
    second = await results.upload(
        received(study_instance_uid="1.2.40.1", series_instance_uid="1.2.40.1.6", sop_instance_uid="1.2.9")
    )
    assert await found(results, "study=1.2.40.1") == [str(second), str(known)]
    assert await found(results, "series=1.2.40.1.5") == [str(known)]
    assert await found(results, "study=1.2.40.1&series=1.2.40.1.6") == [str(second)]
    assert await found(results, "study=1.2.40") == []
    assert await found(results, "study=1.2.40.1&state=processed") == [str(known)]


async def test_a_superseded_file_is_shown_to_those_who_ask_for_it(results: Results) -> None:
    first = await results.upload(received(**UIDS), file_name="broken.dcm")
    await results.publish(failed(first))
    second = await results.upload(received(**UIDS, supersedes=first), file_name="mended.dcm")
    assert await found(results, "") == [str(second)]
    assert await found(results, "q=broken") == []
    assert await found(results, "study=1.2.40.1") == [str(second)]
    for query in ("state=superseded", "state=superseded&q=broken", "state=superseded&study=1.2.40.1"):
        assert await found(results, query) == [str(first)], query
    assert (await results.json(f"/api/results/{first}"))["state"] == "superseded"
    summary = await results.json("/api/results/summary")
    assert summary == {
        "received": 1, "processed": 0, "failed": 0, "superseded": 1, "erased": 0, "total": 1
    }  # fmt: skip
    changes = (await results.json("/api/changes"))["changes"]
    assert [(c["file_id"], c["state"]) for c in changes if c["state"] == "superseded"] == [
        (str(first), "superseded")
    ]


async def test_the_ends_in_time_are_exact(results: Results) -> None:
    file_id = await results.upload()
    received_at = (await results.json(f"/api/results/{file_id}"))["received_at"]
    after = datetime.fromisoformat(received_at) + timedelta(seconds=1)
    inside = after.isoformat().replace("+00:00", "Z")
    assert str(file_id) in await found(results, f"to={inside}")
    assert await found(results, f"to={received_at}") == []
    assert str(file_id) in await found(results, f"from={received_at}")


async def test_lists_go_either_way_and_by_sender(results: Results) -> None:
    sent = [str(await results.upload(file_name=f"{number}.dcm")) for number in range(5)]
    await results.upload(received(owner_id=STRANGER, collection=f"user:{OWNER}"), file_name="other.dcm")
    page = await results.json(f"/api/results?owner={OWNER}&sort=received&limit=3")
    assert [row["file_id"] for row in page["results"]] == sent[:3]
    page = await results.json(
        f"/api/results?owner={OWNER}&sort=received&limit=3&cursor={page['next_cursor']}"
    )
    assert [row["file_id"] for row in page["results"]] == sent[3:]
    assert page["next_cursor"] is None
    assert len((await results.json(f"/api/results?owner={STRANGER}"))["results"]) == 1
    await results.json("/api/results?sort=size", status=400)


async def test_facets_count_with_the_other_filters_as_they_are(results: Results) -> None:
    one = await results.upload(received(modality="CT"), file_name="a.dcm")
    await results.publish(processed(one, device_name="ACME"))
    two = await results.upload(received(modality="MR"), file_name="b.dcm")
    await results.publish(failed(two))
    await results.upload(received(modality="MR"), file_name="c.dcm")
    await results.upload(received(owner_id=STRANGER), file_name="d.dcm")

    async def facets(query: str) -> dict[str, Any]:
        answer = await results.json(f"/api/results/facets?{query}")
        assert answer["complete"]
        return {
            "total": answer["total"],
            **{
                name: {of["value"]: of["count"] for of in values} for name, values in answer["facets"].items()
            },
        }

    assert await facets("") == {
        "total": 3,
        "state": {"processed": 1, "failed": 1, "received": 1},
        "modality": {"CT": 1, "MR": 2},
        "device": {"ACME": 1},
        "owner": {str(OWNER): 3},
        "collection": {f"user:{OWNER}": 3},
    }
    found = await facets("modality=MR&state=failed")
    assert (found["total"], found["state"]) == (1, {"failed": 1, "received": 1})
    assert found["modality"] == {"MR": 1}
    assert (await facets("q=c.dcm"))["total"] == 1
    await results.json("/api/results/facets?limit=5", status=400)
