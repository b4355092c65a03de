"""infra/compose.yml: against the compose specification, and what this system demands of every container."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args
from urllib.parse import urlsplit

import pytest
import yaml
from compose_spec import PyCompose

from infra import certificates, deployment_environment, deployment_secrets, up
from libs.common.http.client import Hops, client_address, parse_networks
from libs.common.http.prefixes import Service
from libs.common.settings.http import HttpSettings
from libs.common.settings.tls import TlsSettings
from services.auth.settings import AuthSettings
from services.ingest.dimse.settings import DimseSettings
from services.ingest.settings import IngestSettings
from services.operator.settings import OperatorSettings
from services.portal.settings import PortalSettings
from services.processor.settings import ProcessorSettings
from services.results.settings import ResultsSettings

FILE = Path("infra/compose.yml")
OWN = ("auth", "ingest", "dimse", "processor", "results", "portal")
SETTINGS: dict[str, type[TlsSettings]] = {
    "auth": AuthSettings,
    "ingest": IngestSettings,
    "dimse": DimseSettings,
    "processor": ProcessorSettings,
    "results": ResultsSettings,
    "portal": PortalSettings,
    "migrate": OperatorSettings,
}
WITHOUT_HEALTHCHECK = {
    "migrate": "ends by itself; the others wait for its exit code",
    "otel-collector": "its image holds nothing that could ask",
    "jaeger": "its image holds nothing that could ask",
}
KEYRINGS = {"keyring.json", "auth_keyring.json"}
ENDS_BY_ITSELF = {"migrate"}
USERS = {"postgres": 999, "rabbitmq": 999, "mongodb": 999, "grafana": 472, "gateway": 101, "ohif": 101}
USERS |= dict.fromkeys(("prometheus", "alertmanager"), 65534)
WITH_A_WAY_OUT = {
    "gateway": "people reach it",
    "dimse": "modalities are outside",
    "auth": "who collects the audit log is outside",
    "ohif": "people reach it, and it reaches nobody else here",
    "alertmanager": "those who are told of alerts are outside",
}
VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::(?P<kind>[-?])(?P<rest>[^}]*))?\}")


def filled_in(text: str, **given: str) -> str:
    """The file as compose reads it: variables replaced by what is given, or their defaults."""

    def value(found: re.Match[str]) -> str:
        if found["name"] in given:
            return given[found["name"]]
        assert found["kind"] == "-", f"{found['name']} has no default"
        return found["rest"]

    return VARIABLE.sub(value, text)


@pytest.fixture(scope="module")
def text() -> str:
    return FILE.read_text()


@pytest.fixture(scope="module")
def document(text: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(filled_in(text, SECRETS_GID="10001"))
    return loaded


@pytest.fixture(scope="module")
def services(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = document["services"]
    return found


def test_fits_the_compose_specification(document: dict[str, Any]) -> None:
    assert set(PyCompose.from_yaml(yaml.safe_dump(document)).service_names()) == set(document["services"])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda service: service.update(memlimit="1g"),
        lambda service: service.update(restart="sometimes"),
        lambda service: service["healthcheck"].update(interval="soon"),
        lambda service: service["deploy"]["resources"]["limits"].update(memory="lots"),
        lambda service: service["depends_on"]["migrate"].update(condition="in_time"),
    ],
)
def test_the_specification_would_notice(
    document: dict[str, Any], spoil: Callable[[dict[str, Any]], None]
) -> None:
    spoilt = copy.deepcopy(document)
    spoil(spoilt["services"]["auth"])
    with pytest.raises(ValueError):
        PyCompose.from_yaml(yaml.safe_dump(spoilt))


def test_what_is_named_is_declared(document: dict[str, Any], services: dict[str, dict[str, Any]]) -> None:
    networks: set[str] = set()
    secrets: set[str] = set()
    volumes: set[str] = set()
    for name, service in services.items():
        networks |= set(service["networks"])
        secrets |= {s if isinstance(s, str) else s["source"] for s in service.get("secrets", ())}
        sources = [volume.split(":")[0] for volume in service.get("volumes", ())]
        volumes |= {source for source in sources if not source.startswith(".")}
        assert set(service.get("depends_on", ())) <= services.keys(), name
    assert networks == document["networks"].keys()
    assert secrets == document["secrets"].keys()
    assert volumes == document["volumes"].keys()


def test_the_gateway_reaches_every_service_that_a_path_leads_to(services: dict[str, dict[str, Any]]) -> None:
    serving = set(get_args(Service))
    assert set(services["gateway"]["depends_on"]) == serving
    assert {name for name in OWN if "front" in services[name]["networks"]} == serving


def test_only_gateway_dicom_door_and_viewer_publish_ports(services: dict[str, dict[str, Any]]) -> None:
    assert {name for name, service in services.items() if "ports" in service} == {"gateway", "dimse", "ohif"}
    # Modalities do not speak HTTP; from outside only where DIMSE_ADDRESS says so.
    assert services["dimse"]["ports"] == ["127.0.0.1:11112:11112"]
    assert services["gateway"]["ports"] == ["0.0.0.0:8443:8443", "0.0.0.0:8444:8444"]
    # Another origin than the portal's, and only if it is asked for.
    assert services["ohif"]["ports"] == ["0.0.0.0:8446:8446"]
    assert services["ohif"]["profiles"] == ["ohif"]
    assert services["ohif"]["networks"] == ["edge"]
    assert "secrets" not in services["ohif"]
    assert not any("network_mode" in service for service in services.values())


def test_grafana_is_on_another_origin_than_the_portal(services: dict[str, dict[str, Any]]) -> None:
    """Else a script in a dashboard could act as whoever is signed in to the portal."""
    grafana = services["grafana"]["environment"]
    assert "GF_SERVER_SERVE_FROM_SUB_PATH" not in grafana
    for name, variable in (("gateway", "GRAFANA_URL"), ("results", "GRAFANA_URL")):
        assert services[name]["environment"][variable] == grafana["GF_SERVER_ROOT_URL"]
    own, portal = (
        urlsplit(grafana["GF_SERVER_ROOT_URL"]),
        urlsplit(services["portal"]["environment"]["PUBLIC_URL"]),
    )
    assert own.path == "/"
    assert (own.scheme, own.hostname, own.port) == ("https", "localhost", 8444)
    assert own.netloc != portal.netloc
    assert own.geturl() == deployment_environment.grafana_url({})


def test_networks_have_no_way_out_but_one(
    document: dict[str, Any], services: dict[str, dict[str, Any]]
) -> None:
    open_ones = {name for name, network in document["networks"].items() if not network.get("internal")}
    assert open_ones == {"edge"}
    assert {name for name, service in services.items() if "edge" in service["networks"]} == set(
        WITH_A_WAY_OUT
    )
    # What people's requests reach first cannot reach what keeps the data, nor Prometheus, which asks nobody
    # for a password.
    assert set(services["gateway"]["networks"]) == {"edge", "front"}
    for name in ("postgres", "mongodb"):
        assert services[name]["networks"] == ["back"]


def test_only_who_sends_mails_opens_a_way_out_for_auth(services: dict[str, dict[str, Any]]) -> None:
    """infra/compose.mail.yml, copied to compose.override.yml, adds to what auth has."""
    text = filled_in(Path("infra/compose.mail.yml").read_text())
    assert set(PyCompose.from_yaml(text).service_names()) == {"auth"}
    (added,) = yaml.safe_load(text)["services"].values()
    assert added.keys() == {"environment", "secrets", "networks"}
    assert added["networks"] == ["edge"]
    assert {name.lower() for name in added["environment"]} <= AuthSettings.model_fields.keys()
    assert not set(added["environment"]) & set(services["auth"]["environment"])


def test_only_who_asks_providers_opens_a_way_out_for_auth(services: dict[str, dict[str, Any]]) -> None:
    """infra/compose.oidc.yml, copied to compose.override.yml, adds to what auth has."""
    text = filled_in(Path("infra/compose.oidc.yml").read_text())
    assert set(PyCompose.from_yaml(text).service_names()) == {"auth"}
    (added,) = yaml.safe_load(text)["services"].values()
    assert added.keys() == {"environment", "volumes", "networks"}
    assert added["networks"] == ["edge"]
    assert {name.lower() for name in added["environment"]} <= AuthSettings.model_fields.keys()
    assert added["volumes"][0].endswith(":ro")
    assert not set(added["environment"]) & set(services["auth"]["environment"])


def test_every_container_is_locked_down(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["user"] == f"{USERS.get(name, 10001)}:10001", name
        assert not {"privileged", "cap_add", "pid", "ipc", "devices"} & service.keys(), name
        assert not any("docker.sock" in volume for volume in service.get("volumes", ())), name


def test_every_container_has_limits(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        limits = service["deploy"]["resources"]["limits"]
        # More than one processor would not start on the smallest machine.
        assert 0 < float(limits["cpus"]) <= 1, name
        assert re.fullmatch(r"[0-9]+[mg]", limits["memory"]), name
        assert 0 < int(limits["pids"]) <= 512, name
        assert service["logging"]["options"].keys() == {"max-size", "max-file"}, name
        for tmpfs in service.get("tmpfs", ()):
            assert re.search(r":size=[0-9]+m,", tmpfs), f"{name}: {tmpfs} may fill the memory"


def test_every_container_comes_back_and_says_how_it_is(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        assert service["restart"] == ("no" if name in ENDS_BY_ITSELF else "unless-stopped"), name
        check = service.get("healthcheck", {})
        assert ("test" in check) == (name not in WITHOUT_HEALTHCHECK), name
        if "test" in check:
            # Without a shell, and with time to start.
            assert check["test"][0] == "CMD", name
            assert "start_period" in check, name


def test_starts_in_order_of_health(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        for other, how in service.get("depends_on", {}).items():
            expected = "service_healthy"
            if other in ENDS_BY_ITSELF:
                expected = "service_completed_successfully"
            elif other in WITHOUT_HEALTHCHECK:
                expected = "service_started"
            assert how["condition"] == expected, f"{name} on {other}"
    for name in ("auth", "ingest", "processor", "results"):
        assert "migrate" in services[name]["depends_on"]


def test_nobody_has_the_brokers_account_of_another(services: dict[str, dict[str, Any]]) -> None:
    found = {
        name: {
            secret["source"]
            for secret in service.get("secrets", ())
            if isinstance(secret, dict) and "amqp" in secret["source"]
        }
        for name, service in services.items()
    }
    assert {name: secrets for name, secrets in found.items() if secrets} == {
        "ingest": {"ingest_amqp_url"},
        "dimse": {"ingest_amqp_url"},
        "processor": {"processor_amqp_url"},
        "results": {"results_amqp_url"},
        "migrate": {"operator_amqp_url"},
    }
    assert services["rabbitmq"]["labels"]["dicom.definitions"]


def test_make_up_asks_what_the_health_checks_ask(services: dict[str, dict[str, Any]]) -> None:
    for name, command in up.CHECKS.items():
        assert services[name]["healthcheck"]["test"] == ["CMD", *command]
    assert set(OWN) <= up.CHECKS.keys()


def test_stops_no_sooner_than_the_work_may_take(services: dict[str, dict[str, Any]]) -> None:
    for name in OWN:
        environment = services[name]["environment"]
        timeout = float(
            environment.get("SHUTDOWN_TIMEOUT", HttpSettings.model_fields["shutdown_timeout"].default)
        )
        assert _seconds(services[name]["stop_grace_period"]) > timeout, name
    processor = services["processor"]["environment"]
    assert float(processor["SHUTDOWN_TIMEOUT"]) > float(processor["DECODE_WALL_TIMEOUT"])


def test_a_processor_has_the_memory_that_its_slots_may_take(services: dict[str, dict[str, Any]]) -> None:
    processor = services["processor"]
    slots = int(processor["environment"]["WORKER_SLOTS"])
    each = ProcessorSettings.model_fields["decode_memory_bytes"].default
    megabytes = int(processor["deploy"]["resources"]["limits"]["memory"].removesuffix("m"))
    assert megabytes * 1024 * 1024 >= slots * each + 256 * 1024 * 1024


def test_images_are_pinned(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        image, _, tag = service["image"].rpartition(":")
        assert image.startswith("localhost/dicom/" if "build" in service else "docker.io/"), name
        assert re.match(r"v?[0-9]+(\.[0-9]+)*", tag), f"{name}: {tag}"


def test_the_operators_pg_dump_is_as_new_as_every_server(services: dict[str, dict[str, Any]]) -> None:
    dockerfile = Path("infra/Dockerfile").read_text()
    (client,) = re.findall(r"^ARG POSTGRESQL_MAJOR=(\d+)$", dockerfile, re.MULTILINE)
    manifests = [path.read_text() for path in sorted(Path("infra/k8s/overlays").glob("*/postgres.yaml"))]
    images = [services["postgres"]["image"], *manifests]
    servers = [re.findall(r"postgres(?:ql)?:(\d+)", image) for image in images]
    assert servers == [[client]] * 3


def test_every_setting_that_is_given_exists(services: dict[str, dict[str, Any]]) -> None:
    for name, model in SETTINGS.items():
        known = {field.upper() for field in model.model_fields}
        assert services[name]["environment"].keys() <= known, name
        given = {s["target"] for s in services[name].get("secrets", ()) if s["target"] not in KEYRINGS}
        assert given <= model.model_fields.keys(), name


def test_the_gateway_is_believed_who_the_client_is(services: dict[str, dict[str, Any]]) -> None:
    """Whatever private address it has; nobody outside is."""
    for name in OWN:
        trusted = parse_networks(services[name]["environment"]["TRUSTED_PROXIES"])
        for gateway in ("172.18.0.9", "10.89.0.4", "192.168.16.2", "fd00::9"):
            assert client_address(Hops(gateway, "https", ["203.0.113.7"]), trusted) == "203.0.113.7", name
        stranger = Hops("203.0.113.7", "https", ["198.51.100.1"])
        assert client_address(stranger, trusted) == "203.0.113.7"


def test_tls_is_required_of_every_connection(services: dict[str, dict[str, Any]]) -> None:
    for name in SETTINGS:
        environment = services[name]["environment"]
        assert environment["REQUIRE_TLS"] == "true", name
        assert environment["TLS_CA_FILE"] == "/run/certs/ca.crt", name
    for name in OWN:
        assert services[name]["environment"]["TLS_CERT_FILE"] == "/run/certs/tls.crt", name


def test_every_certificate_is_one_that_is_made(services: dict[str, dict[str, Any]]) -> None:
    for name, service in services.items():
        mounted = [v for v in service["volumes"] if v.split(":")[1].startswith("/run/certs")]
        if name in ENDS_BY_ITSELF:
            assert mounted == ["../var/deploy/certs/ca/ca.crt:/run/certs/ca.crt:ro"]
        else:
            # The folder, not the file: a renewed certificate is another file of the same name.
            assert mounted == [f"../{certificates.FOLDER}/{name}:/run/certs:ro"], name
            assert name in certificates.HOSTS


def test_every_secret_is_a_file_that_make_up_makes(document: dict[str, Any], tmp_path: Path) -> None:
    deployment_secrets.make(tmp_path)
    made = {path.name for path in tmp_path.iterdir()}
    for name, secret in document["secrets"].items():
        assert secret == {"file": f"../{deployment_secrets.FOLDER}/{name}"}
        assert name in made


def test_no_secret_stands_in_the_file(services: dict[str, dict[str, Any]]) -> None:
    telling = re.compile(r"PASSWORD|SECRET|TOKEN|_KEY\b|DATABASE_URL|DATABASE_ADMIN_URL|AMQP_URL|STORAGE_URL")
    for name, service in services.items():
        environment = service.get("environment", {})
        for variable, value in environment.items():
            if telling.search(variable):
                assert not value or value.startswith("/run/"), f"{name}: {variable}"
            assert not re.search(r"://[^/]*:[^/]*@", str(value)), f"{name}: {variable}"


def test_secrets_reach_only_those_who_need_them(services: dict[str, dict[str, Any]]) -> None:
    holders: dict[str, set[str]] = {}
    for name, service in services.items():
        for secret in service.get("secrets", ()):
            holders.setdefault(secret if isinstance(secret, str) else secret["source"], set()).add(name)
    assert holders["keyring.json"] == {"ingest", "dimse", "processor", "results", "migrate"}
    assert holders["auth_keyring.json"] == {"auth", "migrate"}
    assert holders["audit_sink_secret"] == {"auth"}
    assert holders["postgres_password"] == {"postgres"}
    assert holders["database_admin_url"] == {"migrate"}
    for role in deployment_secrets.ROLES:
        assert holders[f"{role}_database_url"] - {"dimse"} == {role}


def test_nothing_starts_without_what_make_up_writes(text: str) -> None:
    required = {found["name"] for found in VARIABLE.finditer(text) if found["kind"] == "?"}
    assert required == {"SECRETS_GID"}
    assert all(found["kind"] for found in VARIABLE.finditer(text))


def _seconds(duration: str) -> float:
    number, unit = re.fullmatch(r"([0-9]+)(s|m)", duration).groups()  # type: ignore[union-attr]
    return float(number) * {"s": 1, "m": 60}[unit]
