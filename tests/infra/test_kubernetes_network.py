"""Nothing may talk to anything but what these tables say."""

from __future__ import annotations

import pytest

from tests.infra.kubernetes_manifests import Manifests
from tests.infra.network_policies import holes, isolated

DNS = {"@kube-system/kube-dns:53", "@kube-system/kube-dns:53/udp"}
GATEWAY, MONITORING = "@gateway:8443", "@monitoring:8443"
DATABASE, BROKER, TOKEN_KEYS = "postgres:5432", "rabbitmq:5671", "auth:8443"
TRACES = "@tracing/otel-collector:4318"
MONGODB = "mongodb:27017"

HEARS = {
    "auth": {GATEWAY, MONITORING, "ingest:8443", "results:8443", "operator:8443"},
    "ingest": {GATEWAY, MONITORING},
    "dimse": {MONITORING, "*:11112"},
    "processor": {MONITORING},
    "results": {GATEWAY, MONITORING},
    "portal": {GATEWAY, MONITORING},
    "migrate": set(),
    "operator": set(),
}
ASKS = {
    "auth": {DATABASE},
    "ingest": {DATABASE, BROKER, TOKEN_KEYS},
    "dimse": {DATABASE, BROKER},
    "processor": {BROKER},
    "results": {DATABASE, BROKER, TOKEN_KEYS},
    "portal": set(),
    "migrate": {DATABASE, BROKER},
    "operator": {DATABASE, BROKER, TOKEN_KEYS},
}
DATABASE_USERS = {f"{name}:5432" for name in ("auth", "ingest", "dimse", "results", "migrate", "operator")}
BROKER_USERS = {f"{name}:5671" for name in ("ingest", "dimse", "processor", "results", "migrate", "operator")}
IN_FRONT = ("auth", "ingest", "results", "portal")
KUBERNETES_API = {"*:443", "*:6443"}
BETWEEN_RABBITS = {f"rabbitmq:{port}" for port in ("4369", "25672", "35672-35682")}

Table = dict[str, set[str]]


def found(manifests: Manifests, direction: str) -> Table:
    """The holes of every workload but for the names that all may resolve."""
    return {name: holes(manifests, name, direction) - DNS for name in manifests.workloads}


def test_nothing_is_allowed_that_is_not_named(rendered: dict[str, Manifests]) -> None:
    for manifests in rendered.values():
        policy = manifests.get("NetworkPolicy", "default-deny")["spec"]
        assert policy == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
        for name in manifests.workloads:
            assert isolated(manifests, name, "Ingress")
            assert isolated(manifests, name, "Egress")
            assert holes(manifests, name, "Egress") >= DNS


def test_the_holes_of_a_single_node(rendered: dict[str, Manifests]) -> None:
    hears: Table = {
        **HEARS,
        **{name: HEARS[name] | {"gateway:8443"} for name in IN_FRONT},
        "gateway": {"*:8443"},
        "postgres": DATABASE_USERS,
        "rabbitmq": {*BROKER_USERS, "@monitoring:15691"},
    }
    asks: Table = {
        **ASKS,
        "gateway": {f"{name}:8443" for name in IN_FRONT},
        "postgres": set(),
        "rabbitmq": set(),
    }
    assert found(rendered["dev"], "Ingress") == hears
    assert found(rendered["dev"], "Egress") == asks


def test_the_holes_of_a_cluster(rendered: dict[str, Manifests]) -> None:
    # `restore` is one of the operator's commands: its pods are the operator's.
    hears: Table = {
        **HEARS,
        "auth": HEARS["auth"] | {"restore:8443"},
        "backup": set(),
        "restore": set(),
        "postgres": {
            *DATABASE_USERS,
            *("backup:5432", "restore:5432", "postgres:5432", "postgres:8000"),
            *("@cnpg-system:5432", "@cnpg-system:8000", "@monitoring:9187"),
        },
        "rabbitmq": {
            *BROKER_USERS,
            *BETWEEN_RABBITS,
            "restore:5671",
            *("@rabbitmq-system:15671", "@autoscaling:15671", "@monitoring:15691"),
        },
    }
    asks: Table = {
        **ASKS,
        "backup": {DATABASE},
        "restore": ASKS["operator"],
        "postgres": {"postgres:5432", "postgres:8000", *KUBERNETES_API},
        "rabbitmq": {*BETWEEN_RABBITS, *KUBERNETES_API},
    }
    assert found(rendered["prod"], "Ingress") == hears
    assert found(rendered["prod"], "Egress") == asks


@pytest.mark.parametrize(
    ("base", "more", "who", "hole"),
    [
        ("dev", "dev with gridfs", {"ingest", "dimse", "processor", "results", "operator"}, MONGODB),
        (
            "prod",
            "prod with gridfs",
            {"ingest", "dimse", "processor", "results", "backup", "restore", "operator"},
            "(mongodb):27017",
        ),
        (
            "prod",
            "prod with tracing",
            {"auth", "ingest", "dimse", "processor", "results", "portal", "restore", "operator"},
            TRACES,
        ),
        ("prod", "prod with mail", {"auth", "restore", "operator"}, "*:587"),
        ("prod", "prod with outward", {"auth"}, "0.0.0.0/0:443"),
        ("prod", "prod with oidc", {"auth", "restore", "operator"}, "*:443"),
    ],
)
def test_a_component_opens_its_hole_only(
    rendered: dict[str, Manifests], base: str, more: str, who: set[str], hole: str
) -> None:
    before, after = found(rendered[base], "Egress"), found(rendered[more], "Egress")
    assert {name: after[name] - before[name] for name in before} == {
        name: {hole} if name in who else set() for name in before
    }


def test_the_gateway_reaches_who_proves_its_name(rendered: dict[str, Manifests]) -> None:
    spec = rendered["prod"].get("NetworkPolicy", "acme-solver")["spec"]
    assert spec["podSelector"]["matchLabels"] == {"acme.cert-manager.io/http01-solver": "true"}
    assert spec["ingress"] == [
        {
            "from": [{"namespaceSelector": {"matchLabels": {"dicom/gateway": "true"}}}],
            "ports": [{"protocol": "TCP", "port": 8089}],
        }
    ]


def test_the_databases_door_stays_shut_for_processors(rendered: dict[str, Manifests]) -> None:
    # What decoders read may be hostile.
    for manifests in rendered.values():
        assert not any("postgres" in hole for hole in holes(manifests, "processor", "Egress"))
