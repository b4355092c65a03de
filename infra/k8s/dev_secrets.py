"""`python -m infra.k8s.dev_secrets`: the dev overlay's Secrets, from var/deploy, for `kubectl apply -f -`.

Makes certificates and passwords there first, as `make up` does; both deployments can share them. `--mongodb`
is for the components `mongodb` and `gridfs`.
"""

from __future__ import annotations

import argparse
import base64
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from infra import certificates, deployment_secrets

NAMESPACE = "dicom"
CERTIFICATES = (
    "auth",
    "ingest",
    "dimse",
    "processor",
    "results",
    "portal",
    "postgres",
    "rabbitmq",
    "mongodb",
    "gateway",
)
SECRETS = {
    "auth-secrets": {
        "database_url": "auth_database_url",
        "admin_password": "admin_password",
        "audit_sink_secret": "audit_sink_secret",
    },
    "ingest-secrets": {
        "database_url": "ingest_database_url",
        "amqp_url": "ingest_amqp_url",
        "storage_url": "storage_url",
    },
    "processor-secrets": {"amqp_url": "processor_amqp_url", "storage_url": "storage_url"},
    "results-secrets": {
        "database_url": "results_database_url",
        "amqp_url": "results_amqp_url",
        "storage_url": "storage_url",
    },
    "operator-secrets": {
        name: name
        for name in (
            "database_admin_url",
            "auth_password",
            "ingest_password",
            "results_password",
            "storage_url",
        )
    }
    | {"amqp_url": "operator_amqp_url"},
    "keyring": {"keyring.json": "keyring.json"},
    "auth-keyring": {"keyring.json": "auth_keyring.json"},
    "monitoring-secrets": {"password": "monitoring_password"},
    "postgres-secrets": {"postgres_password": "postgres_password"},
    "mongodb-secrets": {"mongodb_password": "mongodb_password"},
    "rabbitmq-secrets": {"rabbitmq_definitions.json": "rabbitmq_definitions.json"},
}
"""The key in the Secret, and the file below var/deploy/secrets that fills it."""


def manifests(secrets: Path, certs: Path) -> list[dict[str, Any]]:
    """Every Secret, from the files in both folders. Raises OSError for a missing one."""
    made = [
        _secret(name, "Opaque", {key: secrets / file for key, file in files.items()})
        for name, files in SECRETS.items()
    ]
    for name in CERTIFICATES:
        files = {key: certs / name / key for key in ("tls.crt", "tls.key", "ca.crt")}
        made.append(_secret(f"{name}-tls", "kubernetes.io/tls", files))
    return made


def _secret(name: str, kind: str, files: dict[str, Path]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "type": kind,
        "data": {key: base64.b64encode(path.read_bytes()).decode() for key, path in files.items()},
    }


def main(arguments: Sequence[str]) -> int:
    """Make what is missing, then print the Secrets."""
    parser = argparse.ArgumentParser(prog="python -m infra.k8s.dev_secrets")
    parser.add_argument("--mongodb", action="store_true", help="keep new objects in MongoDB")
    options = parser.parse_args(arguments)
    certificates.make(certificates.FOLDER)
    deployment_secrets.make(deployment_secrets.FOLDER, mongodb=options.mongodb)
    yaml.safe_dump_all(manifests(deployment_secrets.FOLDER, certificates.FOLDER), sys.stdout)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
