"""`python3 infra/k8s/storage_classes.py OVERLAY`: whether its volumes are encrypted, as the cluster tells.

PostgreSQL holds names and headers in clear. Changes nothing and stops nothing; needs Python alone. KUBECTL
names another program than kubectl.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

_NAMED = re.compile(r"^\s*storageClass(?:Name)?: [\"']?([A-Za-z0-9.-]+)[\"']?\s*$", re.MULTILINE)
_DEFAULT = "storageclass.kubernetes.io/is-default-class"
_BY_PARAMETER = {
    "ebs.csi.aws.com": "encrypted",
    "driver.longhorn.io": "encrypted",
    "linstor.csi.linbit.com": "linstor.csi.linbit.com/encryption",
}
"""Drivers that encrypt where this parameter is "true"."""
_ALWAYS = {
    "pd.csi.storage.gke.io": "disk-encryption-kms-key",
    "disk.csi.azure.com": "diskEncryptionSetID",
}
"""Those that always do, with the provider's key unless this parameter names one."""
_OF_THE_NODE = ("local", "hostpath", "no-provisioner", "topolvm", "openebs")


def main(arguments: Sequence[str]) -> int:
    """Print a line for each storage class. Returns 0: what is found is for people to judge."""
    (overlay,) = arguments
    kubectl = os.environ.get("KUBECTL", "kubectl").split()
    rendered = ask([*kubectl, "kustomize", overlay])
    listed = ask([*kubectl, "get", "storageclass", "--output", "json"])
    try:
        classes = {one["metadata"]["name"]: one for one in json.loads(listed)["items"]}
    except (ValueError, KeyError, TypeError):
        sys.stdout.write("Volumes: the cluster does not tell its storage classes; see that they encrypt.\n")
        return 0
    for line in findings(rendered, classes):
        sys.stdout.write(f"{line}\n")
    return 0


def ask(command: Sequence[str]) -> str:
    """What it prints; nothing where it fails, and its own words are shown."""
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, timeout=120, check=False)  # noqa: S603
    return done.stdout if done.returncode == 0 else ""


def findings(rendered: str, classes: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """A line for each class that the manifests name, or for the default one where they name none; pure."""
    names = sorted(set(_NAMED.findall(rendered)))
    if not names:
        names = [
            name
            for name, one in classes.items()
            if (one["metadata"].get("annotations") or {}).get(_DEFAULT) == "true"
        ]
    if not names:
        return ["Volumes: no storage class is named, and the cluster has no default one."]
    missing = "the cluster has no such class"
    told = {name: judge(classes[name]) if name in classes else missing for name in names}
    return [f"Volumes of class {name}: {words}" for name, words in told.items()]


def judge(storage_class: Mapping[str, Any]) -> str:
    """Whether volumes of a class are encrypted, in words; pure."""
    driver = storage_class["provisioner"]
    parameters = storage_class.get("parameters") or {}
    if driver in _ALWAYS:
        own = parameters.get(_ALWAYS[driver])
        return f"encrypted by the provider, {f'with your key {own}' if own else 'with its own key'}"
    ceph = driver.endswith((".rbd.csi.ceph.com", ".cephfs.csi.ceph.com")) or driver in (
        "rbd.csi.ceph.com",
        "cephfs.csi.ceph.com",
    )
    parameter = "encrypted" if ceph else _BY_PARAMETER.get(driver)
    if parameter is not None:
        if str(parameters.get(parameter)).lower() == "true":
            return f"encrypted ({driver})"
        return f'WARNING: not encrypted ({driver} without {parameter}: "true")'
    if any(word in driver for word in _OF_THE_NODE):
        return f"cannot tell: they are the nodes' disks ({driver}), which have to be encrypted there (LUKS)"
    return f"cannot tell ({driver}): ask whoever runs the storage"


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
