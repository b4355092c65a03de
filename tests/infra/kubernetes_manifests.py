"""The manifests of infra/k8s as they are rendered, and what one asks about them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
K8S = ROOT / "infra/k8s"
KUBECTL = ROOT / ".tools/kubectl-1.33/kubectl"
SERVICES = ("auth", "ingest", "dimse", "processor", "results", "portal")

Manifest = dict[str, Any]

COMBINATIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "dev": ("dev", ()),
    "dev with keda": ("dev", ("keda",)),
    "dev with gridfs": ("dev", ("mongodb", "gridfs")),
    "dev with everything": ("dev", ("hpa", "tracing", "mongodb", "gridfs")),
    "prod": ("prod", ()),
    "prod with gridfs": ("prod", ("gridfs",)),
    "prod with tracing": ("prod", ("tracing",)),
    "prod with mail": ("prod", ("mail",)),
    "prod with outward": ("prod", ("outward",)),
    "prod with oidc": ("prod", ("oidc",)),
}
"""Overlays and the components added to them; prod has most of them built in."""


class Manifests:
    """Everything that one overlay, with more components, makes."""

    def __init__(self, manifests: Sequence[Manifest]) -> None:
        self.all = list(manifests)

    @classmethod
    def render(cls, folder: Path, overlay: str, components: Sequence[str] = ()) -> Manifests:
        """Run kustomize on an overlay of the operator's own in `folder`, made of these."""
        target = K8S / "overlays" / overlay
        if components:
            # The way docs/operations.md shows; kustomize takes relative paths only.
            relative = Path(os.path.relpath(K8S, folder))
            document = {
                "apiVersion": "kustomize.config.k8s.io/v1beta1",
                "kind": "Kustomization",
                "resources": [str(relative / "overlays" / overlay)],
                "components": [str(relative / "components" / name) for name in components],
            }
            (folder / "kustomization.yaml").write_text(yaml.safe_dump(document))
            target = folder
        done = subprocess.run(
            [KUBECTL, "kustomize", str(target)], capture_output=True, text=True, timeout=250
        )
        assert done.returncode == 0, done.stderr
        assert not done.stderr, done.stderr
        return cls(list(yaml.load_all(done.stdout, Loader=yaml.CSafeLoader)))

    def kind(self, *kinds: str) -> Iterator[Manifest]:
        """The manifests of these kinds."""
        return (manifest for manifest in self.all if manifest["kind"] in kinds)

    def get(self, kind: str, name: str) -> Manifest:
        """The one manifest of this kind and name."""
        (found,) = (manifest for manifest in self.kind(kind) if manifest["metadata"]["name"] == name)
        return found

    @cached_property
    def workloads(self) -> dict[str, Manifest]:
        """Pod templates by name of their workload, ours and those of databases and brokers in them."""
        found = {
            workload["metadata"]["name"]: template_of(workload)
            for workload in self.kind("Deployment", "StatefulSet", "Job", "CronJob")
        }
        # What operators make of these is theirs; the labels are ours.
        for cluster in self.kind("Cluster"):
            found[cluster["metadata"]["name"]] = {
                "metadata": cluster["spec"]["inheritedMetadata"],
                "spec": None,
            }
        for cluster in self.kind("RabbitmqCluster"):
            name = cluster["metadata"]["name"]
            labels = {**cluster["metadata"]["labels"], "app.kubernetes.io/name": name}
            found[name] = {"metadata": {"labels": labels}, "spec": None}
        return found

    @cached_property
    def pods(self) -> dict[str, Manifest]:
        """Pod specifications by name of their workload, as far as they are ours."""
        return {name: template["spec"] for name, template in self.workloads.items() if template["spec"]}

    def environment(self, name: str) -> dict[str, str]:
        """The environment of a workload's container, ConfigMaps resolved."""
        container = self.pods[name]["containers"][0]
        found: dict[str, str] = {}
        for source in container.get("envFrom", ()):
            found.update(self.get("ConfigMap", source["configMapRef"]["name"]).get("data") or {})
        found.update({variable["name"]: variable["value"] for variable in container.get("env", ())})
        return found


def template_of(workload: Manifest) -> Manifest:
    """The pod template within a Deployment, StatefulSet, Job or CronJob."""
    spec = workload["spec"]
    template: Manifest = (spec["jobTemplate"]["spec"] if workload["kind"] == "CronJob" else spec)["template"]
    return template


def matches(selector: Mapping[str, Any], labels: Mapping[str, str]) -> bool:
    """Whether a label selector selects these labels; an empty one selects everything."""
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for rule in selector.get("matchExpressions", ()):
        assert rule["operator"] == "In", rule
        if labels.get(rule["key"]) not in rule["values"]:
            return False
    return True


def selected(manifests: Manifests, selector: Mapping[str, Any]) -> list[str]:
    """Names of the workloads whose pods a selector selects, in alphabetical order."""
    return sorted(
        name
        for name, template in manifests.workloads.items()
        if matches(selector, template["metadata"].get("labels", {}))
    )


def quantity(text: str | float) -> float:
    """A resource quantity as a number: cores or bytes."""
    units = {"m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
    text = str(text)
    for unit, factor in units.items():
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * factor
    return float(text)
