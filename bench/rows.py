"""`make bench-rows`: a system that holds a million files beside one that holds a thousand.

Rates of uploads, how long lists, searches and the summary take, and the ratio of the two. Rows are written
as the services would have written them, without objects.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import asyncpg

from bench.load import run_load
from bench.report import percentile
from bench.studies import fill
from bench.systems import System, embedded_system
from tests.builders import ct_instance
from tests.e2e.processes import ADMIN, PASSWORD, Client

FILES_A_STUDY = 10
COLLECTION = "user:1"
ASKED = {
    "list": "/api/results?limit=50",
    "summary": "/api/results/summary",
    "q= rare": "/api/results?limit=50&q=perez+00077",
    "q= frequent": "/api/results?limit=50&q=maria",
    "q= absent": "/api/results?limit=50&q=toaster",
    "studies": "/api/studies",
    "studies q=": "/api/studies?q=perez+00077",
    "files": "/api/files?limit=50",
    "qido studies": "/dicom-web/studies?limit=50",
    "qido patient": "/dicom-web/studies?PatientID=00077&includefield=StudyDescription",
    "qido name": "/dicom-web/studies?PatientName=*perez*&StudyDate=20000101-&limit=10",
    "qido absent": "/dicom-web/studies?PatientName=*toaster*",
    "qido accession": "/dicom-web/studies?AccessionNumber=A77",
    "qido modality": "/dicom-web/studies?ModalitiesInStudy=MR,US&limit=5&offset=2",
    "qido series": "/dicom-web/studies/1.2.840.77/series",
    "qido instances": "/dicom-web/studies/1.2.840.77/series/1.2.840.77.1/instances",
    "qido instance": "/dicom-web/instances?SOPInstanceUID=1.2.840.77.1.3",
}
_ACCEPTED = """
    INSERT INTO ingest.upload_dicomfile (id, file, file_name, uploaded_at, owner_id, collection, size_bytes,
        sha256, state, sop_class_uid, sop_instance_uid, series_instance_uid, study_instance_uid, modality,
        transfer_syntax_uid)
    SELECT file_id, file_id::text, file_name, received_at, owner_id, collection, 525000,
        encode(sha256(file_id::text::bytea), 'hex'), 'accepted', '1.2.840.10008.5.1.4.1.1.2',
        sop_instance_uid, series_instance_uid, study_instance_uid, modality, '1.2.840.10008.1.2.1'
    FROM results.upload_dicomresult WHERE collection = $1
"""
_COUNTED = """
    INSERT INTO results.counter (collection, state, files)
    SELECT collection, state, count(*) FROM results.upload_dicomresult WHERE collection = $1 GROUP BY 1, 2
"""


async def prepare(url: str, rows: int) -> None:
    """So many files of one collection."""
    await fill(url, COLLECTION, rows // FILES_A_STUDY)
    connection = await asyncpg.connect(url)
    try:
        for statement in (_ACCEPTED, _COUNTED):
            await connection.execute(statement, COLLECTION)
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


async def measure(folders: Sequence[Path], rows: Sequence[int], given: argparse.Namespace) -> list[Figures]:
    """What each system does: files/s, or milliseconds. They take turns: both meet the same machine."""
    async with AsyncExitStack() as stack:
        systems = [await stack.enter_async_context(embedded_system(folder)) for folder in folders]
        for system, many in zip(systems, rows, strict=True):
            await prepare(system.database, many)
        found = [Figures(system) for system in systems]
        for turn in range(given.rounds + 1):
            for figures in found:
                await figures.send(given.files, turn)
        for name, path in ASKED.items():
            for _ in range(given.rounds):
                for figures in found:
                    await figures.ask(name, path, given.calls // given.rounds)
        return found


class Figures:
    """Of one system."""

    def __init__(self, system: System) -> None:
        """`system` runs."""
        self._system = system
        self._rates: dict[str, list[float]] = {"accepted/s": [], "end to end/s": []}
        self._took: dict[str, list[float]] = {}

    async def send(self, files: int, turn: int) -> None:
        """A round of uploads; the first only warms it up."""
        content = [ct_instance(rows=512, columns=512, seed=turn * files + n) for n in range(files)]
        run = await run_load(self._system.urls, content, connections=8)
        if turn:
            self._rates["accepted/s"].append(run.files / run.accepted_seconds)
            self._rates["end to end/s"].append(run.files / run.ended_seconds)

    async def ask(self, name: str, path: str, calls: int) -> None:
        """How long so many answers take, one after the other."""
        async with aiohttp.ClientSession() as session:
            client = Client(session, self._system.urls)
            await client.login(ADMIN, PASSWORD)
            url = client.urls["results"] + path
            for _ in range(calls):
                started = time.perf_counter()
                async with session.get(url, headers=client.headers) as answer:
                    assert answer.status == 200, await answer.text()
                    await answer.read()
                self._took.setdefault(name, []).append((time.perf_counter() - started) * 1000)

    def all(self) -> dict[str, float]:
        """Medians of rates, two percentiles of times."""
        found = {name: statistics.median(rates) for name, rates in self._rates.items()}
        for name, took in self._took.items():
            found[f"{name} p50 ms"], found[f"{name} p99 ms"] = percentile(took, 0.5), percentile(took, 0.99)
        return found


def main() -> int:
    """Both sizes, side by side."""
    parser = argparse.ArgumentParser(prog="python -m bench.rows", description=__doc__)
    parser.add_argument("--few", type=int, default=1_000)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--files", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--calls", type=int, default=200)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="dicom-rows-") as folder:
        places = [Path(folder, "few"), Path(folder, "many")]
        for place in places:
            place.mkdir(mode=0o755)
        Path(folder).chmod(0o755)
        measured = asyncio.run(measure(places, (given.few, given.many), given))
    few, many = (figures.all() for figures in measured)
    lines = [f"{'':22}{given.few:>12,}{given.many:>12,}   ratio"]
    lines += [f"{name:22}{few[name]:12.1f}{many[name]:12.1f}  x{many[name] / few[name]:.2f}" for name in few]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
