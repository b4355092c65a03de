"""Every manifest is one that Kubernetes, and the operator that reads it, would take."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
from kubernetes_validate import utils

from tests.infra.kubernetes_manifests import ROOT, Manifest, Manifests
from tests.infra.operator_schemas import SCHEMAS

OLDEST = "1.31"
"""What later versions take as well: stable APIs never lose a field."""
OPERATORS = (
    "cert-manager.io",
    "external-secrets.io",
    "gateway.networking.k8s.io",
    "keda.sh",
    "monitoring.coreos.com",
)
"""Whose validators .tools/crd-schemas holds."""


def each_once(rendered: Iterable[Manifests]) -> list[Manifest]:
    """What several overlays make alike, only once."""
    return list({json.dumps(manifest): manifest for one in rendered for manifest in one.all}.values())


def group(manifest: Manifest) -> str:
    """The API group, empty for the core."""
    return str(manifest["apiVersion"]).rpartition("/")[0]


def pod_of_rabbitmq(manifests: Iterable[Manifest]) -> Iterator[Manifest]:
    """The pods that the RabbitMQ Cluster Operator is told to change, as pods of their own."""
    for manifest in manifests:
        if manifest["kind"] == "RabbitmqCluster":
            spec = manifest["spec"]["override"]["statefulSet"]["spec"]["template"]["spec"]
            yield {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "rabbitmq"}, "spec": spec}


def test_kubernetes_takes_every_manifest(
    rendered: dict[str, Manifests], monkeypatch: pytest.MonkeyPatch
) -> None:
    # It would read two megabytes anew for each manifest.
    monkeypatch.setattr(utils, "schema_contents", cache(utils.schema_contents))
    ours = each_once(rendered.values())
    core = [m for m in ours if group(m) not in OPERATORS and f"{m['apiVersion']} {m['kind']}" not in SCHEMAS]
    for manifest in [*core, *pod_of_rabbitmq(ours)]:
        kubernetes_validate.validate(manifest, OLDEST, strict=True)


def test_operators_take_every_manifest(rendered: dict[str, Manifests]) -> None:
    manifests = [m for m in each_once(rendered.values()) if group(m) in OPERATORS]
    found = dict(zip(map(name_of, manifests), problems(manifests), strict=True))
    assert {name: wrong for name, wrong in found.items() if wrong} == {}
    assert {group(manifest) for manifest in manifests} == set(OPERATORS)


def test_a_wrong_field_a_wrong_word_and_a_missing_field_are_seen(rendered: dict[str, Manifests]) -> None:
    good = rendered["prod"].get("ScaledObject", "processor")
    wrong: Manifest = json.loads(json.dumps(good))
    wrong["spec"]["pollingIntervall"] = wrong["spec"].pop("pollingInterval")
    wrong["spec"]["fallback"]["behavior"] = "currentReplicasIfBetter"
    del wrong["spec"]["triggers"][0]["type"]
    none, three = problems([good, wrong])
    assert none == []
    assert sorted(problem.partition(" ")[0] for problem in three) == [
        "/spec/fallback/behavior:",
        "/spec/pollingIntervall:",
        "/spec/triggers/0:",
    ]


def test_cloudnativepg_and_rabbitmq_take_every_manifest(rendered: dict[str, Manifests]) -> None:
    seen = set()
    for manifest in each_once(rendered.values()):
        name = f"{manifest['apiVersion']} {manifest['kind']}"
        if name in SCHEMAS:
            jsonschema.validate(manifest, SCHEMAS[name])
            seen.add(name)
    assert seen == set(SCHEMAS)


def name_of(manifest: Manifest) -> str:
    """Kind, name and content: two overlays may make the same thing differently."""
    return f"{manifest['kind']} {manifest['metadata']['name']} {hash(json.dumps(manifest))}"


def problems(manifests: list[Manifest]) -> list[list[str]]:
    """What the operators' own validators find wrong with each."""
    script = Path(__file__).with_name("custom_resources.mjs")
    done = subprocess.run(
        ["node", str(script), str(ROOT / ".tools/crd-schemas")],
        input=json.dumps(manifests),
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr
    found: list[list[str]] = json.loads(done.stdout)
    return found
