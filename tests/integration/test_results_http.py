"""The query API over real HTTP: who sees what, paging, filters, downloads."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson
import pytest
from aiohttp import ClientError, content_disposition_filename, parse_content_disposition

from libs.common.ids import analysis_key, file_key, thumbnail_key
from services.results.read.models import ResultList
from tests.exposition import Exposition
from tests.results_support import OWNER, STAFF, STRANGER, Results, running_results
from tests.unit.services.results.events import failed, processed, received

JPEG = b"\xff\xd8\xff\xe0 not really"
CONTENT = secrets.token_bytes((3 << 20) + 12_345)  # four segments


@pytest.fixture
async def results(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Results]:
    """One replica."""
    async with running_results(role_url("results"), tmp_path) as running:
        yield running


@pytest.fixture
async def file_id(results: Results) -> UUID:
    """A processed file of OWNER, with its objects."""
    found = await results.upload(content=CONTENT, file_name='Peña "1".dcm')
    await results.storage.put(thumbnail_key(found), JPEG, {}, durable=False)
    statistics = {"count": 1, "frame_means": [100.5]}
    await results.publish(processed(found, statistics=statistics))
    return found


PATHS = [
    "/api/results",
    "/api/results/summary",
    "/api/results/{}",
    "/api/results/{}/thumbnail",
    "/api/results/{}/file",
    "/api/results/{}/frame-means",
    "/api/results/{}/neighbours",
    "/api/shares",
    "/api/changes",
    "/api/events",
]


async def test_nothing_is_shown_without_a_token(results: Results, file_id: UUID) -> None:
    for path in PATHS:
        async with results.client.get(path.format(file_id)) as response:
            assert response.status == 401, path
            assert (await response.json(content_type=None))["code"] == "not-authenticated"


@pytest.mark.parametrize("path", [path for path in PATHS if "{}" in path])
async def test_anothers_file_is_as_unknown_as_none(results: Results, file_id: UUID, path: str) -> None:
    for user in (OWNER, STAFF):
        async with await results.get(path.format(file_id), user) as response:
            assert response.status == 200
    answers = [
        await results.json(path.format(asked), STRANGER, 404)
        for asked in (file_id, uuid4(), "not-a-uuid", file_id.hex, "%00", f"urn:uuid:{file_id}", "%F0%9F")
    ]
    assert len({answer.pop("trace_id") for answer in answers}) == len(answers)
    assert all(answer == answers[0] for answer in answers)
    assert answers[0]["code"] == "not-found"


async def test_lists_counts_and_changes_show_what_the_caller_owns(results: Results, file_id: UUID) -> None:
    other = await results.upload(received(owner_id=STRANGER))
    await results.publish(failed(other, STRANGER))
    seen = {
        user: {row["file_id"] for row in (await results.json("/api/results", user))["results"]}
        for user in (OWNER, STRANGER, STAFF)
    }
    mine, theirs = str(file_id), str(other)
    assert seen == {OWNER: {mine}, STRANGER: {theirs}, STAFF: {mine, theirs}}
    empty = {"received": 0, "processed": 0, "failed": 0, "superseded": 0, "erased": 0}
    assert await results.json("/api/results/summary") == {**empty, "processed": 1, "total": 1}
    assert await results.json("/api/results/summary", STRANGER) == {**empty, "failed": 1, "total": 1}
    assert (await results.json("/api/results/summary", STAFF))["total"] == 2
    for user, visible in ((OWNER, {mine}), (STRANGER, {theirs}), (STAFF, {mine, theirs})):
        changes = (await results.json("/api/changes", user))["changes"]
        assert {change["file_id"] for change in changes} == visible


async def test_a_row_of_the_list(results: Results, file_id: UUID) -> None:
    body = await results.json("/api/results")
    ResultList.model_validate(body, extra="forbid")
    (row,) = body["results"]
    assert row["thumbnail"] is True
    assert row["received_at"].endswith("Z")
    assert "raw_data" not in row


async def test_pages_stay_stable_while_files_arrive(results: Results) -> None:
    before = [str(await results.upload()) for _ in range(7)]
    seen: list[str] = []
    cursor = ""
    while True:
        page = await results.json(f"/api/results?limit=3{cursor}")
        seen += [row["file_id"] for row in page["results"]]
        await results.upload()
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert seen == before[::-1]


async def test_the_last_full_page_has_no_next(results: Results) -> None:
    for _ in range(4):
        await results.upload()
    page = await results.json("/api/results?limit=2")
    page = await results.json(f"/api/results?limit=2&cursor={page['next_cursor']}")
    assert (len(page["results"]), page["next_cursor"]) == (2, None)


async def test_filters(results: Results) -> None:
    device = {"00080070": {"vr": "LO", "Value": ["ACME"]}, "00081090": {"vr": "LO", "Value": ["Scanner"]}}
    ct = await results.upload(file_name="Head_100%.dcm", dicom=device)
    await results.publish(processed(ct, device_name="ACME Scanner"))
    mr = await results.upload(received(modality="MR", study_instance_uid="2.25.99.1"), file_name="knee.dcm")
    today = datetime.now(UTC).date()

    async def found(query: str) -> set[str]:
        body = await results.json(f"/api/results?{query}")
        return {row["file_id"] for row in body["results"]}

    expected: dict[str, set[UUID]] = {
        "state=processed": {ct},
        "state=received": {mr},
        "modality=MR": {mr},
        "modality=mr": set(),
        "device=scan": {ct},
        "device=acme&modality=MR": set(),
        "q=KNEE": {mr},
        "q=100%25": {ct},
        "q=_": {ct},
        "q=%25.dcm": {ct},
        "q=head%25dcm": set(),
        "q=2.25.99": {mr},
        f"q={str(ct).upper()}": {ct},
        "q=acme": {ct},
        f"from={today}": {ct, mr},
        f"to={today}": {ct, mr},
        f"from={today + timedelta(days=1)}": set(),
        f"to={today - timedelta(days=1)}": set(),
        "from=2020-01-01T00:00:00Z&to=2999-12-31T23:59:59%2B02:00": {ct, mr},
    }
    for query, files in expected.items():
        assert await found(query) == {str(file) for file in files}, query


async def test_wrong_parameters_are_named(results: Results) -> None:
    wrong = {
        "results": (
            "limit=0",
            "limit=501",
            "limit=1&limit=2",
            "cursor=AAAA",
            "cursor=",
            "state=unknown",
            "from=yesterday",
            "to=2026-13-01",
            "q=%00",
            "device=a%00",
            "nonsense=1",
        ),
        "changes": ("after=AAAA", "limit=-1", "after=%00", "cursor=x"),
        "events": ("after=AAAA", "limit=1"),
    }
    for name, queries in wrong.items():
        for query in queries:
            problem = await results.json(f"/api/{name}?{query}", status=400)
            assert problem["code"] == "invalid-request", query


async def test_the_original_comes_back_byte_for_byte(results: Results, file_id: UUID) -> None:
    async with await results.get(f"/api/results/{file_id}/file") as response:
        assert response.status == 200
        assert await response.read() == CONTENT
        headers = response.headers
    assert headers["Content-Type"] == "application/dicom"
    assert headers["Content-Length"] == str(len(CONTENT))
    assert headers["ETag"] == f'"{hashlib.sha256(CONTENT).hexdigest()}"'
    assert headers["Accept-Ranges"] == "bytes"
    _, parameters = parse_content_disposition(headers["Content-Disposition"])
    assert content_disposition_filename(parameters) == 'Peña "1".dcm'


SEGMENT = 1 << 20
SIZE = len(CONTENT)


async def test_ranges_cross_segments(results: Results, file_id: UUID) -> None:
    for header, start, stop in (
        ("bytes=0-0", 0, 1),
        (f"bytes={SEGMENT - 1}-{SEGMENT}", SEGMENT - 1, SEGMENT + 1),
        (f"bytes={SEGMENT}-{3 * SEGMENT - 1}", SEGMENT, 3 * SEGMENT),
        (f"bytes={3 * SEGMENT - 5}-", 3 * SEGMENT - 5, SIZE),
        ("bytes=-20000", SIZE - 20000, SIZE),
        (f"bytes=5-{SIZE * 2}", 5, SIZE),
    ):
        async with await results.get(f"/api/results/{file_id}/file", Range=header) as response:
            assert response.status == 206, header
            assert await response.read() == CONTENT[start:stop]
            assert response.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{SIZE}"
            assert response.headers["Content-Length"] == str(stop - start)


async def test_a_range_outside_the_file(results: Results, file_id: UUID) -> None:
    async with await results.get(f"/api/results/{file_id}/file", Range=f"bytes={SIZE}-") as response:
        assert response.status == 416
        assert response.headers["Content-Range"] == f"bytes */{SIZE}"
        assert (await response.json(content_type=None))["code"] == "range-not-satisfiable"


async def test_ranges_that_do_not_count(results: Results, file_id: UUID) -> None:
    path = f"/api/results/{file_id}/file"
    for asked, condition in (
        ("bytes=0-1,5-6", None),
        ("lines=0-1", None),
        ("bytes=0-1", '"older"'),
        ("bytes=0-1", "Sat, 31 Jan 2026 12:00:00 GMT"),
    ):
        headers = {"Range": asked} if condition is None else {"Range": asked, "If_Range": condition}
        async with await results.get(path, OWNER, method="GET", **headers) as response:
            assert response.status == 200
            assert len(await response.read()) == SIZE
    etag = f'"{hashlib.sha256(CONTENT).hexdigest()}"'
    async with await results.get(path, Range="bytes=0-1", If_Range=etag) as response:
        assert response.status == 206


async def test_head_tells_all_and_sends_nothing(results: Results, file_id: UUID) -> None:
    path = f"/api/results/{file_id}/file"
    async with await results.get(path, method="HEAD", Range="bytes=0-1") as response:
        assert response.status == 200
        assert response.headers["Content-Length"] == str(SIZE)
        assert await response.read() == b""
    async with await results.get(path, STRANGER, method="HEAD") as response:
        assert response.status == 404
    assert await results.json("/api/results/summary")  # the connection is still in step


async def test_what_the_client_has_is_not_sent_again(results: Results, file_id: UUID) -> None:
    for name in ("file", "thumbnail"):
        path = f"/api/results/{file_id}/{name}"
        async with await results.get(path) as response:
            etag = response.headers["ETag"]
            assert "private" in response.headers["Cache-Control"]
        async with await results.get(path, If_None_Match=f'"other", {etag}') as response:
            assert response.status == 304
            assert await response.read() == b""
        async with await results.get(path, If_None_Match='"other"') as response:
            assert response.status == 200


async def test_the_thumbnail(results: Results, file_id: UUID) -> None:
    async with await results.get(f"/api/results/{file_id}/thumbnail") as response:
        assert response.headers["Content-Type"] == "image/jpeg"
        assert await response.read() == JPEG
    bare = await results.upload()
    problem = await results.json(f"/api/results/{bare}/thumbnail", status=404)
    assert problem["code"] == "object-not-found"


async def test_an_object_that_is_gone_is_not_there(results: Results, file_id: UUID) -> None:
    await results.storage.delete(file_key(file_id))
    problem = await results.json(f"/api/results/{file_id}/file", status=404)
    assert problem["code"] == "object-not-found"


async def unreadable_thumbnails(results: Results, cause: str) -> float:
    async with results.client.get("/metrics") as response:
        told = Exposition(await response.text())
    return told.value("results_unreadable_thumbnails_total", cause=cause)


async def test_a_lost_empty_or_damaged_thumbnail_is_told_and_counted(
    results: Results, file_id: UUID, caplog: pytest.LogCaptureFixture
) -> None:
    """What a power cut leaves of an object that was not made durable, and what time leaves of any."""
    path = f"/api/results/{file_id}/thumbnail"
    async with results.storage.child_access(thumbnail_key(file_id)) as access:
        stored = Path(access.path)
    content = stored.read_bytes()
    damages = {
        "empty": b"",
        "cut": content[: len(content) // 2],
        "flipped": content[:-60] + bytes([content[-60] ^ 1]) + content[-59:],
    }
    for count, damaged in enumerate(damages.values(), 1):
        stored.write_bytes(damaged)
        for headers in ({}, {"If_None_Match": "*"}):
            async with await results.get(path, OWNER, method="GET", **headers) as response:
                assert response.status == 404
                assert (await response.json(content_type=None))["code"] == "thumbnail-missing"
        assert await unreadable_thumbnails(results, "corrupt") == 2 * count
    stored.unlink()
    assert (await results.json(path, status=404))["code"] == "thumbnail-missing"
    assert await unreadable_thumbnails(results, "missing") == 1
    assert str(file_id) in caplog.text
    assert (await results.json(f"/api/results/{file_id}"))["thumbnail"] is True
    # Made again, it is there again.
    await results.storage.put(thumbnail_key(file_id), JPEG, {}, durable=False)
    async with await results.get(path) as response:
        assert await response.read() == JPEG


async def test_a_thumbnail_without_a_byte_is_none(results: Results, file_id: UUID) -> None:
    await results.storage.put(thumbnail_key(file_id), b"", {}, durable=False)
    problem = await results.json(f"/api/results/{file_id}/thumbnail", status=404)
    assert problem["code"] == "thumbnail-missing"


async def test_only_the_files_own_thumbnail_is_served(
    results: Results, file_id: UUID, database_url: str
) -> None:
    """Whatever the row says: it may have come by an event that lied."""
    mine = await results.upload(received(owner_id=STRANGER))
    connection = await asyncpg.connect(database_url)
    await connection.execute(
        "UPDATE results.upload_dicomresult SET thumbnail_key = $2 WHERE file_id = $1", mine, str(file_id)
    )
    await connection.close()
    problem = await results.json(f"/api/results/{mine}/thumbnail", STRANGER, 404)
    assert problem["code"] == "thumbnail-missing"


async def test_means_by_frame_come_with_the_statistics_or_from_their_object(results: Results) -> None:
    few, many = await results.upload(), await results.upload()
    await results.publish(
        processed(few, statistics={"frame_means": [1.5, None], "frame_means_stored": False}),
        processed(many, statistics={"frame_means": None, "frame_means_stored": True}),
    )
    means = [float(number) for number in range(200_000)]
    stored = orjson.dumps({"frame_means": means})
    await results.storage.put(analysis_key(many, "statistics"), stored, {}, durable=False)

    assert await results.json(f"/api/results/{few}/frame-means") == {"frame_means": [1.5, None]}
    async with await results.get(f"/api/results/{many}/frame-means") as response:
        assert response.headers["Content-Length"] == str(len(stored))
        assert response.headers["Cache-Control"] == "no-store"
        assert (await response.json())["frame_means"] == means
    assert (await results.json(f"/api/results/{many}"))["statistics"]["frame_means_stored"] is True
    await results.json(f"/api/results/{many}/frame-means", STRANGER, 404)


async def test_neighbours_are_those_of_the_series_that_the_caller_sees(
    results: Results, database_url: str
) -> None:
    mine = [await results.upload() for _ in range(4)]
    theirs, elsewhere = (
        await results.upload(received(owner_id=STRANGER)),
        await results.upload(received(series_instance_uid="1.2.9")),
    )
    connection = await asyncpg.connect(database_url)
    for file_id, number in zip(mine, (3, 1, None, 2), strict=True):
        await connection.execute(
            "UPDATE results.upload_dicomresult SET instance_number = $2 WHERE file_id = $1", file_id, number
        )
    await connection.execute(
        "UPDATE results.upload_dicomresult SET image_position = NULL, image_orientation = NULL"
    )
    await connection.close()
    third, first, last, second = map(str, mine)

    async def asked(file_id: Any, user: int = OWNER) -> tuple[Any, ...]:
        return tuple((await results.json(f"/api/results/{file_id}/neighbours", user)).values())

    assert await asked(first) == (1, 4, None, second)
    assert await asked(third) == (3, 4, second, last)
    assert await asked(last) == (4, 4, third, None)
    assert await asked(first, STAFF) == (1, 4, None, second), "of the same collection alone"
    assert await asked(theirs, STRANGER) == (1, 1, None, None)
    assert await asked(elsewhere) == (1, 1, None, None)


async def test_what_has_no_means_by_frame_says_so(results: Results, file_id: UUID) -> None:
    waiting = await results.upload()
    document = await results.upload()
    await results.publish(processed(document, statistics={"kind": "no-pixel-data"}))
    for asked in (waiting, document):
        problem = await results.json(f"/api/results/{asked}/frame-means", status=404)
        assert problem["code"] == "object-not-found"


async def test_a_flipped_bit_is_never_sent_as_the_file(
    results: Results, file_id: UUID, tmp_path: Path
) -> None:
    async with results.storage.child_access(file_key(file_id)) as access:
        path = Path(access.path)
    content = bytearray(path.read_bytes())
    content[2 * SEGMENT + 4096] ^= 1
    path.write_bytes(content)
    arrived: list[bytes] = []

    async def download() -> None:
        async with await results.get(f"/api/results/{file_id}/file") as response:
            async for chunk in response.content.iter_any():
                arrived.append(chunk)

    with pytest.raises(ClientError):
        await download()
    assert arrived
    assert CONTENT.startswith(b"".join(arrived))
    assert len(b"".join(arrived)) < SIZE


LINKS = {"/api/links", "/api/links/{link_id}", "/api/links/session"}


async def test_openapi_lists_every_route(results: Results) -> None:
    async with results.client.get("/api/results/openapi.json") as response:
        document: dict[str, Any] = await response.json()
    read = {path.replace("{}", "{file_id}") for path in PATHS}
    others = {"/api/results/{file_id}/retry", "/api/results/{file_id}/log"}
    others |= {"/api/results/facets", "/api/results/actions", "/api/results/actions/{job_id}"}
    others |= {f"/api/studies{more}" for more in ("", "/facets", "/{study_uid}", "/{study_uid}/zip")}
    others |= {f"/api/results/{{file_id}}/{more}" for more in ("frames/{number}", "document")}
    others |= {"/api/series/{series_uid}/stack"}
    others |= {path for path in document["paths"] if path.startswith("/api/processing/")}
    assert set(document["paths"]) - others == read | {"/api/shares/{share_id}", *LINKS}
    assert set(document["paths"]["/api/results/{file_id}/file"]) == {"get", "head"}
