"""Sending a file again through the whole system: failed or damaged ones are cured, sound ones stand."""

from __future__ import annotations

import secrets
from typing import Any

from tests.builders import UID_ROOT, ct_instance, encapsulated_instance
from tests.e2e.conftest import NewUser, System
from tests.e2e.processes import Client
from tests.waiting import eventually


def broken(uid: str) -> bytes:
    """A file whose header is sound and whose pixels nobody can decode."""
    return encapsulated_instance([b"", secrets.token_bytes(600)], SOPInstanceUID=uid)


def new_uid() -> str:
    """A SOP Instance UID of this test's own."""
    return f"{UID_ROOT}.9.{secrets.randbits(60)}"


async def send(client: Client, content: bytes) -> dict[str, Any]:
    """The entry of an upload."""
    _, body = await client.upload_raw(content)
    return dict(body["files"][0])


async def accepted_instead(client: Client, content: bytes) -> dict[str, Any]:
    """Send until ingest has heard that the first file failed: it may hear of it after results has."""

    answers: list[dict[str, Any]] = []

    async def accepted() -> bool:
        answers.append(await send(client, content))
        return bool(answers[-1]["state"] == "accepted")

    await eventually(accepted)
    return answers[-1]


async def test_other_bytes_take_the_place_of_a_failed_file(client: Client) -> None:
    uid = new_uid()
    first = await send(client, broken(uid))
    assert (await client.ended(first["id"]))["state"] == "failed"
    content = ct_instance(seed=secrets.randbits(30), sop_instance_uid=uid)
    second = await accepted_instead(client, content)
    assert second["supersedes"] == first["id"]
    assert (await client.ended(second["id"]))["state"] == "processed"
    refused = await send(client, ct_instance(seed=secrets.randbits(30), sop_instance_uid=uid))
    assert refused["problem"]["code"] == "conflict"
    for state, expected in (("accepted", second), ("superseded", first)):
        _, body = await client.get("/api/files", state=state)
        assert [file["id"] for file in body["files"]] == [expected["id"]]


async def test_the_same_bytes_replace_a_damaged_object(client: Client, system: System) -> None:
    content = ct_instance(seed=secrets.randbits(30))
    first = await send(client, content)
    await client.ended(first["id"])
    (stored,) = (system.data_dir / "dicom_file").glob(f"*/{first['id']}")
    stored.write_bytes(stored.read_bytes()[:-1])
    assert (await client.get(f"/api/results/{first['id']}/file"))[0] == 500
    again = await send(client, content)
    assert (again["id"], again["duplicate"]) == (first["id"], True)
    assert await client.get(f"/api/results/{first['id']}/file") == (200, content)


async def test_who_sends_into_a_foreign_collection(new_user: NewUser) -> None:
    one, other = await new_user(), await new_user()
    entry = await send(one, ct_instance(seed=secrets.randbits(30)))
    status, file = await one.get(f"/api/files/{entry['id']}")
    assert (status, file["collection"]) == (200, f"user:{file['owner_id']}")
    headers = {**other.headers, "Content-Type": "application/dicom"}
    url = f"{other.urls['ingest']}/api/files"
    async with other.session.post(
        url, data=b"", params={"collection": file["collection"]}, headers=headers
    ) as answer:
        assert answer.status == 404


async def retry(client: Client, file_id: str) -> tuple[int, dict[str, Any]]:
    """Have a file tried again; status and body."""
    url = f"{client.urls['results']}/api/results/{file_id}/retry"
    async with client.session.post(url, headers=client.headers) as answer:
        return answer.status, dict(await answer.json(content_type=None))


async def test_what_comes_of_a_retry_counts(client: Client, system: System) -> None:
    first = await send(client, broken(new_uid()))
    assert (await client.ended(first["id"]))["failure"]["reason"] == "decode-failed"
    (stored,) = (system.data_dir / "dicom_file").glob(f"*/{first['id']}")
    sound = stored.read_bytes()
    for number, (content, reason) in enumerate([(sound[:-1], "object-corrupt"), (sound, "decode-failed")], 1):
        stored.write_bytes(content)
        status, body = await retry(client, first["id"])
        assert (status, body.get("request")) == (202, number), body
        assert (await client.ended(first["id"]))["failure"]["reason"] == reason
    measured = await send(client, ct_instance(seed=secrets.randbits(30)))
    await client.ended(measured["id"])
    assert (await retry(client, measured["id"]))[0] == 409
