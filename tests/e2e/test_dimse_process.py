"""The DICOM door as a process of its own: a peer sends for its account, and SIGTERM ends it in order."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

from tests.builders import ct_instance
from tests.dcmtk import program
from tests.e2e.conftest import System
from tests.e2e.processes import Process, client_of
from tests.ports import free_port

UID = "1.2.826.0.1.3680043.8.498.15"


def storescu(port: int, calling: str, path: Path) -> str:
    """DCMTK sends one file; what it says."""
    command = [program("storescu"), "-v", "-aet", calling, "-aec", "DICOM", "127.0.0.1", str(port), str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    return done.stdout + done.stderr


async def test_a_peer_sends_for_its_account(separate_system: System, tmp_path: Path) -> None:
    beside, port = separate_system.processes["ingest"], free_port()
    environment = {**beside.environment, "DIMSE_PORT": str(port)}
    door = Process("services.ingest.dimse", environment, tmp_path / "dimse.log")
    (path := tmp_path / "ct").write_bytes(ct_instance(seed=1, sop_instance_uid=f"{UID}.1"))
    door.start()
    try:
        await door.ready()
        async with client_of(separate_system.urls) as client:
            await client.login()
            _, me = await client.get("/api/auth/me")
            assert "Calling AE Title Not Recognized" in await asyncio.to_thread(storescu, port, "CT", path)
            peer = {"ae_title": "CT", "addresses": "127.0.0.0/8", "account_id": me["user_id"]}
            url = f"{separate_system.urls['ingest']}/api/peers"
            async with client.session.post(url, json=peer, headers=client.headers) as answer:
                assert answer.status == 201, await answer.text()
            said = await asyncio.to_thread(storescu, port, "CT", path)
            assert "Received Store Response (Success)" in said, said
            _, body = await client.get("/api/files", q=UID)
            (file,) = body["files"]
            assert (file["owner_id"], file["collection"]) == (me["user_id"], f"user:{me['user_id']}")
            # Announced by the door itself, over the broker.
            assert (await client.ended(file["id"]))["state"] == "processed"
    finally:
        assert await asyncio.to_thread(door.stop) == 0, door.output()
