"""Read a KEDA ScaledObject or a HorizontalPodAutoscaler, as they stand in infra/k8s, into `Scaling`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bench.autoscaler import DEFAULT_DOWN, DEFAULT_UP, Direction, Fallback, Metric, Policy, Scaling, Trigger

Manifest = Mapping[str, Any]


def scaling_of(manifest: Manifest) -> Scaling:
    """The settings of one manifest. Raises ValueError for an unknown kind or trigger."""
    if manifest["kind"] == "ScaledObject":
        return _scaled_object(manifest["spec"])
    if manifest["kind"] == "HorizontalPodAutoscaler":
        return _pod_autoscaler(manifest["spec"])
    raise ValueError(f"not an autoscaler: {manifest['kind']}")


def _scaled_object(spec: Manifest) -> Scaling:
    advanced = spec.get("advanced", {}).get("horizontalPodAutoscalerConfig", {})
    fallback = spec.get("fallback")
    return Scaling(
        minimum=spec.get("minReplicaCount", 0),
        maximum=spec.get("maxReplicaCount", 100),
        triggers=tuple(_keda_trigger(trigger) for trigger in spec["triggers"]),
        polling=float(spec.get("pollingInterval", 30)),
        cooldown=float(spec.get("cooldownPeriod", 300)),
        fallback=None
        if fallback is None
        else Fallback(
            fallback["replicas"],
            fallback["failureThreshold"],
            keep_higher=fallback.get("behavior") == "currentReplicasIfHigher",
        ),
        **_behavior(advanced.get("behavior", {})),
    )


def _keda_trigger(trigger: Manifest) -> Trigger:
    metadata = trigger["metadata"]
    if trigger["type"] == "cpu":
        return Trigger("cpu", float(metadata["value"]) / 100)
    if trigger["type"] == "rabbitmq":
        return Trigger(
            "messages", float(metadata["value"]), activation=float(metadata.get("activationValue", 0))
        )
    if trigger["type"] == "prometheus":
        return Trigger(
            _metric(metadata["query"]),
            float(metadata["threshold"]),
            activation=float(metadata.get("activationThreshold", 0)),
        )
    raise ValueError(f"unknown trigger: {trigger['type']}")


def _pod_autoscaler(spec: Manifest) -> Scaling:
    return Scaling(
        minimum=spec.get("minReplicas", 1),
        maximum=spec["maxReplicas"],
        triggers=tuple(_metric_trigger(metric) for metric in spec["metrics"]),
        **_behavior(spec.get("behavior", {})),
    )


def _metric_trigger(metric: Manifest) -> Trigger:
    if metric["type"] == "Resource":
        return Trigger("cpu", metric["resource"]["target"]["averageUtilization"] / 100)
    external = metric["external"]
    return Trigger(_metric(external["metric"]["name"]), float(external["target"]["averageValue"]))


def _metric(expression: str) -> Metric:
    """Which of the simulated quantities a query or a metric's name stands for."""
    if "demand_seconds" in expression:
        return "demand_seconds"
    return "work_seconds" if "work_seconds" in expression else "messages"


def _behavior(behavior: Manifest) -> dict[str, Any]:
    return {
        "up": _direction(behavior.get("scaleUp", {}), DEFAULT_UP),
        "down": _direction(behavior.get("scaleDown", {}), DEFAULT_DOWN),
    }


def _direction(rules: Manifest, default: Direction) -> Direction:
    policies = tuple(
        Policy(policy["type"], policy["value"], float(policy["periodSeconds"]))
        for policy in rules.get("policies", ())
    )
    return Direction(
        float(rules.get("stabilizationWindowSeconds", default.stabilization)),
        policies or default.policies,
        rules.get("selectPolicy", default.select),
    )
