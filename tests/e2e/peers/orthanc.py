"""Orthanc with its DICOMweb plugin, as Debian has them, in a folder of its own."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from tests.ports import free_port
from tests.waiting import eventually

PLUGIN = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"


class Orthanc:
    """A running Orthanc, asked over its REST API."""

    def __init__(self, url: str, session: aiohttp.ClientSession, log: Path) -> None:
        self.url = url
        self.log = log
        self._session = session

    async def call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Status, and JSON where it is."""
        data = body if isinstance(body, bytes) else None if body is None else orjson.dumps(body)
        async with self._session.request(method, self.url + path, data=data) as answer:
            raw = await answer.read()
            return answer.status, orjson.loads(raw) if "json" in answer.content_type else raw

    async def keep(self, *instances: bytes) -> list[str]:
        """Put instances into it; its own ids of them."""
        found = []
        for one in instances:
            status, body = await self.call("POST", "/instances", one)
            assert status == 200, body
            found.append(body["ID"])
        return found


@asynccontextmanager
async def running_orthanc(
    folder: Path, servers: Mapping[str, tuple[str, str, str]], **more: Any
) -> AsyncIterator[Orthanc]:
    """`servers` are DICOMweb servers by name: URL, user name, password. `more` is its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    configuration = {
        "Name": "peer",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": port,
        "DicomPort": free_port(),
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "Plugins": [PLUGIN],
        "DicomWeb": {"Enable": True, "Servers": {name: list(told) for name, told in servers.items()}},
        **more,
    }
    (folder / "orthanc.json").write_bytes(orjson.dumps(configuration))
    log = folder / "orthanc.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            ["Orthanc", str(folder / "orthanc.json")], stdout=output, stderr=subprocess.STDOUT, cwd=folder
        )
    try:
        async with aiohttp.ClientSession() as session:
            orthanc = Orthanc(f"http://127.0.0.1:{port}", session, log)

            async def answers() -> bool:
                assert process.poll() is None, log.read_text(errors="replace")[-3000:]
                try:
                    return (await orthanc.call("GET", "/system"))[0] == 200
                except aiohttp.ClientError:
                    return False

            await eventually(answers)
            yield orthanc
    finally:
        process.terminate()
        await asyncio.to_thread(process.wait, 20)
