"""`make bench`: 600 distinct 512×512 16-bit CT instances over 8 connections, embedded and on RabbitMQ."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
from pathlib import Path

from bench.load import run_load
from bench.report import figures, table
from bench.systems import embedded_system, separate_system
from tests.builders import ct_instance

SYSTEMS = {"embedded": embedded_system, "rabbitmq": separate_system}


async def measure(name: str, folder: Path, files: int, connections: int) -> dict[str, object]:
    """One run on a fresh system."""
    instances = [ct_instance(rows=512, columns=512, seed=number) for number in range(files)]
    warm = [ct_instance(rows=512, columns=512, seed=files + number) for number in range(4 * connections)]
    async with SYSTEMS[name](folder) as system:
        await run_load(system.urls, warm, connections=connections)
        before, written = system.usage(), await system.written()
        run = await run_load(system.urls, instances, connections=connections)
        return figures(run, before, system.usage()) | {
            f"postgresql_{kind}_kib_per_file": (now - written[kind]) / files / 1024
            for kind, now in (await system.written()).items()
        }


def main() -> int:
    """Run the chosen systems, print the table, write the JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--files", type=int, default=600)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--system", choices=sorted(SYSTEMS), action="append")
    parser.add_argument("--output", type=Path, default=Path("bench/out/bench.json"))
    given = parser.parse_args()
    results = {}
    for name in given.system or sorted(SYSTEMS):
        with tempfile.TemporaryDirectory(prefix="dicom-bench-") as folder:
            results[name] = asyncio.run(measure(name, Path(folder), given.files, given.connections))
    given.output.parent.mkdir(parents=True, exist_ok=True)
    given.output.write_text(json.dumps(results, indent=2) + "\n")
    sys.stdout.write(f"{table(results)}\n\nwritten to {given.output}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
