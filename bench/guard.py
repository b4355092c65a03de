"""`make bench-guard`: what a file costs in CPU, as a multiple of the yardstick, beside what it cost before.

The yardstick runs before and after each load, on the same machine; so the ratio travels from one machine to
another, roughly. Nothing here fails: a change that costs something is seen, and whoever makes it decides.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from bench import yardstick
from bench.load import run_load
from bench.systems import embedded_system, separate_system
from tests.builders import ct_instance

BASELINE = Path(__file__).with_name("baseline.json")
SYSTEMS = {"embedded": embedded_system, "rabbitmq": separate_system}
CONNECTIONS = 8
NOISE = 0.1
"""What two runs of the same code differ by, mostly."""


async def cost(name: str, folder: Path, files: int, rounds: int) -> dict[str, float]:
    """Median ratio of each process of a fresh system, and of all of them together (`sum`)."""
    ratios: dict[str, list[float]] = {}
    async with SYSTEMS[name](folder) as system:
        for turn in range(rounds + 1):
            content = [ct_instance(rows=512, columns=512, seed=turn * files + n) for n in range(files)]
            unit, before = yardstick.cpu_ms(), system.usage()
            await run_load(system.urls, content, connections=CONNECTIONS)
            after, unit = system.usage(), min(unit, yardstick.cpu_ms())
            if turn == 0:
                continue  # statements are prepared, decoders warm
            taken = {n: (after[n].cpu_seconds - before[n].cpu_seconds) * 1000 / files / unit for n in after}
            for part, ratio in {**taken, "sum": sum(taken.values())}.items():
                ratios.setdefault(part, []).append(ratio)
    return {part: round(statistics.median(found), 3) for part, found in ratios.items()}


def report(found: Mapping[str, Mapping[str, float]], baseline: Mapping[str, Mapping[str, float]]) -> str:
    """A line a process: its ratio now, before, and the difference where it is more than noise."""
    lines = []
    for name, parts in found.items():
        for part, ratio in parts.items():
            known = baseline.get(name, {}).get(part)
            if known is None:
                told = "no baseline"
            else:
                change = ratio / known - 1 if known else 0.0
                told = f"baseline {known:6.3f}  {change:+6.1%}{'  <<<' if abs(change) > NOISE else ''}"
            lines.append(f"{name:9} {part:11} {ratio:6.3f} yardsticks a file  {told}")
    return "\n".join(lines)


def known_costs() -> dict[str, dict[str, float]]:
    """The committed baseline."""
    found: dict[str, dict[str, float]] = json.loads(BASELINE.read_text())
    return found


def main() -> int:
    """Measure, and print; `--save` makes it the baseline."""
    parser = argparse.ArgumentParser(prog="python -m bench.guard", description=__doc__)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--system", choices=sorted(SYSTEMS), action="append")
    parser.add_argument("--save", action="store_true", help="write bench/baseline.json")
    given = parser.parse_args()
    found = {}
    for name in given.system or sorted(SYSTEMS):
        with tempfile.TemporaryDirectory(prefix="dicom-guard-") as folder:
            found[name] = asyncio.run(cost(name, Path(folder), given.files, given.rounds))
    sys.stdout.write(report(found, known_costs()) + "\n")
    if given.save:
        BASELINE.write_text(json.dumps({**known_costs(), **found}, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
