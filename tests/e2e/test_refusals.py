"""Bad input: the right problem document, nothing stored, nothing 5xx, and the service stays up."""

from __future__ import annotations

import asyncio
import io
import sys
from pathlib import Path
from uuid import uuid4

import pytest
from yarl import URL

from tests import builders
from tests.builders import ct_instance
from tests.e2e.conftest import System
from tests.e2e.processes import Client, client_of, embedded, one_url, start_all, stop_all
from tests.waiting import PATIENCE, eventually

REFUSED = {
    "png": (builders.PNG, "not-dicom"),
    "text": (b"hello, this is not an image\n" * 30, "not-dicom"),
    "empty": (b"", "empty-file"),
    "131 bytes": (b"\0" * 131, "too-short"),
    "program": (Path(sys.executable).read_bytes()[:4096], "not-dicom"),
    "truncated": (builders.truncated(ct_instance(rows=128, columns=128)), None),
    "absurd length": (builders.absurd_length(), None),
    "too few pixels": (ct_instance(Rows=60000, Columns=60000), None),
    "too deep": (builders.deeply_nested(200), None),
    "absurd frames": (builders.many_frames("9999999999"), "invalid-dimensions"),
}


def stored(system: System) -> set[str]:
    """Names of objects on disk, temporary ones included."""
    return {p.name for p in (system.data_dir / "dicom_file").rglob("*") if p.is_file()}


def added(system: System, before: set[str]) -> set[str]:
    """What came since, but for what was made meanwhile of files that were there: their thumbnails, say."""
    known = {name.partition(".")[0] for name in before}
    return {name for name in stored(system) - before if name.partition(".")[0] not in known}


@pytest.mark.parametrize("name", REFUSED)
async def test_bad_content_is_refused_and_leaves_nothing(name: str, client: Client, system: System) -> None:
    content, code = REFUSED[name]
    before = stored(system)
    for status, body in (
        await client.upload(("image.dcm", content)),
        await client.upload_raw(content, "image.dcm"),
    ):
        assert 400 <= status < 500, body
        assert body["status"] == status
        assert body["detail"]
        (entry,) = body["files"]
        assert entry["id"] is None
        assert entry["state"] == "rejected"
        assert code is None or entry["problem"]["code"] == code
    await eventually(lambda: not added(system, before))
    _, listed = await client.get("/api/files")
    assert listed["files"] == []
    status, _ = await client.upload_raw(ct_instance(seed=3))
    assert status == 202


async def test_wrong_bodies_say_what_to_send(client: Client) -> None:
    url = f"{client.urls['ingest']}/api/files"
    cases = (
        ({"data": b"x", "headers": {"Content-Type": "application/zip"}}, 415, "unsupported-type"),
        (
            {"data": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=b"}},
            400,
            "invalid-request",
        ),
        ({"data": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "invalid-request"),
        (
            {
                "data": b'--b\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n--b--\r\n',
                "headers": {"Content-Type": "multipart/form-data; boundary=b"},
            },
            400,
            "invalid-request",
        ),
    )
    for given, expected, code in cases:
        headers = {**client.headers, **given["headers"]}  # type: ignore[dict-item]
        async with client.session.post(url, data=given["data"], headers=headers) as answer:
            body = await answer.json(content_type=None)
            assert (answer.status, body["code"]) == (expected, code), body
            assert answer.content_type == "application/problem+json"


async def test_tokens(client: Client) -> None:
    url = f"{client.urls['ingest']}/api/files"
    token = client.headers["Authorization"]
    for headers, code in (
        ({}, "not-authenticated"),
        ({"Authorization": "Basic YWRtaW46"}, "not-authenticated"),
        ({"Authorization": "Bearer nonsense"}, "token-invalid"),
        ({"Authorization": token[:-6] + "AAAAAA"}, "token-invalid"),
    ):
        async with client.session.get(url, headers=headers) as answer:
            body = await answer.json(content_type=None)
            assert (answer.status, body["code"]) == (401, code)
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_unknown_ids_and_paths(client: Client) -> None:
    for path, expected in (
        (f"/api/files/{uuid4()}", 404),
        (f"/api/results/{uuid4()}", 404),
        (f"/api/results/{uuid4()}/file", 404),
        ("/api/files/not-an-id", 404),
        ("/api/results/nothing-like-it/thumbnail", 404),
        ("/api/nowhere", 404),
    ):
        status, body = await client.get(path)
        assert status == expected, (path, body)
        assert body["code"]


@pytest.fixture
def limits() -> dict[str, str]:
    return {
        "MAX_FILE_BYTES": "100000",
        "MAX_REQUEST_BYTES": "300000",
        "ACCEPTED_EXTENSIONS": ".dcm",
        "ACCESS_TOKEN_SECONDS": "2",
    }


async def test_limits_are_settings(tmp_path: Path, limits: dict[str, str]) -> None:
    process = embedded(tmp_path / "var", **limits)
    await start_all([process])
    try:
        async with client_of(one_url(process)) as client:
            small = ct_instance(rows=64, columns=64)

            async def upload(*files: tuple[str, bytes]) -> tuple[int, str | None]:
                await client.login()  # anew each time: a busy machine does little in two seconds
                status, body = await client.upload(*files)
                return status, body.get("code")

            assert await upload(("a.dcm", ct_instance(rows=512, columns=256))) == (413, "too-large")
            assert await upload(("scan", small)) == (415, "unsupported-type")
            many = [(f"{n}.dcm", small + b"\0" * 90_000) for n in range(4)]
            assert await upload(*many) == (413, "too-large")
            assert await upload(("a.DCM", small)) == (202, None)
            await _expired(client)
    finally:
        stop_all([process])


async def _expired(client: Client) -> None:
    """The token of ACCESS_TOKEN_SECONDS=2 ends (the clocks may differ by a few seconds)."""
    async with asyncio.timeout(PATIENCE):
        while True:
            status, body = await client.get("/api/files")
            if status == 401:
                assert body["code"] == "token-expired"
                return
            await asyncio.sleep(0.2)


async def test_a_client_that_hangs_up_leaves_nothing(client: Client, system: System) -> None:
    before = stored(system)
    content = ct_instance(rows=2000, columns=1000, seed=11)
    url = URL(client.urls["ingest"])
    _, writer = await asyncio.open_connection(url.host, url.port, ssl=client.tls)
    head = (
        f"POST /api/files HTTP/1.1\r\nHost: {url.host}\r\n"
        f"Authorization: {client.headers['Authorization']}\r\n"
        f"Content-Type: application/dicom\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    writer.write(head.encode() + content[:2_000_000])
    await writer.drain()
    await eventually(lambda: added(system, before))
    writer.close()
    await eventually(lambda: not added(system, before))
    _, listed = await client.get("/api/files")
    assert listed["files"] == []
    status, body = await client.upload_raw(io.BytesIO(content))
    assert status == 202, body
    errors = [output for output in system.outputs() if "Traceback" in output]
    assert not errors, errors[0][-3000:]
