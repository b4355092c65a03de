"""What the tests of infra/prometheus and infra/grafana share: rules, and the names that may be asked for."""

from __future__ import annotations

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from tests.infra.promql import exported

Json = dict[str, Any]
ROOT = Path(__file__).parents[2]
PROMETHEUS = ROOT / "infra" / "prometheus"
OPERATIONS = ROOT / "docs" / "operations.md"
RABBITMQ_QUEUE = frozenset({"queue", "vhost"})
# Of RabbitMQ 3.10 to 4.x, Prometheus, Alertmanager, kube-state-metrics, the kubelet and cert-manager.
EXTERNAL: dict[str, frozenset[str]] = {
    "up": frozenset(),
    "ALERTS": frozenset({"alertname", "alertstate", "severity"}),
    **dict.fromkeys(
        (
            "rabbitmq_detailed_queue_messages",
            "rabbitmq_detailed_queue_messages_ready",
            "rabbitmq_detailed_queue_messages_unacked",
            "rabbitmq_detailed_queue_consumers",
        ),
        RABBITMQ_QUEUE,
    ),
    **dict.fromkeys(
        (
            "rabbitmq_alarms_file_descriptor_limit",
            "rabbitmq_alarms_free_disk_space_watermark",
            "rabbitmq_alarms_memory_used_watermark",
            "rabbitmq_auth_attempts_failed_total",
            "rabbitmq_connections",
            "rabbitmq_connections_closed_total",
            "rabbitmq_connections_opened_total",
            "rabbitmq_consumers",
            "rabbitmq_disk_space_available_bytes",
            "rabbitmq_disk_space_available_limit_bytes",
            "rabbitmq_global_messages_acknowledged_total",
            "rabbitmq_global_messages_delivered_total",
            "rabbitmq_global_messages_received_total",
            "rabbitmq_global_messages_redelivered_total",
            "rabbitmq_global_messages_unroutable_returned_total",
            "rabbitmq_process_resident_memory_bytes",
            "rabbitmq_resident_memory_limit_bytes",
        ),
        frozenset(),
    ),
    "prometheus_notifications_dropped_total": frozenset(),
    "alertmanager_notifications_failed_total": frozenset({"integration"}),
    "kube_cronjob_created": frozenset({"namespace", "cronjob"}),
    "kube_cronjob_status_last_successful_time": frozenset({"namespace", "cronjob"}),
    "kube_deployment_status_replicas_unavailable": frozenset({"namespace", "deployment"}),
    "kube_horizontalpodautoscaler_spec_max_replicas": frozenset({"namespace", "horizontalpodautoscaler"}),
    "kube_horizontalpodautoscaler_status_current_replicas": frozenset(
        {"namespace", "horizontalpodautoscaler"}
    ),
    "kubelet_volume_stats_available_bytes": frozenset({"namespace", "persistentvolumeclaim"}),
    "kubelet_volume_stats_capacity_bytes": frozenset({"namespace", "persistentvolumeclaim"}),
    "certmanager_certificate_expiration_timestamp_seconds": frozenset({"namespace", "name"}),
}


@cache
def rules() -> list[Json]:
    """Every rule of every file."""
    return [
        rule
        for path in sorted((PROMETHEUS / "rules").glob("*.yml"))
        for group in yaml.safe_load(path.read_text())["groups"]
        for rule in group["rules"]
    ]


@cache
def alerts() -> dict[str, Json]:
    """Alerting rules by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


@cache
def recorded() -> frozenset[str]:
    """Names of recording rules."""
    return frozenset(rule["record"] for rule in rules() if "record" in rule)


@cache
def known() -> dict[str, frozenset[str]]:
    """Every sample that services and others export, with its labels."""
    return {**EXTERNAL, **exported(ROOT / "libs", ROOT / "services")}


def promtool(*arguments: str | Path) -> str:
    """Run promtool; its whole output. Raises AssertionError when it finds a fault."""
    program = shutil.which("promtool")
    assert program is not None, "promtool is missing: apt-get install prometheus (make test does)"
    done = subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
