"""Programs of the field store by STOW-RS, and what was answered 200 outlives kill -9."""

from __future__ import annotations

import asyncio
import io
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import requests

from bench.accounting import high_water, reset_high_water
from tests.builders import UID_ROOT, ct_instance, write_large
from tests.e2e.conftest import NewUser, System
from tests.e2e.peers.orthanc import running_orthanc
from tests.e2e.processes import PASSWORD, Client, client_of, embedded
from tests.e2e.test_dicomweb_client import api_key, store
from tests.stow_support import PLAIN, SHAPES, referenced
from tests.waiting import eventually

MIB = 1 << 20
pytestmark = [pytest.mark.peers, pytest.mark.timeout(300)]


def study() -> str:
    """A Study Instance UID that nobody has used."""
    return f"{UID_ROOT}.31.{secrets.randbelow(10**9)}"


def slices(study_uid: str, count: int, **elements: Any) -> list[bytes]:
    """Instances of a study."""
    return [
        ct_instance(seed=seed, StudyInstanceUID=study_uid, sop_instance_uid=f"{study_uid}.{seed}", **elements)
        for seed in range(count)
    ]


async def stored(client: Client, study_uid: str) -> int:
    """How many instances of a study the account has."""
    status, listed = await client.get("/api/files", limit="500")
    assert status == 200
    return sum(file["study_instance_uid"] == study_uid for file in listed["files"])


@pytest.mark.parametrize("system", ["embedded"], indirect=True)
async def test_dicomweb_client(system: System, new_user: NewUser) -> None:
    client = await new_user()
    key, root, uid = await api_key(client), f"{client.urls['ingest']}/dicom-web", study()
    many = slices(uid, 60)
    answer = await asyncio.to_thread(store, root, key, many[:1])
    assert len(answer.ReferencedSOPSequence) == 1
    # Many, the first of them there already; and by the study's URL.
    answer = await asyncio.to_thread(store, root, key, many, uid)
    assert [item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence] == [
        f"{uid}.{seed}" for seed in range(60)
    ]
    assert await stored(client, uid) == 60
    # Of another study: nothing is stored, and the client raises what the standard says.
    with pytest.raises(requests.HTTPError) as refused:
        await asyncio.to_thread(store, root, key, slices(study(), 1), uid)
    response = refused.value.response
    assert response is not None
    assert response.status_code == 409
    assert response.json()["00081198"]["Value"][0]["00081197"]["Value"] == [0xA901]
    # Some are refused: the answer says which.
    mixed = [*slices(uid, 1, PatientID="another"), *slices(study(), 1)]
    answer = await asyncio.to_thread(store, root, key, mixed)
    assert len(answer.ReferencedSOPSequence) == 1
    assert answer.FailedSOPSequence[0].FailureReason == 0x0111
    with pytest.raises(requests.HTTPError) as closed:
        await asyncio.to_thread(store, root, "dk_nobody", many[:1])
    response = closed.value.response
    assert response is not None
    assert response.status_code == 401
    assert "Basic" in response.headers["WWW-Authenticate"]


@pytest.mark.parametrize("system", ["embedded", "separate"], indirect=True)
async def test_orthanc_pushes_a_study(system: System, new_user: NewUser, tmp_path: Path) -> None:
    client = await new_user()
    key, uid = await api_key(client), study()
    servers = {"system": (f"{client.urls['ingest']}/dicom-web/", "orthanc", key)}
    async with running_orthanc(tmp_path / "orthanc", servers) as orthanc:
        ids = await orthanc.keep(*slices(uid, 30))
        for _ in range(2):  # once more: all are duplicates, and it minds when one is missing in the answer
            body = {"Resources": ids, "Synchronous": True}
            status, told = await orthanc.call("POST", "/dicom-web/servers/system/stow", body)
            assert status == 200, (told, orthanc.log.read_text()[-3000:])
        assert await stored(client, uid) == 30
        # It notices a refusal: another one's bytes under a UID that is there.
        other = await orthanc.keep(*slices(uid, 31, PatientName="Other^One", StudyDate="20250101")[30:])
        assert (await client.upload(("a.dcm", slices(uid, 31)[30])))[0] == 202
        body = {"Resources": other, "Synchronous": True}
        assert (await orthanc.call("POST", "/dicom-web/servers/system/stow", body))[0] >= 400


@pytest.mark.parametrize("system", ["separate"], indirect=True)
async def test_the_shapes_of_weasis_and_dcm4che_over_a_whole_system(
    system: System, new_user: NewUser
) -> None:
    client = await new_user()
    for name in ("weasis", "dcm4che", "orthanc", "dicomweb-client"):
        uid, shape = study(), SHAPES[name]
        headers = {**client.headers, **shape.headers()}
        url = f"{client.urls['ingest']}/dicom-web/studies/{uid}"
        body = io.BytesIO(shape.body(slices(uid, 20)))
        async with client.session.post(url, data=body, headers=headers) as answer:
            assert answer.status == 200, (name, await answer.text())
            assert (await answer.text()).count(f"{uid}.19") >= 2  # the UID, and its address
        assert await stored(client, uid) == 20, name


async def test_what_was_answered_200_outlives_kill_9(tmp_path: Path) -> None:
    process = embedded(tmp_path / "var")
    urls = dict.fromkeys(("auth", "ingest", "results", "portal"), process.url)
    uid, kept = study(), set[str]()
    process.start()
    await process.ready()
    try:
        for life in range(4):
            async with client_of(urls) as client:
                await client.login(password=PASSWORD)
                stop = asyncio.Event()

                async def push(first: int, client: Client = client, stop: asyncio.Event = stop) -> None:
                    """Bodies of five instances, until the service is gone."""
                    url, headers = f"{process.url}/dicom-web/studies", {**client.headers, **PLAIN.headers()}
                    for number in range(first, first + 10_000, 5):
                        sent = [
                            ct_instance(
                                seed=one,
                                StudyInstanceUID=uid,
                                sop_instance_uid=f"{uid}.{one}",
                                rows=256,
                                columns=256,
                            )
                            for one in range(number, number + 5)
                        ]
                        body = io.BytesIO(PLAIN.body(sent))
                        try:
                            async with client.session.post(url, data=body, headers=headers) as answer:
                                if answer.status in (200, 202):
                                    kept.update(referenced(await answer.json(content_type=None)))
                        except (aiohttp.ClientError, ConnectionError):
                            return
                        if stop.is_set():
                            return

                before = len(kept)
                pushing = [asyncio.create_task(push(100_000 * life + 20_000 * lane)) for lane in range(3)]
                await eventually(lambda before=before: len(kept) > before + 20)  # type: ignore[misc]
                process.kill()
                stop.set()
                await asyncio.gather(*pushing)
            process.start()
            await process.ready()
        async with client_of(urls) as client:
            await client.login(password=PASSWORD)
            await client.all_ended(len(kept))
            found, cursor = set[str](), ""
            while True:
                status, page = await client.get(
                    "/api/files", limit="500", **({"cursor": cursor} if cursor else {})
                )
                assert status == 200
                found |= {file["sop_instance_uid"] for file in page["files"]}
                for file in page["files"]:
                    assert (await client.ended(file["id"]))["state"] == "processed"
                if (cursor := page["next_cursor"]) is None:
                    break
        assert kept <= found
        assert len(kept) > 80
    finally:
        process.stop()


@pytest.mark.parametrize("system", ["separate"], indirect=True)
async def test_a_request_of_many_large_instances_needs_no_more_memory(
    system: System, new_user: NewUser, tmp_path: Path
) -> None:
    client = await new_user()
    path = tmp_path / "large.dcm"
    facts = write_large(path, 128 * MIB)
    ingest = system.processes["ingest"].pid
    _, warm = await client.upload_raw(io.BytesIO(ct_instance(rows=700, columns=700, seed=77)))
    assert warm["files"][0]["state"] == "accepted"

    async def body() -> AsyncIterator[bytes]:
        for number in range(6):  # the first is new, the others are read again to see that it is whole
            yield b"" if number == 0 else b"\r\n"
            yield b"--frontera\r\nContent-Type: application/dicom\r\n\r\n"
            with path.open("rb") as file:
                while chunk := await asyncio.to_thread(file.read, MIB):
                    yield chunk
        yield b"\r\n--frontera--\r\n"

    reset_high_water(ingest)
    before = high_water(ingest)
    url, headers = f"{client.urls['ingest']}/dicom-web/studies", {**client.headers, **PLAIN.headers()}
    async with client.session.post(url, data=body(), headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        assert len(referenced(await answer.json(content_type=None))) == 6
    assert high_water(ingest) - before < 64 * MIB
    status, listed = await client.get("/api/files")
    assert (status, next(file["size_bytes"] for file in listed["files"])) == (200, facts.size)


@pytest.mark.parametrize("system", ["embedded"], indirect=True)
async def test_a_long_study_comes_in_one_request(system: System, new_user: NewUser) -> None:
    client, uid = await new_user(), study()
    sent = [
        ct_instance(16, 16, seed=seed, StudyInstanceUID=uid, sop_instance_uid=f"{uid}.{seed}")
        for seed in range(1500)
    ]
    url, headers = f"{client.urls['ingest']}/dicom-web/studies", {**client.headers, **PLAIN.headers()}
    body = io.BytesIO(PLAIN.body(sent))
    async with client.session.post(url, data=body, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        assert referenced(await answer.json(content_type=None)) == [f"{uid}.{seed}" for seed in range(1500)]
