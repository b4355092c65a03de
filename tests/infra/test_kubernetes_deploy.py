"""deploy.sh: what services lean on, the migration, then the services."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.infra.kubernetes_manifests import K8S, ROOT, SERVICES, Manifests

RECORDER = '#!/bin/sh\necho "$*" >>"$RECORD"\ncase "$*" in *"$FAILING"*) exit 1 ;; esac\n'
"""Stands in for kubectl."""


def deploy(folder: Path, failing: str) -> tuple[int, list[str]]:
    """Run deploy.sh where the command that contains `failing` fails: its exit code, and what it called."""
    kubectl, record = folder / "kubectl", folder / "record"
    kubectl.write_text(RECORDER)
    kubectl.chmod(0o755)
    done = subprocess.run(
        [K8S / "deploy.sh", "overlay"],
        cwd=ROOT,
        env={**os.environ, "KUBECTL": str(kubectl), "RECORD": str(record), "FAILING": failing},
        timeout=60,
    )
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
