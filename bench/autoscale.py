"""`make autoscale`: our autoscaler settings against traces of uploads, drawn, and the capacity that follows.

The settings are those of infra/k8s as they stand; service times are measured on this machine first.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl
import yaml

mpl.use("Agg")
from matplotlib import pyplot as plt

from bench import arrivals
from bench.arrivals import Kind, Mix, Trace, mean_seconds
from bench.autoscaler import Scaling
from bench.capacity import capacity_table, markdown, replace_section
from bench.queueing import History, Worker, simulate
from bench.report import percentile
from bench.scaled_object import Manifest, scaling_of
from bench.service_times import measure

COMPONENTS = Path("infra/k8s/components")
DEPLOYMENT = Path("infra/k8s/base/processor/deployment.yaml")
OPERATIONS = Path("docs/operations.md")
SLO_SECONDS = 60.0
SUMMARY = (
    "trace",
    "scaled by",
    "files",
    "most replicas",
    "turns",
    "replica hours",
    "wait p50 s",
    "wait p99 s",
    f"within {SLO_SECONDS:.0f} s",
    "left",
)


def manifests(folder: Path) -> list[Manifest]:
    """Every document of every YAML file below `folder`."""
    files = sorted(folder.rglob("*.yaml"))
    return [one for file in files for one in yaml.safe_load_all(file.read_text()) if one]


def processor_scaling(component: str) -> Scaling:
    """The settings that scale the processor in a component: `keda` or `hpa`."""
    for manifest in manifests(COMPONENTS / component):
        target = manifest.get("spec", {}).get("scaleTargetRef", {})
        if target.get("name") == "processor":
            return scaling_of(manifest)
    raise LookupError(f"no autoscaler for the processor in {component}")


def processor_worker() -> Worker:
    """Slots and CPU request of one replica, from its Deployment."""
    container = next(iter(manifests(DEPLOYMENT.parent)))
    for manifest in manifests(DEPLOYMENT.parent):
        if manifest["kind"] == "Deployment":
            container = manifest["spec"]["template"]["spec"]["containers"][0]
    environment = {variable["name"]: variable.get("value") for variable in container["env"]}
    return Worker(slots=int(environment["WORKER_SLOTS"]), cpu_request=_cores(container))


def _cores(container: Manifest) -> float:
    text = str(container["resources"]["requests"]["cpu"])
    return float(text[:-1]) / 1000 if text.endswith("m") else float(text)


def traces(mix: Mix, worker: Worker, maximum: int) -> list[Trace]:
    """The four courses, sized so that the largest needs most of the replicas."""
    return [
        arrivals.steady(mix, load=2.5 * worker.slots),
        arrivals.burst(mix),
        arrivals.night_and_day(mix, peak_load=min(3.0, 0.6 * maximum) * worker.slots),
        arrivals.broker_outage(mix, load=2.5 * worker.slots),
    ]


def draw(trace: Trace, histories: dict[str, History], folder: Path) -> Path:
    """Replicas, seconds of backlog and waiting time over time, one line for each way of scaling."""
    figure, axes = plt.subplots(3, 1, figsize=(11, 9), sharex=True, constrained_layout=True)
    hours = [second / 60 for second in range(trace.seconds)]
    for name, history in histories.items():
        axes[0].step(hours, history.replicas, label=name, where="post", linewidth=1.2)
        axes[1].plot(hours, history.backlog_seconds, label=name, linewidth=1.0)
        thin = history.waits[:: max(1, len(history.waits) // 20000)]
        axes[2].plot([at / 60 for at, _ in thin], [wait for _, wait in thin], ".", markersize=1.5, label=name)
    for axis, title in zip(axes, ("replicas", "backlog, s per slot", "wait for a slot, s"), strict=True):
        axis.set_ylabel(title)
        axis.grid(alpha=0.3)
        axis.set_ylim(bottom=0)
    axes[2].axhline(SLO_SECONDS, color="tab:red", linewidth=0.8, linestyle="--")
    if trace.outage is not None:
        for axis in axes:
            axis.axvspan(trace.outage.start / 60, trace.outage.stop / 60, color="0.9")
    axes[0].legend(loc="upper right")
    axes[2].set_xlabel("minutes")
    figure.suptitle(f"{trace.name}: {trace.files:,} files")
    path = folder / f"autoscale-{trace.name}.png"
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def summary(trace: Trace, history: History) -> list[str]:
    """One row of the table: files, largest count, turns, replica hours, waits, share within the objective."""
    waits = [wait for _, wait in history.waits] or [math.nan]
    late = sum(wait > SLO_SECONDS for wait in waits)
    return [
        f"{trace.files:,}",
        f"{max(history.replicas)}",
        f"{history.turns}",
        f"{sum(history.replicas) / 3600:.1f}",
        f"{percentile(waits, 0.5):.1f}",
        f"{percentile(waits, 0.99):.1f}",
        f"{100 * (1 - late / len(waits)):.2f} %",
        f"{history.unfinished}",
    ]


def overhead_seconds(bench: Path, ct: Kind) -> float:
    """What a file costs besides its analysis, from `make bench`: the processor's CPU for CT slices."""
    figures: dict[str, Any] = json.loads(bench.read_text())
    milliseconds = float(figures["rabbitmq"]["cpu_ms_per_file"]["processor"])
    return max(0.0, milliseconds / 1000 - ct.seconds)


def main() -> int:
    """Measure, simulate, draw, print; `--write` renews the tables of docs/operations.md."""
    parser = argparse.ArgumentParser(prog="python -m bench.autoscale", description=__doc__)
    parser.add_argument("--bench", type=Path, default=Path("bench/out/bench.json"))
    parser.add_argument("--output", type=Path, default=Path("bench/out"))
    parser.add_argument("--write", action="store_true", help="renew the tables of docs/operations.md")
    given = parser.parse_args()
    if not given.bench.exists():
        parser.error(f"{given.bench} is missing: run `make bench` first")
    given.output.mkdir(parents=True, exist_ok=True)
    plain = {kind.name: kind for kind in measure(0.0)}
    mix = [
        Kind(kind.name, kind.share, kind.seconds + overhead_seconds(given.bench, plain["CT 512×512"]))
        for kind in plain.values()
    ]
    worker = processor_worker()
    ways = {name: processor_scaling(name) for name in ("keda", "hpa")}
    rows = []
    for trace in traces(mix, worker, ways["keda"].maximum):
        histories = {
            name: simulate(
                trace.arrivals,
                scaling,
                worker,
                seconds=trace.seconds,
                replicas=max(trace.replicas, scaling.minimum),
                outage=trace.outage,
            )
            for name, scaling in ways.items()
        }
        rows += [[trace.name, name, *summary(trace, history)] for name, history in histories.items()]
        sys.stdout.write(f"{draw(trace, histories, given.output)}\n")
    waits = markdown(SUMMARY, rows)
    capacity = capacity_table(json.loads(given.bench.read_text()), mix)
    sys.stdout.write(f"\nmean slot time {mean_seconds(mix) * 1000:.1f} ms\n\n{waits}\n\n{capacity}\n")
    if given.write:
        text = OPERATIONS.read_text()
        text = replace_section(text, "autoscale", waits)
        OPERATIONS.write_text(replace_section(text, "capacity", capacity))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
