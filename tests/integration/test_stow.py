"""STOW-RS of ingest: what is taken, in whatever shape it comes, and what is answered (PS3.18 10.5)."""

from __future__ import annotations

import asyncio
import hashlib
import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import asyncpg
import orjson
import pytest

from libs.common.database.postgres import Connection
from tests.builders import UID_ROOT, ct_instance, instance, part10, truncated
from tests.ingest_http_support import Ingest, running_ingest, token
from tests.stow_support import JSON, PLAIN, SHAPES, Shape, reasons, referenced
from tests.unit.libs.dicom.native_reader import read_native

ALICE = token(7, group_3="manage", group_4="view")
ROOT = "https://pacs.example/dicom-web"
STUDY = f"{UID_ROOT}.2"


@pytest.fixture
async def ingest(tmp_path: Path, role_url: Callable[[str], str]) -> AsyncIterator[Ingest]:
    url = role_url("ingest")
    async with running_ingest(
        url, tmp_path, public_url="https://pacs.example", max_store_instances=5
    ) as running:
        yield running


@pytest.fixture
async def sql(database_url: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def stow(
    ingest: Ingest,
    *instances: bytes,
    path: str = "/studies",
    shape: Shape = PLAIN,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, str, Any]:
    """Status, Content-Type and body, of which JSON is read."""
    sent = shape.body(instances) if body is None else body
    data: Any = io.BytesIO(sent)
    if shape.chunk is not None:
        size = shape.chunk

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(sent), size):
                yield sent[start : start + size]

        data = chunks()
    told = {**ALICE, **shape.headers(), **(headers or {})}
    async with ingest.client.post(f"/dicom-web{path}", data=data, headers=told) as answer:
        raw, kind = await answer.read(), answer.headers["Content-Type"]
        return answer.status, kind, orjson.loads(raw) if "json" in kind else raw


async def test_every_shape_of_the_field_is_understood_and_kept_to_the_byte(
    ingest: Ingest, sql: Connection
) -> None:
    for number, (name, shape) in enumerate(SHAPES.items()):
        sent = [ct_instance(seed=10 * number + 1), ct_instance(seed=10 * number + 2, rows=150, columns=200)]
        status, kind, answer = await stow(ingest, *sent, shape=shape)
        assert status == 200, (name, answer)
        if shape.accept == "application/dicom+xml":
            assert kind == "application/dicom+xml"
            answer = read_native(answer)
        else:
            assert kind == JSON
        uids = [f"{UID_ROOT}.4.{10 * number + 1}", f"{UID_ROOT}.4.{10 * number + 2}"]
        assert referenced(answer) == uids, name
        assert "00081198" not in answer
        assert "0008119A" not in answer
        rows = await sql.fetch(
            "SELECT sha256, file_name FROM ingest.upload_dicomfile "
            "WHERE sop_instance_uid = ANY($1::text[]) ORDER BY id",
            uids,
        )
        assert [row["sha256"] for row in rows] == [hashlib.sha256(one).hexdigest() for one in sent], name
        assert rows[0]["file_name"] == f"{uids[0]}.dcm"


async def test_the_answer_names_class_instance_and_addresses(ingest: Ingest) -> None:
    status, kind, answer = await stow(ingest, ct_instance(seed=1))
    assert (status, kind) == (200, JSON)
    url = f"{ROOT}/studies/{STUDY}"
    (item,) = answer.pop("00081199")["Value"]
    assert answer == {"00081190": {"vr": "UR", "Value": [url]}}
    assert item == {
        "00081150": {"vr": "UI", "Value": ["1.2.840.10008.5.1.4.1.1.2"]},
        "00081155": {"vr": "UI", "Value": [f"{UID_ROOT}.4.1"]},
        "00081190": {"vr": "UR", "Value": [f"{url}/series/{UID_ROOT}.3/instances/{UID_ROOT}.4.1"]},
    }
    # What is there already is told of just the same, and is no failure.
    again = await stow(ingest, ct_instance(seed=1), ct_instance(seed=2), headers={"Accept": "*/*"})
    assert (again[0], referenced(again[2])) == (200, [f"{UID_ROOT}.4.1", f"{UID_ROOT}.4.2"])
    # One instance as it is, for who has no multipart at hand.
    one = Shape("application/dicom", "")
    status, _, answer = await stow(ingest, body=ct_instance(seed=3), shape=one)
    assert (status, referenced(answer)) == (200, [f"{UID_ROOT}.4.3"])


async def test_two_studies_have_no_address_together(ingest: Ingest) -> None:
    other = f"{UID_ROOT}.77"
    _, _, answer = await stow(ingest, ct_instance(seed=1), ct_instance(seed=2, StudyInstanceUID=other))
    assert answer["00081190"] == {"vr": "UR"}
    assert [item["00081190"]["Value"][0].split("/")[5] for item in answer["00081199"]["Value"]] == [
        STUDY,
        other,
    ]


@pytest.mark.parametrize("path", ["/collections/group:3/studies", "/studies?collection=group:3"])
async def test_a_named_collection_is_in_the_addresses_too(ingest: Ingest, sql: Connection, path: str) -> None:
    _, _, answer = await stow(ingest, ct_instance(seed=1), path=path)
    assert answer["00081190"]["Value"] == [f"{ROOT}/collections/group:3/studies/{STUDY}"]
    assert await sql.fetchval("SELECT collection FROM ingest.upload_dicomfile") == "group:3"
    for closed, status in (("group:4", 403), ("group:9", 404)):
        assert (await stow(ingest, ct_instance(seed=2), path=f"/collections/{closed}/studies"))[0] == status
    assert await sql.fetchval("SELECT count(*) FROM ingest.upload_dicomfile") == 1


async def test_the_study_of_the_url_must_be_the_instances_own(ingest: Ingest, sql: Connection) -> None:
    own, foreign = ct_instance(seed=1), ct_instance(seed=2, StudyInstanceUID=f"{UID_ROOT}.77")
    status, _, answer = await stow(ingest, own, foreign, path=f"/studies/{STUDY}")
    assert (status, referenced(answer)) == (202, [f"{UID_ROOT}.4.1"])
    assert reasons(answer) == [(f"{UID_ROOT}.4.2", 0xA901)]
    status, kind, answer = await stow(ingest, foreign, path=f"/studies/{STUDY}")
    assert (status, kind, reasons(answer)) == (409, JSON, [(f"{UID_ROOT}.4.2", 0xA901)])
    assert "00081199" not in answer
    assert await sql.fetchval("SELECT count(*) FROM ingest.upload_dicomfile") == 1
    assert (await stow(ingest, own, path="/studies/none"))[0] == 400
    status, _, answer = await stow(ingest, own, path=f"/collections/user:7/studies/{STUDY}")
    assert (status, referenced(answer)) == (200, [f"{UID_ROOT}.4.1"])


REFUSED = {
    "no DICOM": (b"no image at all" * 100, None, 0xC000),
    "nothing": (b"", None, 0xC000),
    "cut off": (truncated(ct_instance(seed=9)), f"{UID_ROOT}.4.9", 0xC000),
    "no study": (instance({"StudyInstanceUID": None, "SOPInstanceUID": "1.2.9"}), "1.2.9", 0xA900),
    "no series": (instance({"SeriesInstanceUID": None, "SOPInstanceUID": "1.2.9"}), "1.2.9", 0xA900),
    "study is no UID": (instance({"StudyInstanceUID": "a.b", "SOPInstanceUID": "1.2.9"}), "1.2.9", 0xA900),
    "unknown transfer syntax": (
        part10(b"", transfer_syntax="1.2.3", sop_instance_uid="1.2.9"),
        "1.2.9",
        0xC122,
    ),
    "larger than allowed": (ct_instance(seed=9, rows=300, columns=300), f"{UID_ROOT}.4.9", 0xA700),
}


async def test_what_is_refused_says_why_and_harms_no_other(
    tmp_path: Path, role_url: Callable[[str], str]
) -> None:
    async with running_ingest(role_url("ingest"), tmp_path, max_file_bytes=100_000) as ingest:
        for name, (content, uid, reason) in REFUSED.items():
            status, kind, answer = await stow(ingest, content)
            assert (status, kind) == (409, JSON), name
            assert reasons(answer) == [(uid, reason)], name
            assert ("00081198" in answer) == (uid is not None)
            status, _, answer = await stow(ingest, ct_instance(seed=1), content, ct_instance(seed=2))
            assert (status, referenced(answer)) == (202, [f"{UID_ROOT}.4.1", f"{UID_ROOT}.4.2"]), name
            assert reasons(answer) == [(uid, reason)], name


async def test_other_bytes_under_a_known_uid_are_refused_and_a_warning_is_no_failure(ingest: Ingest) -> None:
    first, second = (ct_instance(seed=seed, sop_instance_uid="1.2.3") for seed in (1, 2))
    assert (await stow(ingest, first))[0] == 200
    status, _, answer = await stow(ingest, second)
    assert (status, reasons(answer)) == (409, [("1.2.3", 0x0111)])
    pictureless = instance({"Rows": 4, "Columns": 4, "BitsAllocated": 16, "SamplesPerPixel": 1})
    status, _, answer = await stow(ingest, pictureless)
    assert (status, reasons(answer)) == (202, [])
    assert answer["00081199"]["Value"][0]["00081196"] == {"vr": "US", "Value": [0xB007]}


OTHERS = (
    ("application/json", "", 415, "application/json"),
    ("multipart/form-data; boundary=frontera", "", 415, "multipart/form-data"),
    ('multipart/related; type="application/dicom+xml"; boundary=frontera', "", 415, "application/dicom+xml"),
    (PLAIN.content_type, "Content-Type: image/jpeg\r\n", 415, "image/jpeg"),
    (PLAIN.content_type, "Content-Type: application/octet-stream\r\n", 415, "application/octet-stream"),
    (PLAIN.content_type, "Content-Transfer-Encoding: base64\r\n", 415, "base64"),
    (PLAIN.content_type, "Content-Type: multipart/mixed; boundary=y\r\n", 400, "multipart"),
    ("multipart/related", "", 400, "broken"),
    ("multipart/related; boundary=", "", 400, "broken"),
    ("multipart/related; boundary=other", "", 400, "broken"),
)


async def test_other_bodies_are_refused_and_told_what_is_taken(ingest: Ingest, sql: Connection) -> None:
    for content_type, part_headers, status, told in OTHERS:
        shape = Shape(content_type, "frontera", part_headers)
        found, kind, answer = await stow(ingest, ct_instance(seed=1), shape=shape)
        assert (found, kind) == (status, "application/problem+json"), content_type
        assert told in answer["detail"]
    assert await sql.fetchval("SELECT count(*) FROM ingest.upload_dicomfile") == 0


async def test_another_priority_than_there_is_is_refused_as_the_description_says(ingest: Ingest) -> None:
    status, _, answer = await stow(ingest, ct_instance(seed=1), headers={**ALICE, "X-Priority": "soon"})
    assert (status, answer["code"]) == (422, "invalid-content")
    async with ingest.client.get("/api/files/dicom-web/openapi.json") as told:
        paths = (await told.json())["paths"]
    assert all("422" in path["post"]["responses"] for path in paths.values() if "post" in path)


async def test_a_type_that_is_no_text_is_told_all_the_same(ingest: Ingest) -> None:
    body = b"--frontera\r\nContent-Type: text/\xff\xfe\r\n\r\nhello\r\n--frontera--\r\n"
    assert (await stow(ingest, body=body))[0] == 415


async def test_a_part_of_another_type_beside_an_instance_is_one_failure(ingest: Ingest) -> None:
    text = b"--frontera\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
    status, _, answer = await stow(ingest, body=text + PLAIN.body([ct_instance(seed=1)]))
    assert (status, referenced(answer), reasons(answer)) == (202, [f"{UID_ROOT}.4.1"], [(None, 0x0110)])


async def test_what_breaks_off_tells_what_is_stored(ingest: Ingest, sql: Connection) -> None:
    whole = PLAIN.body([ct_instance(seed=1), ct_instance(seed=2)])
    status, kind, answer = await stow(ingest, body=whole[:-1000])
    assert (status, kind, answer["code"]) == (400, "application/problem+json", "invalid-request")
    assert referenced(answer["stored"]) == [f"{UID_ROOT}.4.1"]
    assert await sql.fetchval("SELECT count(*) FROM ingest.upload_dicomfile") == 1
    assert (await stow(ingest, body=b"--frontera--\r\n"))[0] == 400
    # Beyond MAX_STORE_INSTANCES.
    status, _, answer = await stow(ingest, *(ct_instance(seed=seed) for seed in range(10, 16)))
    assert (status, len(referenced(answer["stored"]))) == (413, 5)


async def test_a_request_is_within_its_owners_limits(tmp_path: Path, role_url: Callable[[str], str]) -> None:
    one = ct_instance(seed=1)
    async with running_ingest(
        role_url("ingest"), tmp_path, max_request_bytes=3 * len(one), uploads_per_owner=1
    ) as ingest:
        status, _, answer = await stow(ingest, *[one] * 4, shape=SHAPES["weasis"])
        assert (status, answer["code"]) == (413, "too-large")
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def slowly() -> AsyncIterator[bytes]:
            body = PLAIN.body([one])
            yield body[:1000]
            begun.set()
            await go_on.wait()
            yield body[1000:]

        headers = {**ALICE, **PLAIN.headers()}
        sending = asyncio.create_task(
            ingest.client.post("/dicom-web/studies", data=slowly(), headers=headers)
        )
        await begun.wait()
        for _ in range(100):
            status, _, answer = await stow(ingest, one)
            if status == 429:
                break
        assert (status, answer["code"]) == (429, "too-many-uploads")
        go_on.set()
        assert (await sending).status == 200


async def test_names_of_files_count_for_nothing_here(tmp_path: Path, role_url: Callable[[str], str]) -> None:
    async with running_ingest(
        role_url("ingest"), tmp_path, accepted_extensions=frozenset({".dcm"})
    ) as ingest:
        assert (await stow(ingest, ct_instance(seed=1)))[0] == 200


async def test_urgent_ones_take_the_permission(ingest: Ingest) -> None:
    assert (await stow(ingest, ct_instance(seed=1), headers={"X-Priority": "urgent"}))[0] == 403
    assert (await stow(ingest, ct_instance(seed=1), headers={"X-Priority": "soon"}))[0] == 422
