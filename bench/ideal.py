"""How fair a course was: each owner's response time against what equal shares would have given (GPS)."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence

from bench.owners import Job


def jain(values: Sequence[float]) -> float:
    """Jain's index: 1 where all are equal, 1/n where one has everything (Jain, Chiu and Hawe 1984)."""
    total = sum(values)
    return total * total / (len(values) * sum(value * value for value in values)) if total else 0.0


def fairness(jobs: Sequence[Job], ended: Mapping[int, float], capacity: float) -> float:
    """Jain's index of the owners' shares: mean response time of equal sharing over the real one."""
    ideal = equal_shares(jobs, capacity)
    owners: dict[str, list[tuple[float, float]]] = {}
    for job in jobs:
        if job.number in ended:
            pair = (ideal[job.number] - job.at, ended[job.number] - job.at)
            owners.setdefault(job.owner, []).append(pair)
    return jain([sum(a for a, _ in found) / sum(b for _, b in found) for found in owners.values()])


def equal_shares(jobs: Sequence[Job], capacity: float) -> dict[int, float]:
    """When each file ends where owners who have work share `capacity` slots equally, as a fluid would.

    No owner takes more slots than it has files; files of one owner are served in order (generalized processor
    sharing, Parekh and Gallager 1993).
    """
    coming = deque(sorted(jobs, key=lambda job: job.at))
    queues: dict[str, deque[list[float]]] = {}
    ended: dict[int, float] = {}
    now = 0.0
    while coming or queues:
        if not queues:
            now = max(now, coming[0].at)
        while coming and coming[0].at <= now:
            job = coming.popleft()
            queues.setdefault(job.owner, deque()).append([job.service, float(job.number)])
        rates = _rates({owner: len(queue) for owner, queue in queues.items()}, capacity)
        # Whole slots for the first files of each owner, what is left of one for the next.
        served = [
            (owner, item, min(1.0, rates[owner] - index))
            for owner, queue in queues.items()
            for index, item in zip(range(int(rates[owner]) + 1), queue, strict=False)
            if rates[owner] - index > 1e-9
        ]
        step = min(item[0] / rate for _, item, rate in served)
        if coming:
            step = min(step, coming[0].at - now)
        now += step
        for owner, item, rate in served:
            item[0] -= rate * step
            if item[0] <= 1e-9:
                queues[owner].remove(item)
                ended[int(item[1])] = now
                if not queues[owner]:
                    del queues[owner]
    return ended


def _rates(files: Mapping[str, int], capacity: float) -> dict[str, float]:
    """Equal shares of `capacity`; what an owner cannot use goes to the others."""
    rates: dict[str, float] = {}
    left = capacity
    for place, owner in enumerate(sorted(files, key=lambda name: files[name])):
        rates[owner] = min(float(files[owner]), left / (len(files) - place))
        left -= rates[owner]
    return rates
