"""The replica counts that Kubernetes' HorizontalPodAutoscaler and KEDA arrive at, as pure functions.

Sources: Kubernetes' documentation "Horizontal Pod Autoscaling" (algorithm details, scaling behaviour of
autoscaling/v2) and KEDA's "Scaling Deployments" (activation, cooldown, fallback). Times are in seconds;
metric values are totals over all replicas unless said otherwise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

SYNC_SECONDS = 15.0
"""--horizontal-pod-autoscaler-sync-period of kube-controller-manager."""
TOLERANCE = 0.1
"""--horizontal-pod-autoscaler-tolerance."""

Metric = Literal["messages", "work_seconds", "demand_seconds", "cpu"]


@dataclass(frozen=True, slots=True)
class Policy:
    """One way to bound a change: `value` pods or per cent within `period`."""

    kind: Literal["Pods", "Percent"]
    value: int
    period: float


@dataclass(frozen=True, slots=True)
class Direction:
    """Scaling rules of one direction."""

    stabilization: float
    policies: tuple[Policy, ...]
    select: Literal["Max", "Min", "Disabled"] = "Max"


# What Kubernetes takes where `behavior` says nothing.
DEFAULT_UP = Direction(0.0, (Policy("Pods", 4, 15.0), Policy("Percent", 100, 15.0)))
DEFAULT_DOWN = Direction(300.0, (Policy("Percent", 100, 15.0),))


@dataclass(frozen=True, slots=True)
class Trigger:
    """One metric: `target` per replica (CPU: share of the request), `activation` for leaving zero."""

    metric: Metric
    target: float
    activation: float = 0.0


@dataclass(frozen=True, slots=True)
class Fallback:
    """What stands in for a trigger whose source has failed `failures` times."""

    replicas: int
    failures: int
    keep_higher: bool
    """KEDA's `currentReplicasIfHigher`."""


@dataclass(frozen=True, slots=True)
class Scaling:
    """All settings of one scaled workload."""

    minimum: int
    maximum: int
    triggers: tuple[Trigger, ...]
    up: Direction = DEFAULT_UP
    down: Direction = DEFAULT_DOWN
    polling: float = 30.0
    cooldown: float = 300.0
    fallback: Fallback | None = None


Reading = Mapping[Metric, float | None]
"""Each trigger's value; None: its source does not answer."""


def desired_by_metric(trigger: Trigger, value: float, replicas: int) -> int:
    """Replicas that bring one metric to its target; unchanged within the tolerance."""
    if trigger.metric == "cpu":
        ratio = value / trigger.target
        wanted = math.ceil(ratio * replicas)
    else:
        ratio = value / (trigger.target * replicas)
        wanted = math.ceil(value / trigger.target)
    return replicas if abs(ratio - 1.0) <= TOLERANCE else wanted


@dataclass(slots=True)
class Autoscaler:
    """KEDA with the HPA that it makes. `poll` and `sync` are called at their periods."""

    settings: Scaling
    recommendations: list[tuple[float, int]] = field(default_factory=list)
    changes: list[tuple[float, int]] = field(default_factory=list)
    failures: int = 0
    last_active: float = -math.inf

    def poll(self, now: float, reading: Reading, replicas: int) -> int:
        """KEDA's own part: out of zero when a trigger is active, back after `cooldown` without activity."""
        settings = self.settings
        # CPU cannot be read of no pod: that is no failure, and it never wakes one.
        asked = [trigger for trigger in settings.triggers if trigger.metric != "cpu"]
        failing = any(reading.get(trigger.metric) is None for trigger in asked)
        self.failures = self.failures + 1 if failing else 0
        active = any(
            value is not None and value > trigger.activation
            for trigger in asked
            for value in (reading.get(trigger.metric),)
        )
        if active or (failing and self.falls_back):
            self.last_active = now
        if replicas == 0:
            if failing and self.falls_back and settings.fallback is not None:
                return max(settings.fallback.replicas, settings.minimum)
            return max(1, settings.minimum) if active else 0
        if settings.minimum == 0 and not failing and now - self.last_active >= settings.cooldown:
            return 0
        return replicas

    @property
    def falls_back(self) -> bool:
        """Whether the source has failed often enough."""
        return self.settings.fallback is not None and self.failures >= self.settings.fallback.failures

    def sync(self, now: float, reading: Reading, replicas: int) -> int:
        """The HPA's part, between one (or the minimum) and the maximum."""
        if replicas == 0:
            return 0
        wanted = self._recommended(reading, replicas)
        bounded = min(max(wanted, self.settings.minimum, 1), self.settings.maximum)
        stable = self._stabilized(now, bounded, replicas)
        limited = self._rate_limited(now, stable, replicas)
        if limited != replicas:
            self.changes.append((now, limited - replicas))
        return limited

    def _recommended(self, reading: Reading, replicas: int) -> int:
        """The highest of all metrics; one that cannot be read forbids to go down."""
        found, blind = [], False
        for trigger in self.settings.triggers:
            value = reading.get(trigger.metric)
            fallback = self.settings.fallback
            if value is not None:
                found.append(desired_by_metric(trigger, value, replicas))
            elif trigger.metric != "cpu" and self.falls_back and fallback is not None:
                found.append(max(replicas, fallback.replicas) if fallback.keep_higher else fallback.replicas)
            else:
                blind = True
        wanted = max(found, default=replicas)
        return max(wanted, replicas) if blind else wanted

    def _stabilized(self, now: float, wanted: int, replicas: int) -> int:
        """The least of the recent recommendations going up, the greatest going down."""
        self.recommendations.append((now, wanted))
        window = max(self.settings.up.stabilization, self.settings.down.stabilization)
        self.recommendations = [(at, n) for at, n in self.recommendations if at >= now - window]
        up = min(n for at, n in self.recommendations if at >= now - self.settings.up.stabilization)
        down = max(n for at, n in self.recommendations if at >= now - self.settings.down.stabilization)
        return min(max(replicas, up), down)

    def _rate_limited(self, now: float, wanted: int, replicas: int) -> int:
        if wanted > replicas:
            return min(wanted, max(replicas, self._limit(now, self.settings.up, replicas, 1)))
        if wanted < replicas:
            return max(wanted, min(replicas, self._limit(now, self.settings.down, replicas, -1)))
        return replicas

    def _limit(self, now: float, rules: Direction, replicas: int, sign: int) -> int:
        """How far the policies let this direction go now."""
        if rules.select == "Disabled":
            return replicas
        proposed = []
        for policy in rules.policies:
            before = replicas - sum(change for at, change in self.changes if at > now - policy.period)
            step = policy.value if policy.kind == "Pods" else before * policy.value / 100
            proposed.append(math.ceil(before + step) if sign > 0 else int(before - step))
        return _most(proposed, sign if rules.select == "Max" else -sign)


def _most(values: Sequence[int], sign: int) -> int:
    return max(values) if sign > 0 else min(values)
