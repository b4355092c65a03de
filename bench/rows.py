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
from pathlib import Path

import aiohttp
import asyncpg

from bench.load import run_load
from bench.report import percentile
from bench.studies import fill
from bench.systems import embedded_system
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


async def measure(folder: Path, rows: int, files: int, rounds: int, calls: int) -> dict[str, float]:
    """Each figure: files/s, or milliseconds."""
    found: dict[str, float] = {}
    async with embedded_system(folder) as system:
        await prepare(system.database, rows)
        accepted, ended = [], []
        for turn in range(rounds + 1):
            content = [ct_instance(rows=512, columns=512, seed=turn * files + n) for n in range(files)]
            run = await run_load(system.urls, content, connections=8)
            if turn:
                accepted.append(run.files / run.accepted_seconds)
                ended.append(run.files / run.ended_seconds)
        found["accepted/s"], found["end to end/s"] = statistics.median(accepted), statistics.median(ended)
        async with aiohttp.ClientSession() as session:
            client = Client(session, system.urls)
            await client.login(ADMIN, PASSWORD)
            for name, path in ASKED.items():
                took = []
                for _ in range(calls):
                    started = time.perf_counter()
                    url = client.urls["results"] + path
                    async with session.get(url, headers=client.headers) as answer:
                        assert answer.status == 200, await answer.text()
                        await answer.read()
                    took.append((time.perf_counter() - started) * 1000)
                found[f"{name} p50 ms"] = percentile(took, 0.5)
                found[f"{name} p99 ms"] = percentile(took, 0.99)
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
    found = {}
    for rows in (given.few, given.many):
        with tempfile.TemporaryDirectory(prefix="dicom-rows-") as folder:
            found[rows] = asyncio.run(measure(Path(folder), rows, given.files, given.rounds, given.calls))
    few, many = found[given.few], found[given.many]
    lines = [f"{'':22}{given.few:>12,}{given.many:>12,}   ratio"]
    lines += [f"{name:22}{few[name]:12.1f}{many[name]:12.1f}  x{many[name] / few[name]:.2f}" for name in few]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
