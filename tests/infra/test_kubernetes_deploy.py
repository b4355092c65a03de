"""deploy.sh: what services lean on, the migration, then the services."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.k8s import storage_classes
from tests.infra.kubernetes_manifests import K8S, ROOT, SERVICES, Manifests

EBS: dict[str, Any] = {
    "metadata": {"name": "fast"},
    "provisioner": "ebs.csi.aws.com",
    "parameters": {"type": "gp3"},
}
RECORDER = """#!/bin/sh
echo "$*" >>"$RECORD"
case "$*" in
*"$FAILING"*) exit 1 ;;
"kustomize overlay") echo "  storageClassName: fast" ;;
"get storageclass --output json") cat "$CLASSES" ;;
esac
"""
"""Stands in for kubectl."""


def deploy(folder: Path, failing: str) -> tuple[int, list[str]]:
    """Run deploy.sh where the command that contains `failing` fails: its exit code, and what it called."""
    kubectl, record = folder / "kubectl", folder / "record"
    kubectl.write_text(RECORDER)
    kubectl.chmod(0o755)
    classes = folder / "classes"
    classes.write_text(json.dumps({"items": [EBS]}))
    done = subprocess.run(
        [K8S / "deploy.sh", "overlay"],
        cwd=ROOT,
        env={
            **os.environ,
            "KUBECTL": str(kubectl),
            "RECORD": str(record),
            "FAILING": failing,
            "CLASSES": str(classes),
        },
        timeout=250,
        stdout=subprocess.PIPE,
        text=True,
    )
    sys.stdout.write(done.stdout)
    return done.returncode, record.read_text().splitlines()


@pytest.mark.parametrize("failing", ["get namespace", "nothing fails"])
def test_services_come_after_the_migration(tmp_path: Path, failing: str) -> None:
    code, calls = deploy(tmp_path, failing)
    assert code == 0
    first = calls.index("apply --server-side --kustomize overlay --selector dicom/tier!=service")
    migrated = calls.index("--namespace dicom wait --for=condition=complete --timeout=30m job/migrate")
    rest = calls.index("apply --server-side --kustomize overlay")
    assert first < migrated < rest
    assert [call.rpartition("/")[2] for call in calls[rest + 1 :]] == list(SERVICES)
    # The first time there is no namespace, so no job of the release before.
    deleted = [call for call in calls[:first] if "delete job migrate" in call]
    assert len(deleted) == (0 if failing == "get namespace" else 1)


def test_a_failed_migration_leaves_the_services_alone(tmp_path: Path) -> None:
    code, calls = deploy(tmp_path, "job/migrate")
    assert code != 0
    assert "job/migrate" in calls[-1]


def test_the_first_step_takes_all_but_the_services(rendered: dict[str, Manifests]) -> None:
    for manifests in rendered.values():
        last = {
            (manifest["kind"], manifest["metadata"]["name"])
            for manifest in manifests.all
            if manifest["metadata"].get("labels", {}).get("dicom/tier") == "service"
        }
        # KEDA's webhook refuses an object with a CPU trigger whose Deployment is not there.
        scaled = {("ScaledObject", scaler["metadata"]["name"]) for scaler in manifests.kind("ScaledObject")}
        assert last == {("Deployment", name) for name in SERVICES} | scaled


@pytest.mark.parametrize("failing", ["nothing fails", "storageclass"])
def test_what_volumes_are_encrypted_by_is_told_first_and_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], failing: str
) -> None:
    code, calls = deploy(tmp_path, failing)
    assert code == 0
    assert calls[0] == "kustomize overlay"
    said = capsys.readouterr().out
    if failing == "storageclass":
        assert said == "Volumes: the cluster does not tell its storage classes; see that they encrypt.\n"
    else:
        assert said.startswith(
            "Volumes of class fast: WARNING: not encrypted (ebs.csi.aws.com without encrypted"
        )


@pytest.mark.parametrize(
    ("provisioner", "parameters", "told"),
    [
        ("ebs.csi.aws.com", {"encrypted": "true"}, "encrypted"),
        ("ebs.csi.aws.com", {"encrypted": "false"}, "WARNING"),
        ("rook-ceph.rbd.csi.ceph.com", {"encrypted": "true", "encryptionKMSID": "vault"}, "encrypted"),
        ("rbd.csi.ceph.com", None, "WARNING"),
        ("driver.longhorn.io", {}, "WARNING"),
        ("pd.csi.storage.gke.io", {"type": "pd-ssd"}, "encrypted by the provider, with its own key"),
        (
            "pd.csi.storage.gke.io",
            {"disk-encryption-kms-key": "k"},
            "encrypted by the provider, with your key k",
        ),
        ("rancher.io/local-path", None, "cannot tell: they are the nodes' disks"),
        ("kubernetes.io/no-provisioner", None, "cannot tell: they are the nodes' disks"),
        ("csi.example.org", {"tier": "gold"}, "cannot tell (csi.example.org)"),
    ],
)
def test_storage_classes_are_judged_by_their_driver(
    provisioner: str, parameters: dict[str, str] | None, told: str
) -> None:
    assert storage_classes.judge({"provisioner": provisioner, "parameters": parameters}).startswith(told)


def test_the_default_class_counts_where_none_is_named() -> None:
    default = {"storageclass.kubernetes.io/is-default-class": "true"}
    one = {**EBS, "metadata": {"name": "standard", "annotations": default}}
    other = {**EBS, "metadata": {"name": "other"}}
    found = storage_classes.findings("kind: PersistentVolumeClaim\n", {"other": other, "standard": one})
    assert [line.partition(":")[0] for line in found] == ["Volumes of class standard"]
    assert "no default one" in storage_classes.findings("", {"other": other})[0]
    assert storage_classes.findings("  storageClass: gone\n", {}) == [
        "Volumes of class gone: the cluster has no such class"
    ]


def test_the_overlays_name_their_classes(rendered: dict[str, Manifests]) -> None:
    """As `kubectl kustomize` prints them, CloudNativePG's and RabbitMQ's included."""
    text = "\n".join(yaml.safe_dump(one) for one in rendered["prod"].all)
    found = storage_classes.findings(text, {})
    assert [line.split()[3] for line in found] == ["fast:", "shared-files:"]
