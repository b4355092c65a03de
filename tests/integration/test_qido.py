"""QIDO-RS: what searches find, what they answer with, and who sees how much."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.common.ids import new_file_id
from tests.qido_reference import matches
from tests.results_support import GROUPS, MEMBER, OWNER, STAFF, STRANGER, Results, running_results
from tests.sharing_support import ANA, BEN, CAT, Person, Sharing
from tests.unit.services.results.events import MOMENT, failed, moved, processed, received

ROOT = "http://127.0.0.1:8080/dicom-web"
TYPES = {"00100010": "PN", "00080090": "PN", "00080020": "DA", "00100030": "DA", "00080030": "TM"}
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "20"))


@pytest.fixture
async def results(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Results]:
    """One replica."""
    async with running_results(role_url("results"), tmp_path) as running:
        yield running


@pytest.fixture
async def bounded(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Results]:
    """One that gives out few matches."""
    async with running_results(role_url("results"), tmp_path, qido_matches=12, qido_offset=15) as running:
        yield running


def header(**tags: Any) -> dict[str, Any]:
    """A data set: `_00100020="P"`; names are `Alphabetic=Ideographic=Phonetic`."""
    found: dict[str, Any] = {}
    for name, value in tags.items():
        tag = name.removeprefix("_")
        vr = TYPES.get(tag, "IS" if isinstance(value, int) else "LO")
        if vr == "PN":
            groups = zip(("Alphabetic", "Ideographic", "Phonetic"), value.split("="), strict=False)
            value = {group: text for group, text in groups if text}
        found[tag] = {"vr": vr, "Value": [value]}
    return found


async def send(
    results: Results, study: str, series: str | None = None, /, *, owner: int = OWNER, number: int = 1,
    modality: str = "CT", collection: str | None = None, age: float = 0, sop: str | None = None,
    dicom: dict[str, Any] | None = None, **tags: Any,
) -> UUID:  # fmt: skip
    """An instance of a study that came `age` seconds before MOMENT."""
    more: dict[str, Any] = {} if collection is None else {"collection": collection}
    if sop is not None:
        more["sop_instance_uid"] = sop
    event = received(
        owner_id=owner, study_instance_uid=study, series_instance_uid=series or f"{study}.1",
        modality=modality, **more,
    )  # fmt: skip
    event = event.model_copy(update={"time": MOMENT - timedelta(seconds=age)})
    dicom = header(_00200013=number, **tags) if dicom is None else dicom
    return await results.upload(event, dicom=dicom)


async def search(results: Results, path: str, user: int = OWNER, **headers: str) -> list[dict[str, Any]]:
    """The matches of a search that is answered."""
    async with await results.get(f"/dicom-web/{path}", user, **headers) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["Content-Type"] == "application/dicom+json"
        found: list[dict[str, Any]] = await answer.json(content_type=None)
        return found


def values(found: list[dict[str, Any]], tag: str = "0020000D") -> list[Any]:
    """The first value of an attribute, of each match."""
    return [match[tag].get("Value", [None])[0] for match in found]


@pytest.fixture
async def known(results: Results) -> None:
    """Four studies of OWNER, the last two with two series; one of STRANGER."""
    await send(
        results, "1.2.1", _00100010="Müller^José=山田^太郎=やまだ^たろう", _00100020="P-1", _00080050="ACC1",
        _00080020="20260110", _00080030="103000", _00080090="House^Greg", _00100030="19700102",
        _00100040="M", _00200010="ID 1", _00081030="Tórax AP", age=30, sop="1.2.1.1.1",
    )  # fmt: skip
    await send(
        results, "1.2.2", _00100010="MULLER^ANNA", _00100020="P-2", _00080020="20260111", modality="MR"
    )
    step = {"00400009": {"vr": "SH", "Value": ["SPS1"]}, "00401001": {"vr": "SH", "Value": ["RP1"]}}
    asked = {"00400275": {"vr": "SQ", "Value": [step]}, "0008103E": {"vr": "LO", "Value": ["axial"]}}
    for number in (1, 2):
        await send(
            results, "1.2.3", "1.2.3.7", number=number, sop=f"1.2.3.7.{number}",
            dicom=header(
                _00100010="Perez^Ana", _00080020="20250101", _00200011=7, _00200013=number,
                _00400244="20250102", _00400245="0815", _00180015="CHEST",
            ) | asked,
        )  # fmt: skip
    await send(results, "1.2.3", "1.2.3.8", _00100010="Perez^Ana", _00200011=8, modality="SR")
    await send(results, "1.2.4", _00100010="O'Neil 50%_x", _00100020="P\u00e9", age=10)
    await send(results, "1.2.9", _00100010="Müller^José", owner=STRANGER)


STUDIES = [
    ("", "1.2.2 1.2.1 1.2.3 1.2.4"),
    ("PatientName=M%C3%BCller%5EJos%C3%A9", "1.2.1"),
    ("PatientName=MULLER^JOSE", "1.2.1"),
    ("PatientName=m*", "1.2.2 1.2.1"),
    ("PatientName=%2ALLER%2A", "1.2.2 1.2.1"),
    ("PatientName=muller^*", "1.2.2 1.2.1"),
    ("PatientName=muller", ""),
    ("PatientName=m%3Fller^jose", "1.2.1"),
    ("PatientName=山田*", "1.2.1"),
    ("PatientName=*たろう", "1.2.1"),
    ("PatientName=muller^jose=山田^太郎", "1.2.1"),
    ("PatientName=山田*=やまだ*", "1.2.1"),
    ("PatientName=jose", ""),
    ("PatientName=jos+mul&fuzzymatching=true", "1.2.1"),
    ("PatientName=JOSÉ&fuzzymatching=true", "1.2.1"),
    ("PatientName=ller&fuzzymatching=true", ""),
    ("PatientName=o'neil+50%25_x", "1.2.4"),
    ("PatientName=o'neil+5%25*", ""),
    ("PatientName=%25", ""),
    ("ReferringPhysicianName=*greg", "1.2.1"),
    ("PatientID=P-1", "1.2.1"),
    ("PatientID=p-1", ""),
    ("PatientID=P-*", "1.2.2 1.2.1"),
    ("PatientID=P-%3F", "1.2.2 1.2.1"),
    ("PatientID=P_*", ""),
    ("PatientID=P-1%5CP-2", "1.2.2 1.2.1"),
    ("PatientID=Pé", "1.2.4"),
    ("00100020=P-2", "1.2.2"),
    ("AccessionNumber=ACC1", "1.2.1"),
    ("StudyID=ID*", "1.2.1"),
    ("StudyDescription=*rax*", "1.2.1"),
    ("StudyDate=20260110", "1.2.1"),
    ("StudyDate=20260110-20260111", "1.2.2 1.2.1"),
    ("StudyDate=20260111-", "1.2.2"),
    ("StudyDate=-20251231", "1.2.3"),
    ("StudyDate=20260110&StudyTime=1030", "1.2.1"),
    ("StudyTime=10-11", "1.2.1"),
    ("StudyTime=1031-11", ""),
    ("PatientBirthDate=1970.01.02", "1.2.1"),
    ("PatientSex=M", "1.2.1"),
    ("PatientSex=F", ""),
    ("ModalitiesInStudy=CT", "1.2.1 1.2.3 1.2.4"),
    ("ModalitiesInStudy=MR,SR", "1.2.2 1.2.3"),
    ("ModalitiesInStudy=M*", "1.2.2"),
    ("ModalitiesInStudy=MR&ModalitiesInStudy=SR", "1.2.2 1.2.3"),
    ("StudyInstanceUID=1.2.1,1.2.9,1.2.4", "1.2.1 1.2.4"),
    ("StudyInstanceUID=1.2.1%5C1.2.2", "1.2.2 1.2.1"),
    ("StudyInstanceUID=", "1.2.2 1.2.1 1.2.3 1.2.4"),
    ("PatientName=muller*&ModalitiesInStudy=MR", "1.2.2"),
]


SERIES = [
    ("series", "1.2.2.1 1.2.1.1 1.2.3.7 1.2.3.8 1.2.4.1"),
    ("studies/1.2.3/series", "1.2.3.7 1.2.3.8"),
    ("studies/1.2.3/series?Modality=SR", "1.2.3.8"),
    ("studies/1.2.3/series?SeriesNumber=7", "1.2.3.7"),
    ("studies/1.2.9/series", ""),
    ("series?Modality=MR,SR", "1.2.2.1 1.2.3.8"),
    ("series?SeriesDescription=ax*", "1.2.3.7"),
    ("series?BodyPartExamined=CHEST", "1.2.3.7"),
    ("series?SeriesInstanceUID=1.2.3.7,1.2.1.1", "1.2.1.1 1.2.3.7"),
    ("series?PatientName=perez*", "1.2.3.7 1.2.3.8"),
    ("series?PerformedProcedureStepStartDate=20250102", "1.2.3.7"),
    ("series?PerformedProcedureStepStartTime=0800-0859", "1.2.3.7"),
    ("series?RequestAttributesSequence.ScheduledProcedureStepID=SPS1", "1.2.3.7"),
    ("series?00400275.00401001=R*1", "1.2.3.7"),
    ("series?00400275.00401001=SPS1", ""),
]


INSTANCES = [
    ("studies/1.2.3/series/1.2.3.7/instances", "1.2.3.7.1 1.2.3.7.2"),
    ("studies/1.2.3/instances?SeriesNumber=7", "1.2.3.7.1 1.2.3.7.2"),
    ("studies/1.2.3/series/1.2.3.7/instances?InstanceNumber=2", "1.2.3.7.2"),
    ("studies/1.2.1/series/1.2.3.7/instances", ""),
    ("instances?SOPInstanceUID=1.2.3.7.2,1.2.1.1.1", "1.2.1.1.1 1.2.3.7.2"),
    ("instances?SOPInstanceUID=1.2.3.7.2&PatientName=muller*", ""),
    ("instances?PatientID=P-1", "1.2.1.1.1"),
    ("instances?SOPClassUID=1.2.840.10008.5.1.4.1.1.2&StudyInstanceUID=1.2.1", "1.2.1.1.1"),
    ("instances?SOPClassUID=1.2.840.10008.5.1.4.1.1.4", ""),
]


async def test_what_is_meant_is_found_in_order(results: Results, known: None) -> None:
    asked = [
        *((f"studies?{query}", "0020000D", found) for query, found in STUDIES),
        *((path, "0020000E", found) for path, found in SERIES),
        *((path, "00080018", found) for path, found in INSTANCES),
    ]
    expected = {path: found.split() for path, _, found in asked}
    assert {path: values(await search(results, path), tag) for path, tag, _ in asked} == expected


def told(match: dict[str, Any]) -> dict[str, Any]:
    """Values alone."""
    return {tag: element.get("Value") for tag, element in match.items()}


async def test_studies_and_series_are_told_as_the_standard_lists_them(results: Results, known: None) -> None:
    (match,) = await search(results, "studies?PatientID=P-1")
    assert told(match) == {
        "00080020": ["20260110"],
        "00080030": ["103000"],
        "00080050": ["ACC1"],
        "00080061": ["CT"],
        "00080090": [{"Alphabetic": "House^Greg"}],
        "00081190": [f"{ROOT}/studies/1.2.1"],
        "00100010": [{"Alphabetic": "Müller^José", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}],
        "00100020": ["P-1"],
        "00100030": ["19700102"],
        "00100040": ["M"],
        "0020000D": ["1.2.1"],
        "00200010": ["ID 1"],
        "00201206": [1],
        "00201208": [1],
    }
    assert list(match) == sorted(match)
    types = {tag: match[tag]["vr"] for tag in ("00080020", "00081190", "00100010", "0020000D", "00201206")}
    assert list(types.values()) == ["DA", "UR", "PN", "UI", "IS"]
    (match,) = await search(results, "studies?PatientID=P-2&includefield=00081030&includefield=Modality")
    assert match["00080050"] == {"vr": "SH"}
    assert "00081030" not in match
    (match,) = await search(results, "studies?PatientID=P-1&includefield=StudyDescription")
    assert match["00081030"] == {"vr": "LO", "Value": ["Tórax AP"]}
    (match,) = await search(results, "studies?StudyInstanceUID=1.2.3")
    assert (match["00201206"]["Value"], match["00201208"]["Value"]) == ([2], [3])
    assert match["00080061"]["Value"] == ["CT", "SR"]
    # A series is told with its study, unless the path names it.
    first, second = await search(results, "studies/1.2.3/series")
    assert told(first) == {
        "00080060": ["CT"],
        "0008103E": ["axial"],
        "00081190": [f"{ROOT}/studies/1.2.3/series/1.2.3.7"],
        "0020000D": ["1.2.3"],
        "0020000E": ["1.2.3.7"],
        "00200011": [7],
        "00201209": [2],
        "00400244": ["20250102"],
        "00400245": ["081500"],
        "00400275": [
            {"00400009": {"vr": "SH", "Value": ["SPS1"]}, "00401001": {"vr": "SH", "Value": ["RP1"]}}
        ],
    }
    assert "0008103E" not in second
    (match,) = await search(results, "series?SeriesInstanceUID=1.2.3.7&includefield=BodyPartExamined")
    assert match["00100010"]["Value"] == [{"Alphabetic": "Perez^Ana"}]
    assert match["00201208"]["Value"] == [3]
    assert match["00180015"]["Value"] == ["CHEST"]


async def test_an_instance_is_told_by_its_own_header(results: Results) -> None:
    dicom = header(_00200013=1, _00100010="Doe") | {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 100"]},
        "00280008": {"vr": "IS", "Value": [3]},
        "00280010": {"vr": "US", "Value": [64]},
        "00280011": {"vr": "US", "Value": [32]},
        "00280100": {"vr": "US", "Value": [12]},
        "7FE00010": {"vr": "OW", "BulkDataURI": "bulk/7FE00010"},
    }
    await send(results, "1.2.1", dicom=dicom, sop="1.2.1.1.1")
    url = f"{ROOT}/studies/1.2.1/series/1.2.1.1/instances/1.2.1.1.1"
    (match,) = await search(results, "studies/1.2.1/series/1.2.1.1/instances")
    assert told(match) == {
        "00080016": ["1.2.840.10008.5.1.4.1.1.2"],
        "00080018": ["1.2.1.1.1"],
        "00081190": [url],
        "0020000D": ["1.2.1"],
        "0020000E": ["1.2.1.1"],
        "00200013": [1],
        "00280008": [3],
        "00280010": [64],
        "00280011": [32],
        "00280100": [12],
    }
    (match,) = await search(results, "studies/1.2.1/series/1.2.1.1/instances?includefield=all")
    assert match["00100010"] == dicom["00100010"]
    assert match["00080005"]["Value"] == ["ISO_IR 192"]
    assert "7FE00010" not in match
    (match,) = await search(results, "instances?includefield=InstanceAvailability&InstanceNumber=1")
    assert match["00080056"]["Value"] == ["ONLINE"]
    assert match["00201208"]["Value"] == match["00201209"]["Value"] == [1]


async def test_the_name_that_was_compared_is_told(results: Results) -> None:
    """The file whose header answers for a study may name somebody else than the file that came first."""
    first, second = new_file_id(), new_file_id()
    for file_id, name in ((second, "Doe^Jane=山田"), (first, "Roe^Richard")):
        await results.upload(received(file_id), dicom=header(_00100010=name))
    (study,) = await search(results, "studies?PatientName=doe*")
    assert study["00100010"]["Value"] == [{"Alphabetic": "Doe^Jane"}]
    assert await search(results, "studies?PatientName=roe*") == []


async def test_what_is_taken_and_given(results: Results, known: None) -> None:
    for path in ["studies?PatientNam=x", "series?StudyDate=x", "instances?limit=x", "studies?collection=x"]:
        async with await results.get(f"/dicom-web/{path}") as answer:
            assert answer.status == 400
            assert (await answer.json(content_type=None))["code"] == "invalid-request"
    accept = 'multipart/related; type="application/dicom+xml"'
    async with await results.get("/dicom-web/studies?PatientName=m*", Accept=accept) as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith(f"{accept}; boundary=")
        body = await answer.text()
        assert body.count("Content-Type: application/dicom+xml") == body.count("</NativeDicomModel>") == 2
        assert "山田" in body
    async with await results.get("/dicom-web/studies?PatientName=x", Accept=accept) as answer:
        assert (answer.status, await answer.read()) == (204, b"")
    for accept in ("application/json", "text/html, */*;q=0.1", "application/dicom+json;q=0.5, image/png"):
        assert len(await search(results, "studies", Accept=accept)) == 4
    async with await results.get("/dicom-web/studies", Accept="image/png") as answer:
        assert answer.status == 406
    assert len(await search(results, "studies?accept=application/dicom%2Bjson", Accept="image/png")) == 4


async def test_pages_and_what_warns_of_more(bounded: Results) -> None:
    for number in range(20):
        await send(bounded, f"1.2.{number}", _00080020=f"202601{1 + number:02}")
    seen: list[str] = []
    for offset in (0, 5, 10, 15):
        async with await bounded.get(f"/dicom-web/studies?limit=5&offset={offset}") as answer:
            page, warnings = await answer.json(content_type=None), answer.headers.getall("Warning", [])
        assert len(page) == 5
        assert bool(warnings) is (offset < 15)
        seen += values(page)
    assert seen == [f"1.2.{number}" for number in range(19, -1, -1)]
    assert await search(bounded, "studies?limit=0") == []
    async with await bounded.get("/dicom-web/studies?limit=100") as answer:
        assert len(await answer.json(content_type=None)) == 12
        (warning,) = answer.headers.getall("Warning")
        assert warning.startswith(f'299 {ROOT}: "The number of results exceeded the maximum')
    async with await bounded.get("/dicom-web/studies?offset=16") as answer:
        assert answer.status == 400
        assert "StudyDate" in (await answer.json(content_type=None))["detail"]
    assert await search(bounded, "studies?offset=1000000&StudyDate=20260101-20260115") == []
    async with await bounded.get("/dicom-web/studies?StudyDate=20260101&Modality=CT&turn=1") as answer:
        (warning,) = answer.headers.getall("Warning")
        assert warning == f'299 {ROOT}: "These parameters are not supported and were ignored: turn, Modality"'


async def test_long_headers_end_a_page_early(results: Results, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.results.dicomweb.qido.store.HEADERS_BYTES", 2000)
    for number in range(3):
        await send(results, "1.2.1", number=number, _00204000=os.urandom(800).hex())
    path = "/dicom-web/studies/1.2.1/instances?includefield=all&offset="
    seen = []
    for offset in range(3):
        async with await results.get(f"{path}{offset}") as answer:
            page = await answer.json(content_type=None)
            assert ("Warning" in answer.headers) is (offset < 2)
        assert len(page) == 1
        seen += values(page, "00200013")
    assert seen == [0, 1, 2]
    assert len(await search(results, "studies/1.2.1/instances")) == 3


async def test_states_count_as_in_lists_of_studies(results: Results) -> None:
    first = await send(results, "1.2.1", _00100020="A", sop="1.2.1.1.1")
    await results.publish(failed(first))
    assert values(await search(results, "instances"), "00080018") == ["1.2.1.1.1"]
    second = await send(results, "1.2.1", sop="1.2.1.1.2")
    await results.publish(processed(second))
    (study,) = await search(results, "studies")
    assert study["00201208"]["Value"] == [2]
    replaced = received(
        study_instance_uid="1.2.1",
        series_instance_uid="1.2.1.1",
        sop_instance_uid="1.2.1.1.1",
        supersedes=first,
    )
    await results.upload(replaced, dicom=header(_00100020="A"))
    assert sorted(values(await search(results, "instances"), "00080018")) == ["1.2.1.1.1", "1.2.1.1.2"]
    await results.publish(moved(second, "group:3"))
    (study,) = await search(results, "studies")
    assert study["00201208"]["Value"] == [1]


async def test_nobody_finds_what_they_may_not_see(results: Results, known: None) -> None:
    for path in ("studies", "series", "instances"):
        assert set(values(await search(results, path, STRANGER))) == {"1.2.9"}
        assert await search(results, path, MEMBER) == []
        assert await search(results, f"{path}?StudyInstanceUID=1.2.1", STRANGER) == []
        assert await search(results, f"{path}?collection=user:7", STRANGER) == []
        assert await search(results, f"collections/user:7/{path}", STRANGER) == []
        assert set(values(await search(results, path, STAFF))) == {
            "1.2.1",
            "1.2.2",
            "1.2.3",
            "1.2.4",
            "1.2.9",
        }
    assert await search(results, "studies/1.2.1/series", STRANGER) == []
    assert await search(results, "studies/1.2.1/series/1.2.1.1/instances", STRANGER) == []


async def test_a_uid_in_several_collections_answers_from_one(results: Results) -> None:
    """The member's own, else of the first group; `collection` chooses, and its URLs lead there."""
    assert GROUPS[MEMBER].keys() == {"group:3", "group:4"}
    await send(results, "1.2.1", owner=MEMBER, _00100020="own", age=1)
    await send(results, "1.2.1", owner=MEMBER, collection="group:3", _00100020="three", age=9)
    await send(results, "1.2.2", owner=OWNER, collection="group:4", _00100020="four", age=30)
    await send(results, "1.2.2", owner=OWNER, collection="group:3", _00100020="three", age=5)
    await send(results, "1.2.2", owner=STRANGER, _00100020="other", age=40)
    for path in ("studies", "series", "instances?includefield=00100020"):
        found = await search(results, path, MEMBER)
        assert sorted(zip(values(found), values(found, "00100020"), strict=True)) == [
            ("1.2.1", "own"),
            ("1.2.2", "three"),
        ]
        found = await search(results, path, STAFF)
        assert sorted(zip(values(found), values(found, "00100020"), strict=True)) == [
            ("1.2.1", "three"),
            ("1.2.2", "other"),
        ]
        # A study that is hidden by another of its UID is not found by what it alone says.
        assert await search(results, f"{path.partition('?')[0]}?PatientID=four", MEMBER) == []
    (match,) = await search(results, "collections/group:4/studies", MEMBER)
    assert values([match], "00100020") == ["four"]
    assert values([match], "00081190") == [f"{ROOT}/collections/group:4/studies/1.2.2"]
    (match,) = await search(results, "studies/1.2.2/series?collection=group:4", MEMBER)
    assert values([match], "00081190") == [f"{ROOT}/collections/group:4/studies/1.2.2/series/1.2.2.1"]


async def ask(sharing: Sharing, who: Person, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await sharing.ask(who, "GET", f"/dicom-web/{path}")
    return found


async def test_what_is_shared_is_told_by_that_alone(results: Results) -> None:
    sharing = Sharing(results)
    one = await send(results, "1.2.1", "1.2.1.1", _00100010="Doe^Jane", sop="1.1.1", modality="CT")
    await send(results, "1.2.1", "1.2.1.1", _00100010="Doe^Jane", sop="1.1.2", modality="CT")
    await send(results, "1.2.1", "1.2.1.2", _00100010="Doe^Jane", sop="1.2.1", modality="MR")
    await send(results, "1.2.2", _00100010="Roe", sop="2.1.1")
    assert await ask(sharing, BEN, "studies") == []
    by_file = await sharing.share(ANA, BEN, file_id=str(one))
    (study,) = await ask(sharing, BEN, "studies?PatientName=doe*")
    assert (study["00201206"]["Value"], study["00201208"]["Value"]) == ([1], [1])
    assert study["00080061"]["Value"] == ["CT"]
    assert study["00100010"]["Value"] == [{"Alphabetic": "Doe^Jane"}]
    assert await ask(sharing, BEN, "studies?ModalitiesInStudy=MR") == []
    (series,) = await ask(sharing, BEN, "studies/1.2.1/series")
    assert series["00201209"]["Value"] == [1]
    assert values(await ask(sharing, BEN, "instances"), "00080018") == ["1.1.1"]
    by_series = await sharing.share(
        ANA, BEN, study_instance_uid="1.2.1", series_instance_uid="1.2.1.1", collection="user:7"
    )
    (series,) = await ask(sharing, BEN, "series?Modality=CT,MR")
    assert series["00201209"]["Value"] == [2]
    assert values(await ask(sharing, BEN, "studies/1.2.1/instances"), "00080018") == ["1.1.1", "1.1.2"]
    by_study = await sharing.share(ANA, BEN, study_instance_uid="1.2.1", collection="user:7")
    (study,) = await ask(sharing, BEN, "studies?StudyInstanceUID=1.2.1,1.2.2")
    assert (study["00201206"]["Value"], study["00201208"]["Value"]) == ([2], [3])
    assert len(await ask(sharing, BEN, "studies/1.2.1/series/1.2.1.2/instances")) == 1
    assert len(await ask(sharing, BEN, "collections/user:7/instances?InstanceNumber=1")) == 3
    assert await ask(sharing, CAT, "instances") == []
    await send(results, "1.2.5", owner=9, _00100010="Third", sop="5.1.1")
    by_other = await sharing.share(CAT, BEN, study_instance_uid="1.2.5", collection="user:9")
    assert values(await ask(sharing, BEN, "collections/user:9/studies")) == ["1.2.5"]
    assert values(await ask(sharing, BEN, "collections/user:7/studies")) == ["1.2.1"]
    assert sorted(values(await ask(sharing, BEN, "studies"))) == ["1.2.1", "1.2.5"]
    await sharing.take_back(CAT, by_other)
    # Their own of the same UID goes before.
    await send(results, "1.2.1", owner=8, _00100010="Mine", sop="8.1.1")
    (study,) = await ask(sharing, BEN, "studies")
    assert study["00100010"]["Value"] == [{"Alphabetic": "Mine"}]
    assert len(await ask(sharing, BEN, "collections/user:7/instances")) == 3
    for share in (by_file, by_series, by_study):
        await sharing.take_back(ANA, share)
    assert await ask(sharing, BEN, "collections/user:7/instances") == []


NAMES = ("Müller^José=山田^太郎", "MULLER^Jose", "O'Neil", "von der Á^B^C", "=山田", "Σοφός^Νίκος", "x_y%z")
TEXTS = ("A-1", "a-1", "A-10", "B 2", "50%", "x_y", "*?", "\u00e9t\u00e9")
ATTRIBUTES = {
    "PatientName": ("00100010", NAMES),
    "ReferringPhysicianName": ("00080090", NAMES),
    "PatientID": ("00100020", TEXTS),
    "AccessionNumber": ("00080050", TEXTS),
    "StudyID": ("00200010", TEXTS),
    "StudyDescription": ("00081030", TEXTS),
    "StudyDate": ("00080020", ("20250131", "20260101", "20260228")),
    "PatientBirthDate": ("00100030", ("19991231", "20000101")),
    "StudyTime": ("00080030", ("08", "0815", "081530", "120000")),
    "PatientSex": ("00100040", ("M", "F", "O")),
    "ModalitiesInStudy": ("00080060", ("CT", "MR", "CR")),
    "StudyInstanceUID": ("0020000D", ()),
    "SeriesNumber": ("00200011", (1, 2, 30)),
    "InstanceNumber": ("00200013", (1, 2, 30)),
    "RequestAttributesSequence.ScheduledProcedureStepID": ("00400009", TEXTS),
}


@st.composite
def query_values(draw: st.DrawFn, name: str) -> str:
    """A value like those that there are, changed here and there."""
    _, known = ATTRIBUTES[name]
    if name == "StudyInstanceUID":
        uids = st.lists(st.sampled_from([f"1.2.{n}" for n in range(30)]), min_size=1, max_size=4)
        return draw(st.sampled_from([",", "\\"])).join(draw(uids))
    value = str(draw(st.sampled_from(known)))
    if name.endswith("Number") and name != "AccessionNumber":
        return value
    if name.endswith(("Date", "Time")):
        other = str(draw(st.sampled_from(known)))
        return draw(st.sampled_from([value, f"{value}-", f"-{value}", f"{value}-{other}"]))
    cut = draw(st.integers(0, len(value)))
    changed = [
        value,
        f"{value[:cut]}*",
        f"*{value[cut:]}",
        f"{value[:cut]}?{value[cut + 1 :]}",
        f"*{value[1:-1]}*",
    ]
    found = draw(st.sampled_from([*changed, value.swapcase(), "", "*", f"{value}\\B 2"]))
    return found.replace("\\", "") if "Name" in name else found


@st.composite
def queries(draw: st.DrawFn) -> list[tuple[str, str]]:
    """One to three attributes."""
    names = draw(st.lists(st.sampled_from(list(ATTRIBUTES)), min_size=1, max_size=3, unique=True))
    fuzzy = [("fuzzymatching", "true")] if draw(st.booleans()) else []
    return [(name, draw(query_values(name))) for name in names] + fuzzy


def generated(number: int) -> dict[str, Any]:
    """A header: each attribute has one of its values by the number, or is missing."""
    tags: dict[str, Any] = {}
    for place, (tag, known) in enumerate(ATTRIBUTES.values()):
        pick = (number * (2 * place + 7) + place * number // 5) % (len(known) + 1)
        if pick < len(known) and tag not in ("00400009", "0020000D"):
            tags[f"_{tag}"] = known[pick]
    found = header(**tags)
    steps = [
        {"00400009": {"vr": "SH", "Value": [TEXTS[(number + n) % len(TEXTS)]]}} for n in range(number % 3)
    ]
    return found | ({"00400275": {"vr": "SQ", "Value": steps}} if steps else {})


async def test_sql_finds_what_a_plain_reading_of_the_query_finds(results: Results) -> None:
    headers: dict[str, dict[str, Any]] = {}
    for number in range(30):
        uid, dicom = f"1.2.{number}", generated(number)
        modality = dicom.get("00080060", {}).get("Value", [""])[0]
        headers[uid] = dicom | {"0020000D": {"vr": "UI", "Value": [uid]}}
        await send(results, uid, dicom=dicom, modality=modality)
    asked: list[list[tuple[str, str]]] = []

    @given(queries())
    @settings(max_examples=EXAMPLES, database=None, suppress_health_check=list(HealthCheck), deadline=None)
    def collect(query: list[tuple[str, str]]) -> None:
        asked.append(query)

    collect()
    for query in asked:
        expected = sorted(uid for uid, dicom in headers.items() if matches(dicom, query))
        path = f"instances?{urlencode(query, quote_via=quote)}"
        assert sorted(values(await search(results, path))) == expected, query
