"""Programs of the field send by C-STORE, and what was answered 0000 outlives kill -9."""

from __future__ import annotations

import asyncio
import gc
import re
import secrets
import subprocess
import warnings
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE, build_context
from pynetdicom.association import Association as PynetdicomAssociation

from bench.accounting import high_water, reset_high_water
from tests.builders import CT_IMAGE_STORAGE, EXPLICIT_LE, UID_ROOT, ct_instance
from tests.certificates import Certificates
from tests.dcmtk import program as dcmtk_program
from tests.dimse_support import parsed
from tests.e2e.conftest import System
from tests.e2e.peers.orthanc import running_orthanc
from tests.e2e.processes import PASSWORD, Client, Process, client_of, embedded, one_url
from tests.ports import free_port
from tests.waiting import eventually

LISTENING = re.compile(r"listening for associations of DICOM on 127\.0\.0\.1 port ([0-9]+)")
MIB = 1 << 20
pytestmark = [pytest.mark.peers, pytest.mark.timeout(300)]


def port_of(process: Process) -> int:
    """Where it takes associations, as it said last."""
    return int(LISTENING.findall(process.output())[-1])


def study() -> str:
    """A Study Instance UID that nobody has used."""
    return f"{UID_ROOT}.32.{secrets.randbelow(10**9)}"


def slices(study_uid: str, count: int, **elements: Any) -> list[bytes]:
    """Instances of a study."""
    return [
        ct_instance(seed=seed, StudyInstanceUID=study_uid, sop_instance_uid=f"{study_uid}.{seed}", **elements)
        for seed in range(count)
    ]


def written(folder: Path, contents: list[bytes]) -> list[str]:
    """As files, for DCMTK."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}.dcm" for number in range(len(contents))]
    for path, content in zip(paths, contents, strict=True):
        path.write_bytes(content)
    return list(map(str, paths))


def dcmtk(program: str, *arguments: str) -> str:
    command = [dcmtk_program(program), "-v", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout + done.stderr


async def uids_of(client: Client, study_uid: str) -> set[str]:
    """SOP Instance UIDs of a study's files."""
    found, more = set[str](), dict[str, str]()
    while True:
        status, body = await client.get("/api/files", limit="500", **more)
        assert status == 200
        found |= {one["sop_instance_uid"] for one in body["files"] if one["study_instance_uid"] == study_uid}
        if body["next_cursor"] is None:
            return found
        more = {"cursor": body["next_cursor"]}


async def test_orthanc_sends_a_study_and_has_it_committed_to(embedded_system: System, tmp_path: Path) -> None:
    """Orthanc releases the association that asked, and takes the report where it listens."""
    port, listens, uid = port_of(embedded_system.processes["services"]), free_port(), study()
    async with client_of(embedded_system.urls) as client:
        await client.login()
        _, me = await client.get("/api/auth/me")
        peer = {
            "ae_title": "ORTHANC",
            "addresses": ["127.0.0.1"],
            "account_id": me["user_id"],
            "port": listens,
        }
        url = f"{embedded_system.urls['ingest']}/api/peers"
        async with client.session.post(url, json=peer, headers=client.headers) as answer:
            assert answer.status == 201
        more = {
            "DicomAet": "ORTHANC",
            "DicomPort": listens,
            "DicomCheckCalledAet": False,
            "DicomModalities": {"system": ["DICOM", "127.0.0.1", port]},
        }
        async with running_orthanc(tmp_path / "orthanc", {}, **more) as orthanc:
            status, _ = await orthanc.call("POST", "/modalities/system/echo", {})
            assert status == 200
            ids = await orthanc.keep(*slices(uid, 30))
            body = {"Resources": ids, "Synchronous": True, "StorageCommitment": True}
            status, told = await orthanc.call("POST", "/modalities/system/store", body)
            assert status == 200, (told, orthanc.log.read_text()[-3000:])
            assert len(await uids_of(client, uid)) == 30
            transaction = told["StorageCommitmentTransactionUID"]

            async def committed() -> bool:
                _, report = await orthanc.call("GET", f"/storage-commitment/{transaction}")
                return bool(report["Status"] == "Success" and len(report["Success"]) == 30)

            await eventually(committed)


async def test_storescu_over_tls_with_a_client_certificate(tmp_path: Path) -> None:
    authority = Certificates(tmp_path / "ca")
    ours = authority.issue(tmp_path / "ours")
    certificate, key = tmp_path / "scanner.crt", tmp_path / "scanner.key"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-subj",
        "/CN=scanner",
        "-days",
        "2",
    ]
    subprocess.run([*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    process = embedded(
        tmp_path / "var",
        DIMSE_TLS_CERT_FILE=str(ours.certificate),
        DIMSE_TLS_KEY_FILE=str(ours.key),
        DIMSE_TLS_CA_FILE=str(certificate),
    )
    process.start()
    try:
        await process.ready()
        where = ["-aec", "DICOM", "localhost", str(port_of(process))]
        files = written(tmp_path / "ct", slices(study(), 3))
        trust = ["+cf", str(authority.ca_file)]
        shown = ["+tls", str(key), str(certificate), *trust]
        said = await asyncio.to_thread(dcmtk, "storescu", *shown, *where, *files)
        assert said.count("Received Store Response (Success)") == 3, said
        said = await asyncio.to_thread(dcmtk, "echoscu", "+tla", *trust, *where)
        assert "Received Echo Response (Success)" not in said, said
        said = await asyncio.to_thread(dcmtk, "echoscu", *where)
        assert "Received Echo Response (Success)" not in said, said
    finally:
        assert await asyncio.to_thread(process.stop) == 0


async def test_twenty_associations_of_pynetdicom_in_bounded_memory(
    embedded_system: System,
) -> None:
    """Each sends objects of 32 MiB: what the process holds does not grow with them."""
    process, uid = embedded_system.processes["services"], study()
    port = port_of(process)

    def send(number: int) -> list[int]:
        ae = AE(ae_title=f"PYNET{number}")
        ae.requested_contexts = [build_context(CT_IMAGE_STORAGE, EXPLICIT_LE)]
        association = ae.associate("127.0.0.1", port, ae_title="DICOM")
        assert association.is_established, number
        try:
            return [
                association.send_c_store(
                    parsed(
                        ct_instance(
                            rows=4096,
                            columns=4096,
                            pixels=bytes(4096 * 4096 * 2),
                            StudyInstanceUID=uid,
                            sop_instance_uid=f"{uid}.{number}.{one}",
                        )
                    )
                ).Status
                for one in range(2)
            ]
        finally:
            association.release()

    async with client_of(embedded_system.urls) as client:
        await client.login()
        # What the first one makes the process import and keep.
        assert await asyncio.to_thread(send, 0) == [0, 0]
        reset_high_water(process.pid)
        before = high_water(process.pid)
        found = await asyncio.gather(*(asyncio.to_thread(send, number) for number in range(1, 21)))
        assert found == [[0, 0]] * 20
        assert high_water(process.pid) - before < 200 * MIB
        assert len(await uids_of(client, uid)) == 42


async def test_what_was_answered_0000_outlives_kill_9(tmp_path: Path) -> None:
    process, uid, kept = embedded(tmp_path / "var"), study(), set[str]()

    def push(first: int) -> None:
        """Objects one after the other, until the association is gone."""
        ae = AE(ae_title="PUSHING")
        ae.requested_contexts = [build_context(CT_IMAGE_STORAGE, EXPLICIT_LE)]
        association = ae.associate("127.0.0.1", port_of(process), ae_title="DICOM")
        assert association.is_established
        try:
            store_one_by_one(association, first)
        finally:
            association.join(30)
            # pynetdicom leaves the socket of an association that was cut to the collector.
            if association.dul.socket is not None and association.dul.socket.socket is not None:
                association.dul.socket.socket.close()

    def store_one_by_one(association: PynetdicomAssociation, first: int) -> None:
        for number in range(first, first + 10_000):
            one = f"{uid}.{number}"
            content = ct_instance(
                rows=256, columns=256, seed=number, StudyInstanceUID=uid, sop_instance_uid=one
            )
            try:
                status = association.send_c_store(parsed(content))
            except (RuntimeError, ValueError):
                return
            if status.get("Status") != 0x0000:
                return
            kept.add(one)

    process.start()
    try:
        await process.ready()
        for life in range(4):
            wanted = len(kept) + 20
            starts = [life * 100_000 + number * 20_000 for number in range(3)]
            pushing = [asyncio.create_task(asyncio.to_thread(push, start)) for start in starts]

            def pushed(wanted: int = wanted) -> bool:
                return len(kept) > wanted

            await eventually(pushed)
            process.kill()
            await asyncio.gather(*pushing)
            process.start()
            await process.ready()
        async with client_of(one_url(process)) as client:
            await client.login(password=PASSWORD)
            assert kept - await uids_of(client, uid) == set()
            summary = await client.all_ended(len(kept), 120)
            assert summary["failed"] == 0
    finally:
        await asyncio.to_thread(process.stop)
    with warnings.catch_warnings():
        # pynetdicom leaves the sockets of associations that were cut to the collector.
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
