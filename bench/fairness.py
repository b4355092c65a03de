"""`make bench-fairness`: the same traces through three ways of sharing files out; figures and plots.

Round robin with prefetch is Celery's way; one queue with budgets is what a limit of memory alone gives; ours
is the code that runs. `--write` renews docs/distribution.md and its plots.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt

from bench.capacity import markdown, replace_section
from bench.dispatch import Budgets, Lanes, Outcome, RoundRobin, run
from bench.ideal import fairness
from bench.owners import Course, courses
from bench.report import percentile

WAYS: dict[str, type[RoundRobin] | type[Lanes]] = {
    "round robin, prefetch 4": RoundRobin,
    "one queue, budgets": Budgets,
    "lanes and admission": Lanes,
}
DOCUMENT = Path("docs/distribution.md")
HEAD = (
    "trace",
    "shared out by",
    "owner",
    "wait p50 s",
    "wait p99 s",
    "Jain",
    "utilisation",
    "workers killed",
    "files failed",
)


def waits_of(course: Course, outcome: Outcome, owner: str) -> list[float]:
    """Seconds until a slot took each of the owner's files for good."""
    return [
        outcome.started[job.number] - job.at
        for job in course.jobs
        if job.owner == owner and job.number in outcome.ended
    ]


def rows_of(course: Course, way: str, outcome: Outcome) -> list[list[str]]:
    """One line for each owner that is watched."""
    capacity = sum(machine.slots * machine.speed for machine in course.workers)
    index = fairness(course.jobs, outcome.ended, capacity)
    span = max(outcome.ended.values()) - min(job.at for job in course.jobs)
    rows = []
    for place, owner in enumerate(course.watched):
        waits = waits_of(course, outcome, owner)
        shared = (
            f"{index:.3f}",
            f"{100 * outcome.busy / (capacity * span):.0f} %",
            f"{outcome.killed}",
            f"{len(outcome.failed)}",
        )
        figures = [f"{percentile(waits, share):.2f}" if waits else "–" for share in (0.5, 0.99)]
        rows.append([course.name, way, owner, *figures, *(shared if place == 0 else [""] * len(shared))])
    return rows


def draw(course: Course, outcomes: dict[str, Outcome], folder: Path) -> Path:
    """The wait of each file over the time of its arrival: one column a way, one colour a watched owner."""
    figure, axes = plt.subplots(1, len(outcomes), figsize=(12, 3.6), sharey=True, constrained_layout=True)
    for axis, (way, outcome) in zip(axes, outcomes.items(), strict=True):
        for owner in course.watched:
            mine = [job for job in course.jobs if job.owner == owner and job.number in outcome.ended]
            thin = mine[:: max(1, len(mine) // 2000)]
            axis.plot(
                [job.at for job in thin],
                [max(0.001, outcome.started[job.number] - job.at) for job in thin],
                ".",
                markersize=3 if len(thin) > 50 else 7,
                label=owner,
            )
        axis.set_title(way, fontsize=10)
        axis.set_xlabel("sent at, s")
        axis.set_yscale("log")
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("wait for a slot, s")
    axes[-1].legend(loc="upper right", fontsize=8)
    figure.suptitle(f"{course.name}: {course.what}")
    path = folder / f"fairness-{course.name.replace(' ', '-')}.png"
    figure.savefig(path, dpi=80, metadata={"Software": None})
    plt.close(figure)
    return path


def main() -> int:
    """Simulate, draw, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.fairness", description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("bench/out"))
    parser.add_argument("--write", action="store_true", help="renew docs/distribution.md and its plots")
    given = parser.parse_args()
    folder = DOCUMENT.parent / "images" if given.write else given.output
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for course in courses():
        outcomes = {way: run(course, way_of) for way, way_of in WAYS.items()}
        rows += [row for way, outcome in outcomes.items() for row in rows_of(course, way, outcome)]
        sys.stdout.write(f"{draw(course, outcomes, folder)}\n")
    table = markdown(HEAD, rows)
    sys.stdout.write(f"\n{table}\n")
    if given.write:
        DOCUMENT.write_text(replace_section(DOCUMENT.read_text(), "fairness", table))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
