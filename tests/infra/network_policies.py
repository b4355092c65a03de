"""What NetworkPolicies let through, in words: `auth:8443`, `@gateway:8443` (namespaces so labelled)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tests.infra.kubernetes_manifests import Manifest, Manifests, matches, selected


def isolated(manifests: Manifests, workload: str, direction: str) -> bool:
    """Whether a policy denies this workload everything that none allows; `direction` is Ingress or Egress."""
    return any(direction in policy["spec"]["policyTypes"] for policy in _policies(manifests, workload))


def holes(manifests: Manifests, workload: str, direction: str) -> set[str]:
    """Whom a workload may hear (Ingress: on which port of its own) or talk to (Egress: on which port)."""
    found: set[str] = set()
    for policy in _policies(manifests, workload):
        for rule in policy["spec"].get(direction.lower(), ()):
            peers = rule.get("from" if direction == "Ingress" else "to")
            names = {"*"} if peers is None else {n for peer in peers for n in _names(manifests, peer)}
            assert rule.get("ports"), f"{policy['metadata']['name']} leaves every port open"
            ports = {_port(manifests, workload, port) for port in rule["ports"]}
            found |= {f"{name}:{port}" for name in names for port in ports}
    return found


def _policies(manifests: Manifests, workload: str) -> Iterator[Manifest]:
    labels = manifests.workloads[workload]["metadata"].get("labels", {})
    for policy in manifests.kind("NetworkPolicy"):
        if matches(policy["spec"]["podSelector"], labels):
            yield policy


def _names(manifests: Manifests, peer: Mapping[str, Any]) -> list[str]:
    if "ipBlock" in peer:
        assert {"10.0.0.0/8", "169.254.0.0/16"} <= set(peer["ipBlock"]["except"]), "the cluster itself"
        return [peer["ipBlock"]["cidr"]]
    pods, namespaces = peer.get("podSelector"), peer.get("namespaceSelector")
    if namespaces is None:
        assert pods, "a peer that is every pod"
        # Whatever keeps the objects need not be one of ours.
        return selected(manifests, pods) or [f"({', '.join(pods['matchLabels'].values())})"]
    (key, value), *more = namespaces["matchLabels"].items()
    assert not more
    name = f"@{key.removeprefix('dicom/') if value == 'true' else value}"
    if pods is not None:
        name += "/" + ",".join(pods["matchLabels"].values())
    return [name]


def _port(manifests: Manifests, workload: str, port: Mapping[str, Any]) -> str:
    number = port["port"]
    if number == "https":
        number = 8443
    assert isinstance(number, int), number
    suffix = f"-{port['endPort']}" if "endPort" in port else ""
    return f"{number}{suffix}{'/udp' if port['protocol'] == 'UDP' else ''}"
