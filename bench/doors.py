"""`make bench-doors`: each way in and each way out of one system, in turns: rates, CPU and memory.

In: files of 512×512 values of 16 bits over eight connections; C-STORE by DCMTK's `storescu`.
CPU milliseconds are those of services, decoders and PostgreSQL for a file that is measured, not the client's.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp

from bench.accounting import reset_high_water, usage_of
from bench.systems import System, embedded_system
from tests.builders import UID_ROOT, ct_instance
from tests.dcmtk import program
from tests.e2e.processes import ADMIN, PASSWORD, Client
from tests.ports import free_port

CONNECTIONS, ASSOCIATIONS = 8, 4
MANY = 25
"""Instances that a Store request of many has."""
CROWD = 20
"""Associations at once whose memory is told."""
Way = Callable[[Sequence[bytes]], Awaitable[None]]


def related(contents: Sequence[bytes]) -> tuple[bytes, dict[str, str]]:
    """A Store request's body, and its headers (PS3.18 10.5)."""
    parts = [b"--=\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n" for content in contents]
    content_type = 'multipart/related; type="application/dicom"; boundary="="'
    return b"".join(parts) + b"--=--\r\n", {"Content-Type": content_type}


class Doors:
    """The ways of one system."""

    def __init__(self, system: System, client: Client, dimse_port: int, folder: Path) -> None:
        """`folder` is for files that a program sends."""
        self._system = system
        self._client = client
        self._dimse_port = dimse_port
        self._folder = folder
        self._numbers = itertools.count(1)
        self._accepted = 0

    @property
    def ways_in(self) -> dict[str, Way]:
        """By name."""
        return {
            "POST /api/files, application/dicom": self._raw,
            "POST /api/files, multipart/form-data": self._form,
            "STOW-RS, one instance a request": lambda contents: self._stow(contents, 1),
            f"STOW-RS, {MANY} instances a request": lambda contents: self._stow(contents, MANY),
            f"C-STORE, {ASSOCIATIONS} associations": lambda contents: self.c_store(contents, ASSOCIATIONS),
        }

    def contents(self, files: int) -> list[bytes]:
        """So many that nobody has sent."""
        numbers = itertools.islice(self._numbers, files)
        study, series = f"{UID_ROOT}.77.1", f"{UID_ROOT}.77.2"
        return [
            ct_instance(rows=512, columns=512, seed=number, StudyInstanceUID=study, SeriesInstanceUID=series)
            for number in numbers
        ]

    async def measure(self, way: Way, files: int) -> tuple[float, float, float]:
        """Files/s until accepted, files/s until measured, CPU milliseconds a file."""
        contents = self.contents(files)
        before, begun = self._cpu(), time.perf_counter()
        await way(contents)
        accepted = time.perf_counter() - begun
        self._accepted += files
        await self._client.all_ended(self._accepted)
        ended = time.perf_counter() - begun
        return files / accepted, files / ended, (self._cpu() - before) / files * 1000

    def _cpu(self) -> float:
        return sum(usage.cpu_seconds for usage in self._system.usage().values())

    async def _each(self, bodies: Sequence[object], send: Callable[[object], Awaitable[None]]) -> None:
        waiting = iter(bodies)

        async def sender() -> None:
            for body in waiting:
                await send(body)

        await asyncio.gather(*(sender() for _ in range(CONNECTIONS)))

    async def _raw(self, contents: Sequence[bytes]) -> None:
        async def send(content: object) -> None:
            status, body = await self._client.upload_raw(content)
            assert status == 202, body

        await self._each(contents, send)

    async def _form(self, contents: Sequence[bytes]) -> None:
        async def send(content: object) -> None:
            assert isinstance(content, bytes)
            status, body = await self._client.upload(("image.dcm", content))
            assert status == 202, body

        await self._each(contents, send)

    async def _stow(self, contents: Sequence[bytes], together: int) -> None:
        url = f"{self._system.urls['ingest']}/dicom-web/studies"

        async def send(some: object) -> None:
            assert isinstance(some, list)
            body, headers = related(some)
            async with self._client.session.post(
                url, data=body, headers={**self._client.headers, **headers}
            ) as answer:
                assert answer.status == 200, await answer.text()

        await self._each([contents[at : at + together] for at in range(0, len(contents), together)], send)

    async def c_store(self, contents: Sequence[bytes], associations: int) -> None:
        """By DCMTK's `storescu`, which reads files."""
        with tempfile.TemporaryDirectory(dir=self._folder) as folder:
            shares: list[list[str]] = [[] for _ in range(associations)]
            for number, content in enumerate(contents):
                path = Path(folder, f"{number}.dcm")
                path.write_bytes(content)
                shares[number % associations].append(str(path))
            programs = [
                await asyncio.create_subprocess_exec(
                    *(program("storescu"), "-aec", "DICOM", "127.0.0.1", str(self._dimse_port)), *share
                )
                for share in shares
            ]
            assert [await program.wait() for program in programs] == [0] * associations

    async def crowd(self, files: int) -> float:
        """MiB by which the services grow at most while CROWD associations send at once."""
        root, without = self._system.trees["services"]
        contents = self.contents(files)
        reset_high_water(root)
        before = usage_of(root, without=without).peak_bytes
        await self.c_store(contents, CROWD)
        grown = usage_of(root, without=without).peak_bytes - before
        self._accepted += files
        await self._client.all_ended(self._accepted)
        return grown / 2**20

    async def paths_out(self) -> dict[str, str]:
        """What is read of one instance, by name."""
        _, page = await self._client.get("/api/results", limit="1")
        _, result = await self._client.get(f"/api/results/{page['results'][0]['file_id']}")
        tags = {tag: result["raw_data"][tag]["Value"][0] for tag in ("0020000D", "0020000E", "00080018")}
        study, series, instance = tags.values()
        one = f"/dicom-web/studies/{study}/series/{series}/instances/{instance}"
        return {
            "frames, native": f"{one}/frames/1",
            "instance as stored": f"{one}?accept=application/dicom",
            "metadata of an instance": f"{one}/metadata",
            "rendered, JPEG": f"{one}/rendered",
            "thumbnail": f"{one}/thumbnail",
            "search for an instance": f"/dicom-web/instances?SOPInstanceUID={instance}",
            "search for studies": "/dicom-web/studies?limit=25",
        }

    async def read(self, path: str, calls: int) -> tuple[float, float] | None:
        """Answers/s over CONNECTIONS, CPU milliseconds an answer; None where nothing answers there."""
        url = self._system.urls["results"] + path

        async def send(_: object) -> None:
            async with self._client.session.get(url, headers=self._client.headers) as answer:
                assert answer.status == 200, (path, answer.status, await answer.text())
                await answer.read()

        async with self._client.session.get(url, headers=self._client.headers) as answer:
            if answer.status in (404, 405):
                return None
        before, begun = self._cpu(), time.perf_counter()
        await self._each(range(calls), send)
        return calls / (time.perf_counter() - begun), (self._cpu() - before) / calls * 1000


async def measure(folder: Path, given: argparse.Namespace) -> list[str]:
    """The lines of both tables."""
    port = free_port()
    async with AsyncExitStack() as stack:
        system = await stack.enter_async_context(embedded_system(folder, DIMSE_PORT=str(port)))
        session = await stack.enter_async_context(
            aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        )
        client = Client(session, system.urls)
        await client.login(ADMIN, PASSWORD)
        doors = Doors(system, client, port, folder)
        found: dict[str, list[tuple[float, float, float]]] = {name: [] for name in doors.ways_in}
        for turn in range(given.rounds + 1):
            for name, way in doors.ways_in.items():
                figures = await doors.measure(way, given.files)
                if turn:
                    found[name].append(figures)
        lines = [f"{'in':40}{'accepted/s':>12}{'measured/s':>12}{'CPU ms':>8}"]
        for name, rounds in found.items():
            accepted, ended, cpu = (statistics.median(column) for column in zip(*rounds, strict=True))
            lines.append(f"{name:40}{accepted:12.0f}{ended:12.0f}{cpu:8.2f}")
        grown = await doors.crowd(given.files)
        lines.append(f"{CROWD} associations at once: services and decoders grow by {grown:.0f} MiB at most")
        lines.append(f"{'out':40}{'answers/s':>12}{'CPU ms':>8}")
        for name, path in (await doors.paths_out()).items():
            answered = await doors.read(path, given.calls)
            told = "not served" if answered is None else f"{answered[0]:12.0f}{answered[1]:8.2f}"
            lines.append(f"{name:40}{told}")
    return lines


def main() -> int:
    """All ways."""
    parser = argparse.ArgumentParser(prog="python -m bench.doors", description=__doc__)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=400)
    with tempfile.TemporaryDirectory(prefix="dicom-doors-") as folder:
        Path(folder).chmod(0o755)
        sys.stdout.write("\n".join(asyncio.run(measure(Path(folder), parser.parse_args()))) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
