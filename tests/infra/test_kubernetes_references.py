"""What one manifest names, another makes, or EXTERNAL says; services start with what they are given."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from infra import certificates, deployment_secrets
from infra.k8s import dev_secrets
from libs.common.http.prefixes import PREFIXES, PRIVATE
from libs.common.settings.database import DatabaseSettings
from libs.common.settings.loading import load_settings
from libs.common.settings.tls import TlsSettings
from services.auth.settings import AuthSettings
from services.ingest.dimse.settings import DimseSettings
from services.ingest.settings import IngestSettings
from services.operator.doctor.settings import DoctorSettings
from services.operator.settings import OperatorSettings
from services.portal.settings import PortalSettings
from services.processor.settings import ProcessorSettings
from services.results.settings import ResultsSettings
from tests.infra.kubernetes_manifests import COMBINATIONS, K8S, ROOT, SERVICES, Manifest, Manifests
from tests.infra.requests import requests

SETTINGS: dict[str, type[TlsSettings]] = {
    "auth": AuthSettings,
    "ingest": IngestSettings,
    "dimse": DimseSettings,
    "processor": ProcessorSettings,
    "results": ResultsSettings,
    "portal": PortalSettings,
    "migrate": OperatorSettings,
    "backup": OperatorSettings,
    "restore": OperatorSettings,
    # The doctor's are the most.
    "operator": DoctorSettings,
}
EXTERNAL = {
    ("ConfigMap", "dicom-ca"): {"ca.crt"},
    ("ConfigMap", "vault-ca"): {"ca.crt"},
    # For the time of a restore; the job starts without it, too.
    ("Secret", "backup-identity"): {"identity.txt"},
}
"""Made by the operator of the cluster: docs/operations.md says how."""

Contents = dict[str, dict[str, bytes]]


@pytest.fixture(scope="module")
def dev_contents(tmp_path_factory: pytest.TempPathFactory) -> Contents:
    """The Secrets of a single node, as its command makes them."""
    folder = tmp_path_factory.mktemp("deploy")
    certificates.make(folder / "certs", environment={})
    deployment_secrets.make(folder / "secrets", mongodb=True)
    return {
        secret["metadata"]["name"]: {key: base64.b64decode(text) for key, text in secret["data"].items()}
        for secret in dev_secrets.manifests(folder / "secrets", folder / "certs")
    }


@pytest.fixture(params=COMBINATIONS)
def combination(request: pytest.FixtureRequest) -> str:
    """The name of each combination in turn."""
    return str(request.param)


@pytest.fixture
def manifests(rendered: dict[str, Manifests], combination: str) -> Manifests:
    """The manifests of each combination in turn."""
    return rendered[combination]


@pytest.fixture
def contents(manifests: Manifests, combination: str, dev_contents: Contents) -> Contents:
    """Every Secret's keys, and something like their content."""
    if combination.startswith("dev"):
        return dev_contents
    made: Contents = {}
    for secret in manifests.kind("ExternalSecret"):
        spec = secret["spec"]
        texts = spec["target"]["template"]["data"]
        # What the template names must have been fetched.
        fetched = {entry["secretKey"] for entry in spec["data"]}
        assert {name for text in texts.values() for name in re.findall(r"{{ \.(\w+)", text)} == fetched
        made[spec["target"]["name"]] = {key: filled(text).encode() for key, text in texts.items()}
    for certificate in manifests.kind("Certificate"):
        made[certificate["spec"]["secretName"]] = dev_contents["auth-tls"]
    return made


def filled(template: str) -> str:
    """A template of External Secrets with something in each place."""
    whole = re.sub(r"^{{ \.storage_url }}$", "mongodb://dicom:x@mongodb/?tls=true", template)
    return re.sub(r"{{.*?}}", "secret", whole)


def test_every_key_of_every_secret_and_map_exists(manifests: Manifests, contents: Contents) -> None:
    known = {("Secret", name): set(keys) for name, keys in contents.items()}
    known |= {("ConfigMap", one["metadata"]["name"]): set(one["data"]) for one in manifests.kind("ConfigMap")}
    known |= EXTERNAL
    for user, kind, name, keys in references(manifests):
        assert (kind, name) in known, f"{user} names {kind} {name}"
        assert keys <= known[kind, name], f"{user} wants {keys} of {kind} {name}"


def references(manifests: Manifests) -> Iterator[tuple[str, str, str, set[str]]]:
    """Who names which Secret or ConfigMap, and which of its keys."""
    pods = dict(manifests.pods)
    for cluster in manifests.kind("RabbitmqCluster"):
        pods["rabbitmq"] = cluster["spec"]["override"]["statefulSet"]["spec"]["template"]["spec"]
        yield "rabbitmq", "Secret", cluster["spec"]["tls"]["secretName"], {"tls.crt", "tls.key"}
    for name, pod in pods.items():
        for volume in pod["volumes"]:
            for kind, field, key in (("Secret", "secret", "secretName"), ("ConfigMap", "configMap", "name")):
                if field in volume:
                    items = {item["key"] for item in volume[field].get("items", ())}
                    yield name, kind, volume[field][key], items
        for source in pod["containers"][0].get("envFrom", ()):
            yield name, "ConfigMap", source["configMapRef"]["name"], set()
    for cluster in manifests.kind("Cluster"):
        spec = cluster["spec"]
        yield "postgres", "Secret", spec["bootstrap"]["initdb"]["secret"]["name"], {"username", "password"}
        yield "postgres", "Secret", spec["certificates"]["serverTLSSecret"], {"tls.crt", "tls.key"}
        yield "postgres", "Secret", spec["certificates"]["serverCASecret"], {"ca.crt"}
    for authentication in manifests.kind("TriggerAuthentication"):
        for kind in ("Secret", "ConfigMap"):
            for target in authentication["spec"][f"{kind[0].lower()}{kind[1:]}TargetRef"]:
                yield authentication["metadata"]["name"], kind, target["name"], {target["key"]}
    for monitor in manifests.kind("ServiceMonitor", "PodMonitor"):
        for endpoint in monitor["spec"].get("endpoints", monitor["spec"].get("podMetricsEndpoints", ())):
            if "tlsConfig" in endpoint:
                secret = endpoint["tlsConfig"]["ca"]["secret"]
                yield monitor["metadata"]["name"], "Secret", secret["name"], {secret["key"]}
    for gateway in manifests.kind("Gateway"):
        for listener in gateway["spec"]["listeners"]:
            for reference in listener.get("tls", {}).get("certificateRefs", ()):
                yield "gateway", "Secret", reference["name"], {"tls.crt", "tls.key"}
    for policy in manifests.kind("BackendTLSPolicy"):
        for reference in policy["spec"]["validation"]["caCertificateRefs"]:
            yield policy["metadata"]["name"], reference["kind"], reference["name"], {"ca.crt"}
    for store in manifests.kind("SecretStore"):
        ca = store["spec"]["provider"]["vault"]["caProvider"]
        yield "store", ca["type"], ca["name"], {ca["key"]}


def test_every_volume_claim_exists(manifests: Manifests) -> None:
    claims = {claim["metadata"]["name"] for claim in manifests.kind("PersistentVolumeClaim")}
    for name, pod in manifests.pods.items():
        volumes = [v["persistentVolumeClaim"] for v in pod["volumes"] if "persistentVolumeClaim" in v]
        assert {volume["claimName"] for volume in volumes} <= claims, name


def test_the_way_in_leads_to_the_services_under_their_names(rendered: dict[str, Manifests]) -> None:
    manifests = rendered["prod"]
    gateway = manifests.get("Gateway", "dicom")
    listeners = {listener["name"]: listener for listener in gateway["spec"]["listeners"]}
    verified = set()
    for policy in manifests.kind("BackendTLSPolicy"):
        (target,) = policy["spec"]["targetRefs"]
        assert policy["spec"]["validation"]["hostname"] == target["name"]
        verified.add(target["name"])
    host = "dicom.example.org"
    assert {listener["hostname"] for listener in listeners.values()} == {host}
    assert manifests.get("Certificate", "gateway")["spec"]["dnsNames"] == [host]
    assert manifests.environment("portal")["PUBLIC_URL"] == f"https://{host}"
    backends = set()
    for route in manifests.kind("HTTPRoute"):
        (parent,) = route["spec"]["parentRefs"]
        assert parent["name"] == "dicom"
        assert parent["sectionName"] in listeners
        assert route["spec"]["hostnames"] == [host]
        for rule in route["spec"]["rules"]:
            for backend in rule.get("backendRefs", ()):
                service = manifests.get("Service", backend["name"])
                assert backend["port"] in {port["port"] for port in service["spec"]["ports"]}
                backends.add(backend["name"])
    assert backends == verified == {"auth", "ingest", "results", "portal"}


@pytest.mark.parametrize(("method", "path", "service"), [*requests(), *(("GET", p, None) for p in PRIVATE)])
def test_every_path_reaches_who_serves_it(
    rendered: dict[str, Manifests], method: str, path: str, service: str | None
) -> None:
    candidates = []
    for route in rendered["prod"].kind("HTTPRoute"):
        if route["spec"]["parentRefs"][0]["sectionName"] != "https":
            continue
        for rule in route["spec"]["rules"]:
            for match in rule["matches"]:
                prefix = match["path"]["value"].rstrip("/")
                wanted = match.get("method")
                if (path + "/").startswith(prefix + "/") and wanted in (None, method):
                    # Gateway API: the longest path first, then a method over none.
                    candidates.append((len(prefix), wanted is not None, rule))
    rule = max(candidates, key=lambda candidate: candidate[:2])[2]
    assert [backend["name"] for backend in rule.get("backendRefs", ())] == ([service] if service else [])


def test_no_path_is_routed_that_the_table_does_not_name(rendered: dict[str, Manifests]) -> None:
    rules = [rule for route in rendered["prod"].kind("HTTPRoute") for rule in route["spec"]["rules"]]
    routed = {match["path"]["value"] for rule in rules for match in rule.get("matches", ())}
    assert routed == {*(prefix.path for prefix in PREFIXES), *PRIVATE, "/"}


def test_one_node_has_the_compose_files_gateway(rendered: dict[str, Manifests]) -> None:
    template = (ROOT / "infra/gateway/nginx.conf.template").read_text()
    maps = rendered["dev"].kind("ConfigMap")
    (found,) = (made["data"] for made in maps if made["metadata"]["name"].startswith("gateway-config"))
    assert found["nginx.conf.template"] == template


def test_services_start_with_what_they_are_given(
    manifests: Manifests, contents: Contents, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, model in SETTINGS.items():
        if name not in manifests.pods:
            continue
        environment = manifests.environment(name)
        known = {field.upper() for field in model.model_fields}
        assert set(environment) <= known, f"{name} is given what it does not read"
        root = tmp_path / name
        mounted = mount(manifests.pods[name], contents, root)
        for variable, value in environment.items():
            if value.startswith("/run/"):
                assert value in mounted, f"{variable} of {name}"
        for variable in list(os.environ):
            monkeypatch.delenv(variable)
        for variable, value in environment.items():
            monkeypatch.setenv(variable, f"{root}{value}" if value.startswith("/run/") else value)
        # REQUIRE_TLS refuses whatever is plaintext or unverified.
        settings = load_settings(model, serves=name in SERVICES)
        assert settings.require_tls
        if "database_url" in contents.get(f"{name}-secrets", {}):
            assert isinstance(settings, DatabaseSettings)
            assert settings.database_url is not None


def mount(pod: Manifest, contents: Contents, root: Path) -> set[str]:
    """Write a pod's Secrets below `root` where it sees them; answers the paths that it sees."""
    secrets = {volume["name"]: volume["secret"] for volume in pod["volumes"] if "secret" in volume}
    seen = set()
    for place in pod["containers"][0]["volumeMounts"]:
        if place["name"] not in secrets:
            continue
        if secrets[place["name"]].get("optional"):
            seen |= {
                f"{place['mountPath']}/{key}"
                for key in EXTERNAL["Secret", secrets[place["name"]]["secretName"]]
            }
            continue
        secret, path = secrets[place["name"]], place["mountPath"]
        assert secret["defaultMode"] == 0o440, "others could read it"
        seen.add(path)
        keys = [item["key"] for item in secret.get("items", ())] or contents[secret["secretName"]]
        for key in keys:
            file = root / path.lstrip("/") / key
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(contents[secret["secretName"]][key])
            seen.add(f"{path}/{key}")
    return seen


def test_grafana_is_on_another_name_than_the_portal(rendered: dict[str, Manifests]) -> None:
    """Else a script in a dashboard could act as whoever is signed in to the portal."""
    told = next(one for one in rendered["prod"].kind("ConfigMap") if "GRAFANA_URL" in one.get("data", {}))
    taken = {
        one["hostname"]
        for gateway in rendered["prod"].kind("Gateway")
        for one in gateway["spec"]["listeners"]
    }
    assert taken
    assert urlsplit(told["data"]["GRAFANA_URL"]).hostname not in {None, *taken}


def test_the_key_of_backups_comes_from_the_site_and_its_other_half_from_nowhere(
    rendered: dict[str, Manifests],
) -> None:
    manifests = rendered["prod"]
    for name in ("backup", "operator"):
        assert manifests.environment(name)["BACKUP_RECIPIENTS"] == "", "whose it is, the site says"
    holders = {
        name
        for name, pod in manifests.pods.items()
        for volume in pod["volumes"]
        if volume.get("secret", {}).get("secretName") == "backup-identity"
    }
    assert holders == {"restore"}
    replaced = [
        target["select"]["name"]
        for one in yaml.safe_load((K8S / "overlays/prod/kustomization.yaml").read_text())["replacements"]
        if one["source"]["fieldPath"] == "data.BACKUP_RECIPIENTS"
        for target in one["targets"]
    ]
    assert replaced == ["backup", "operator"]
