"""What `make up` makes and checks before it starts anything."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import stat
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509

from infra import certificates, deployment_environment, deployment_secrets, down, ohif_viewer, up
from infra.engine import Engine, find_engine
from libs.common import podman
from libs.common.disk_encryption import DiskEncryption, Kernel, Protection
from libs.common.encryption.keyring import Keyring
from libs.common.errors import ConfigurationError
from services.operator import age
from services.portal.viewers import check_viewers


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The only folder in PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def put(folder: Path, name: str, script: str = "exit 0") -> None:
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)


def test_secrets_are_made_once_and_for_the_group_only(tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    made = deployment_secrets.make(folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(made) | {"rabbitmq_definitions.json", "auth_keyring_made"} == before.keys()
    assert len(set(before.values())) == len(before)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    for path in folder.iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o440, path.name
    assert deployment_secrets.make(folder) == []
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_missing_secret_is_made_again_and_the_others_are_kept(tmp_path: Path) -> None:
    deployment_secrets.make(tmp_path)
    kept = (tmp_path / "auth_password").read_text()
    (tmp_path / "auth_database_url").unlink()
    assert deployment_secrets.make(tmp_path) == ["auth_database_url"]
    url = urlsplit((tmp_path / "auth_database_url").read_text())
    assert (url.username, url.password, url.query) == ("auth", kept, "sslmode=verify-full")


@pytest.mark.parametrize("name", ["keyring.json", "auth_keyring.json"])
def test_a_lost_keyring_is_asked_for_and_never_replaced(tmp_path: Path, name: str) -> None:
    (tmp_path / "admin_password").write_text("chosen")
    deployment_secrets.make(tmp_path)
    keyring = tmp_path / name
    kept = keyring.rename(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError, match=rf"Put .*/{name} back from its copy"):
        deployment_secrets.make(tmp_path)
    assert not keyring.exists()
    kept.rename(keyring)
    assert deployment_secrets.make(tmp_path) == []


def test_a_deployment_of_an_earlier_release_gets_a_keyring_for_auth(tmp_path: Path) -> None:
    deployment_secrets.make(tmp_path)
    for name in ("auth_keyring.json", deployment_secrets.AUTH_KEYRING_MADE, "audit_sink_secret"):
        (tmp_path / name).unlink()
    assert deployment_secrets.make(tmp_path) == ["auth_keyring.json", "audit_sink_secret"]
    assert Keyring.load(tmp_path / "auth_keyring.json").current


def test_what_the_services_get_is_protected_and_fits(tmp_path: Path) -> None:
    deployment_secrets.make(tmp_path)
    Keyring.load(tmp_path / "keyring.json")
    definitions = json.loads((tmp_path / "rabbitmq_definitions.json").read_text())
    users = {user["name"]: base64.b64decode(user["password_hash"]) for user in definitions["users"]}
    passwords = {"monitoring": (tmp_path / "monitoring_password").read_text()}
    for account in deployment_secrets.ACCOUNTS:
        amqp = urlsplit((tmp_path / f"{account}_amqp_url").read_text())
        assert (amqp.scheme, amqp.hostname, amqp.port, amqp.path) == ("amqps", "rabbitmq", 5671, "/dicom")
        assert amqp.username == account
        passwords[account] = amqp.password or ""
    assert users.keys() == passwords.keys()
    assert len(set(passwords.values())) == len(passwords)
    for account, given in passwords.items():
        raw = users[account]
        assert raw[4:] == hashlib.sha256(raw[:4] + given.encode()).digest()


class _Broker:
    """Stands for the container of a broker: answers, and keeps what it was asked."""

    def __init__(self, done: bool, said: str) -> None:
        self.asked: list[tuple[str, ...]] = []
        self._answer = done, said

    def ask(self, *arguments: str, timeout: float) -> tuple[bool, str]:
        """As an engine does."""
        self.asked.append(arguments)
        return self._answer


def test_a_deployment_of_an_earlier_release_gets_an_account_for_each_service(tmp_path: Path) -> None:
    """Its secrets knew one RabbitMQ user; another digest replaces the broker's container."""
    for name in deployment_secrets.SHARED_ACCOUNT:
        (tmp_path / name).write_text("of the release before")
    (tmp_path / deployment_secrets.RENDERED).write_text('{"users": [{"name": "dicom"}]}')
    for name in ("keyring.json", "auth_keyring.json"):
        Keyring.create(tmp_path / name)
    before = deployment_secrets.definitions_digest(tmp_path)
    made = deployment_secrets.make(tmp_path)
    assert {f"{account}_amqp_url" for account in deployment_secrets.ACCOUNTS} <= set(made)
    now = deployment_secrets.definitions_digest(tmp_path)
    assert now != before
    assert deployment_secrets.make(tmp_path) == []
    assert deployment_secrets.definitions_digest(tmp_path) == now
    # Until the new services are ready, those of the release before log in with it.
    assert (tmp_path / "amqp_url").exists()


@pytest.mark.parametrize("said", [(True, ""), (False, 'Error: {:no_such_user, "dicom"}')])
def test_the_account_that_all_shared_ends_once(
    tmp_path: Path, said: tuple[bool, str], capsys: pytest.CaptureFixture[str]
) -> None:
    for name in deployment_secrets.SHARED_ACCOUNT:
        (tmp_path / name).write_text("of the release before")
    engine = _Broker(*said)
    up.end_shared_account(engine, tmp_path)
    up.end_shared_account(engine, tmp_path)
    assert [line[-2:] for line in engine.asked] == [("delete_user", "dicom")]
    assert list(tmp_path.iterdir()) == []
    assert "Ended RabbitMQ's user `dicom`" in capsys.readouterr().out


def test_a_shared_account_that_does_not_end_is_tried_again_next_time(tmp_path: Path) -> None:
    (tmp_path / "amqp_password").write_text("of the release before")
    with pytest.raises(ConfigurationError, match="run `make up` again: no such container"):
        up.end_shared_account(_Broker(False, "no such container"), tmp_path)
    assert (tmp_path / "amqp_password").exists()


def test_changed_policies_reach_a_deployment_that_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment_secrets.make(tmp_path / "secrets")
    released = json.loads(deployment_secrets.DEFINITIONS.read_text())
    released["policies"][0]["definition"]["max-length"] = 7
    changed = tmp_path / "definitions.json"
    changed.write_text(json.dumps(released))
    monkeypatch.setattr(deployment_secrets, "DEFINITIONS", changed)
    deployment_secrets.make(tmp_path / "secrets")
    now = json.loads((tmp_path / "secrets" / "rabbitmq_definitions.json").read_text())
    assert now["policies"] == released["policies"]


@pytest.mark.parametrize("mongodb", [False, True])
def test_where_objects_are_kept_is_decided_once(tmp_path: Path, mongodb: bool) -> None:
    deployment_secrets.make(tmp_path, mongodb=mongodb)
    deployment_secrets.make(tmp_path, mongodb=not mongodb)
    assert deployment_secrets.uses_mongodb(tmp_path) is mongodb
    assert ("tls=true" in (tmp_path / "storage_url").read_text()) is mongodb


def test_the_environment_file_keeps_what_was_chosen(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    first = deployment_environment.updated({}, {"GATEWAY_PORT": "9443", "HOME": "/root"}, {"tracing"}, 1000)
    deployment_environment.write(file, {**first, "NGINX_IMAGE": "mirror/nginx:1"})
    read = deployment_environment.read(file)
    assert read["GATEWAY_PORT"] == "9443"
    assert read["COMPOSE_PROFILES"] == "tracing"
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in read
    assert "HOME" not in read
    second = deployment_environment.updated(read, {}, set(), 1000)
    assert second["GATEWAY_PORT"] == "9443"
    assert second["NGINX_IMAGE"] == "mirror/nginx:1"
    assert second["COMPOSE_PROFILES"] == ""
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in second
    assert (
        deployment_environment.updated(second, {"GATEWAY_PORT": "1443"}, set(), 1000)["GATEWAY_PORT"]
        == "1443"
    )


def with_ohif(
    before: dict[str, str], given: dict[str, str] | None = None, *, wanted: bool = True
) -> dict[str, str]:
    """What infra/.env holds after another `make up`."""
    return deployment_environment.updated(before, given or {}, {"ohif"} if wanted else set(), 1000)


def test_ohif_is_led_to_while_it_runs() -> None:
    first = with_ohif({}, {"GATEWAY_HOST": "d.example.org", "OHIF_PORT": "9446"})
    assert first["CORS_ORIGINS"] == first["OHIF_URL"] == "https://d.example.org:9446"
    check_viewers(viewers := json.loads(first["VIEWERS"]))
    assert viewers == {"OHIF": "https://d.example.org:9446/viewer?StudyInstanceUIDs={studyUid}"}
    assert with_ohif(first) == first
    taken_out = with_ohif(first, wanted=False)
    assert not {"VIEWERS", "CORS_ORIGINS"} & taken_out.keys()
    # Until it is registered no more.
    assert taken_out["OHIF_URL"] == first["OHIF_URL"]


@pytest.mark.parametrize("how", ["given", "edited"])
def test_another_host_or_port_of_ohif_is_led_to_in_place_of_the_former(how: str) -> None:
    """By `make up OHIF_PORT=…`, or by a line that somebody has changed in infra/.env."""
    before = with_ohif({}, {"OHIF_PORT": "9446"})
    other = {"GATEWAY_HOST": "d.example.org", "OHIF_PORT": "443"}
    now = with_ohif(before, other) if how == "given" else with_ohif({**before, **other})
    # As browsers write it in `Origin`.
    assert now["CORS_ORIGINS"] == "https://d.example.org"
    assert json.loads(now["VIEWERS"]) == {"OHIF": "https://d.example.org/viewer?StudyInstanceUIDs={studyUid}"}


def test_what_a_site_has_said_of_viewers_stays_beside_ohif() -> None:
    weasis = {"Weasis": "weasis:{studyUid}"}
    given = {"VIEWERS": json.dumps(weasis), "CORS_ORIGINS": "https://other.example.org"}
    first = with_ohif({}, given)
    assert list(json.loads(first["VIEWERS"])) == ["Weasis", "OHIF"]
    assert first["CORS_ORIGINS"] == "https://other.example.org,https://localhost:8446"
    moved = with_ohif(first, {"OHIF_PORT": "9446"})
    ohif = "https://localhost:9446/viewer?StudyInstanceUIDs={studyUid}"
    assert json.loads(moved["VIEWERS"]) == {**weasis, "OHIF": ohif}
    assert moved["CORS_ORIGINS"] == "https://other.example.org,https://localhost:9446"
    without = with_ohif(moved, wanted=False)
    assert json.loads(without["VIEWERS"]) == weasis
    assert without["CORS_ORIGINS"] == "https://other.example.org"
    # An entry of its name is the site's; what is no JSON is for the portal to refuse.
    for said in ('{"OHIF":"https://v.example.org/{collection}/{studyUid}"}', "{OHIF"):
        assert with_ohif({}, {"VIEWERS": said})["VIEWERS"] == said


class Auth:
    """A container that knows applications by their client ids, or fails."""

    def __init__(self, *known: str, fails: str = "") -> None:
        self.known, self.fails = set(known), fails
        self.asked: list[tuple[str, ...]] = []

    def ask(self, *arguments: str, timeout: float) -> tuple[bool, str]:
        words = arguments[arguments.index("application") + 1 :]
        self.asked.append(words)
        if self.fails:
            return False, self.fails
        if words[0] == "register":
            self.known.add(words[words.index("--client-id") + 1])
        elif words[1] not in self.known:
            return False, "There is no application with this id."
        elif words[0] == "delete":
            self.known.remove(words[1])
        return True, ""


def test_ohif_is_registered_where_it_is_and_no_more_when_it_is_taken_out() -> None:
    auth = Auth()
    for port in (8446, 9446):
        ohif_viewer.register(auth, f"https://localhost:{port}")
    assert [words[0] for words in auth.asked] == ["change", "register", "change"]
    addresses = (
        "--redirect",
        "https://localhost:9446/callback",
        "--after-sign-out",
        "https://localhost:9446/",
    )
    assert auth.asked[-1][-4:] == addresses
    for _ in range(2):
        ohif_viewer.unregister(auth)
        assert auth.known == set()
    for call in (lambda it: ohif_viewer.register(it, "https://localhost:8446"), ohif_viewer.unregister):
        with pytest.raises(ConfigurationError, match="run `make up` again: The database is away"):
            call(Auth("ohif", fails="The database is away."))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "https://localhost:8444/"),
        ({"GATEWAY_HOST": "d.example.org", "GATEWAY_PORT": "443"}, "https://d.example.org:8444/"),
        ({"GATEWAY_HOST": "d.example.org", "GRAFANA_HOST": "d.example.org"}, "https://d.example.org:8444/"),
        ({"GRAFANA_PORT": "9444"}, "https://localhost:9444/"),
        (
            {"GATEWAY_HOST": "d.example.org", "GATEWAY_PORT": "443", "GRAFANA_HOST": "g.example.org"},
            "https://g.example.org:443/",
        ),
    ],
)
def test_grafana_has_an_origin_of_its_own(given: dict[str, str], expected: str) -> None:
    values = deployment_environment.updated({}, given, set(), 1000)
    portal = f"https://{values.get('GATEWAY_HOST', 'localhost')}:{values.get('GATEWAY_PORT', '8443')}/"
    assert values["GRAFANA_URL"] == expected != portal


def test_renewal_keeps_the_name_that_make_up_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / ".env"
    deployment_environment.write(file, {"GATEWAY_HOST": "dicom.example.org"})
    monkeypatch.setattr(certificates, "ENVIRONMENT_FILE", file)
    assert certificates.main(["--folder", str(tmp_path / "certs"), "--force"]) == 0
    shown = x509.load_pem_x509_certificate((tmp_path / "certs" / "gateway" / "tls.crt").read_bytes())
    names = shown.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert "dicom.example.org" in names.get_values_for_type(x509.DNSName)


@pytest.mark.parametrize("variable", up.PORTS)
def test_a_busy_port_is_one_sentence_with_a_way_out(variable: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"Port {port} is in use.*{variable}="):
            up.check_port("127.0.0.1", port, variable)
    up.check_port("127.0.0.1", port, variable)


def test_the_dicom_port_of_what_runs_is_not_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another port for the portal leaves `dimse` as it is; another one for `dimse` has to be free."""
    certificates.make(tmp_path)
    monkeypatch.setattr(certificates, "FOLDER", tmp_path)
    monkeypatch.setattr(up.Gateway, "answers", lambda gateway, path: (gateway.port == 8443, ""))
    with socket.socket() as free, socket.socket() as taken:
        free.bind(("127.0.0.1", 0))
        gateway = free.getsockname()[1]
        free.close()
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        dimse = {"DIMSE_PORT": str(taken.getsockname()[1])}
        up.check_ports(dimse, dimse, {"GATEWAY_PORT": gateway})
        for before in ({}, {**dimse, "GATEWAY_PORT": "1443"}):
            with pytest.raises(ConfigurationError, match=r"is in use.*DIMSE_PORT="):
                up.check_ports(dimse, before, {"GATEWAY_PORT": gateway})


def test_no_container_program_is_one_sentence(programs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ConfigurationError, match="Install Docker with its compose plugin, or podman"):
        find_engine({})
    put(programs, "docker", "exit 1")
    put(programs, "podman-compose")
    with pytest.raises(
        ConfigurationError, match=r"its daemon is not\).*podman-compose is here|plugin or its daemon"
    ):
        find_engine({})
    assert up.main([]) == 1
    assert "Install Docker" in capsys.readouterr().err


def test_docker_goes_before_podman_and_compose_before_both(programs: Path) -> None:
    put(programs, "podman-compose")
    put(programs, "podman")
    assert find_engine({}) == Engine(("podman-compose",))
    assert find_engine({}).is_podman
    put(programs, "docker")
    assert find_engine({}) == Engine(("docker", "compose"))
    chosen = find_engine({"COMPOSE": "/opt/bin/podman-compose --parallel 1"})
    assert chosen.command == ("/opt/bin/podman-compose", "--parallel", "1")


def test_parts_come_and_go_with_either_program(programs: Path) -> None:
    """podman-compose ends all containers for orphans; docker compose keeps those of profiles that are off."""
    for name in ("docker", "podman-compose"):
        put(programs, name, f'echo "$VIEWERS $@" >>{programs}/{name}.calls')
    for command in (("docker", "compose"), ("podman-compose", "--parallel", "1")):
        engine = Engine(command, {"VIEWERS": "{}"})
        engine.start()
        engine.remove("ohif", ("ohif",))
    file = Path("infra/compose.yml").absolute()
    assert (programs / "docker.calls").read_text().splitlines() == [
        f"{{}} compose -f {file} up --detach --remove-orphans",
        f"{{}} compose -f {file} --profile ohif rm --stop --force ohif",
    ]
    assert (programs / "podman-compose.calls").read_text().splitlines() == [
        f"{{}} --parallel 1 -f {file} up --detach",
        f"{{}} --parallel 1 -f {file} --profile ohif down ohif",
    ]


def test_what_fails_is_named_with_the_command_to_type(programs: Path) -> None:
    put(programs, "docker", 'echo "$@"; exit 7')
    engine = Engine(("docker", "compose"))
    with pytest.raises(ConfigurationError, match=r"docker compose -f infra/compose.yml build` failed \(7\)"):
        engine.run("build")
    assert engine.ask("ps", timeout=60) == (False, f"compose -f {Path('infra/compose.yml').absolute()} ps")


def test_a_sites_own_changes_count(programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(programs, "docker", 'echo "$@"')
    file, changes = tmp_path / "infra" / "compose.yml", tmp_path / "infra" / "compose.override.yml"
    monkeypatch.setattr("infra.engine.FILE", file)
    monkeypatch.setattr("infra.engine.OVERRIDE", changes)
    engine = Engine(("docker", "compose"))
    assert engine.ask("ps", timeout=60) == (True, f"compose -f {file} ps")
    changes.parent.mkdir()
    changes.touch()
    assert engine.ask("ps", timeout=60) == (True, f"compose -f {file} -f {changes} ps")
    assert engine.shown == "docker compose -f infra/compose.yml -f infra/compose.override.yml"


def test_down_without_up_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(down, "ENVIRONMENT_FILE", tmp_path / ".env")
    assert down.main([]) == 1
    assert "was never run" in capsys.readouterr().err


def test_a_whole_start_prints_no_secret(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With a compose program that says yes to everything; readiness has its own test against the real one."""
    put(programs, "docker")
    log = tmp_path / "calls"
    put(programs, "compose", f'echo "$@" >>{log}')
    secrets = tmp_path / "secrets"
    monkeypatch.setenv("COMPOSE", str(programs / "compose"))
    monkeypatch.setenv("GATEWAY_PORT", "18443")
    monkeypatch.setattr(deployment_secrets, "FOLDER", secrets)
    monkeypatch.setattr(certificates, "FOLDER", tmp_path / "certs")
    monkeypatch.setattr(up, "ENVIRONMENT_FILE", tmp_path / ".env")
    monkeypatch.setattr(up.Gateway, "answers", lambda gateway, path: (True, ""))
    for _ in range(2):
        assert up.main([]) == 0
    calls = log.read_text().splitlines()
    file = Path("infra/compose.yml").absolute()
    assert calls[:2] == [f"-f {file} build", f"-f {file} up --detach --remove-orphans"]
    said = "".join(capfd.readouterr())
    assert "Ready: https://localhost:18443/" in said
    assert "Grafana   https://localhost:8444/ as admin" in said
    assert f"{secrets}/admin_password" in said
    for path in secrets.iterdir():
        assert path.read_text() not in said
    assert said.count("Made secrets") == 1
    # The pair of the backups is made once; its secret half is told of, and goes into no container.
    identity = tmp_path / "backup-identity.txt"
    assert stat.S_IMODE(identity.stat().st_mode) == 0o600
    (public,) = age.AgeIdentities(identity).public
    assert deployment_environment.read(tmp_path / ".env")["BACKUP_RECIPIENTS"] == public
    assert said.count("Made the key of backups") == 1
    assert f"encrypted for {public};\n            move {identity}" in said
    assert "AGE-SECRET-KEY" not in said
    identity.rename(tmp_path / "safe")
    assert up.main([]) == 0
    assert not identity.exists()
    assert deployment_environment.read(tmp_path / ".env")["BACKUP_RECIPIENTS"] == public
    if os.geteuid() == 0:
        group = deployment_environment.CONTAINER_GROUP
        assert {path.stat().st_gid for path in (secrets, *secrets.iterdir())} == {group}
        # Renewed by itself, too.
        certificates.make(tmp_path / "certs", force=True)
        assert {path.stat().st_gid for path in (tmp_path / "certs").rglob("*")} == {group}


def test_an_upgrade_gives_the_broker_its_accounts_and_ends_the_one_that_all_shared(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After everybody is ready, once; what the broker reads at its start replaces its container."""
    put(programs, "docker")
    log = tmp_path / "calls"
    put(programs, "compose", f'echo "$@" >>{log}')
    secrets, environment = tmp_path / "secrets", tmp_path / ".env"
    secrets.mkdir()
    for name in deployment_secrets.SHARED_ACCOUNT:
        (secrets / name).write_text("of the release before")
    monkeypatch.setenv("COMPOSE", str(programs / "compose"))
    monkeypatch.setattr(deployment_secrets, "FOLDER", secrets)
    monkeypatch.setattr(certificates, "FOLDER", tmp_path / "certs")
    monkeypatch.setattr(up, "ENVIRONMENT_FILE", environment)
    monkeypatch.setattr(up.Gateway, "answers", lambda gateway, path: (True, ""))
    assert up.main([]) == 0
    told = deployment_environment.read(environment)["RABBITMQ_DEFINITIONS"]
    assert told == deployment_secrets.definitions_digest(secrets)
    assert up.main([]) == 0
    assert deployment_environment.read(environment)["RABBITMQ_DEFINITIONS"] == told
    assert not any((secrets / name).exists() for name in deployment_secrets.SHARED_ACCOUNT)
    calls = log.read_text().splitlines()
    (ended,) = [number for number, call in enumerate(calls) if call.endswith("delete_user dicom")]
    first, second = (number for number, call in enumerate(calls) if " up --detach" in call)
    # Between the two starts, and behind every question of the first.
    asked = [number for number, call in enumerate(calls) if call.endswith("/readyz") and number < second]
    assert first < min(asked) <= max(asked) < ended < second


def test_what_podman_lacks_is_said_before_anything_is_made(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put(programs, "podman-compose")
    told = json.dumps(
        {"host": {"networkBackend": "netavark", "ociRuntime": {"name": "runc"}, "cgroupVersion": "v2"}}
    )
    put(programs, "podman", f"echo '{told}'")
    for name in ("conmon", "netavark", "aardvark-dns"):
        put(programs, name, "echo netavark 1.4.0")
    # Nothing of this machine's own.
    monkeypatch.setattr(podman, "HELPERS", ())
    monkeypatch.setattr(podman, "SYSTEM_PROGRAMS", str(programs))
    monkeypatch.setattr(deployment_secrets, "FOLDER", tmp_path / "secrets")
    monkeypatch.setenv("COMPOSE", "podman-compose")
    assert up.main([]) == 1
    assert capsys.readouterr().err == (
        "Install iptables (Debian: apt-get install iptables): netavark calls it to make networks, and says "
        "`No such file or directory` without it.\n"
    )
    assert not (tmp_path / "secrets").exists()
    put(programs, "iptables")
    Engine(("podman-compose",)).require_parts()


@pytest.mark.parametrize("command", [("docker", "compose"), ("podman-compose",)])
def test_where_volumes_lie_is_asked_of_the_engine(
    programs: Path, tmp_path: Path, command: tuple[str, ...]
) -> None:
    engine = Engine(command)
    assert engine.volume_folder() is None
    assert "cannot tell" in up.disks(engine)
    # As of Docker Desktop, in a virtual machine.
    put(programs, "docker", "echo /nowhere/on/this/machine/volumes")
    put(programs, "podman", "echo /nowhere/on/this/machine/volumes")
    assert engine.volume_folder() is None
    (tmp_path / "volumes").mkdir()
    put(programs, "docker", f"echo {tmp_path}/volumes")
    put(programs, "podman", f"echo {tmp_path}/volumes")
    assert engine.volume_folder() == tmp_path / "volumes"


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("encrypted", "are on an encrypted disk: data is LUKS2"),
        ("clear", "PostgreSQL\n            holds names and headers in clear"),
        ("unknown", "cannot tell whether"),
    ],
)
def test_make_up_says_what_volumes_lie_on(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Protection, told: str
) -> None:
    put(programs, "docker", f"echo {tmp_path}")
    found = DiskEncryption(kind, "data is LUKS2")
    monkeypatch.setattr(Kernel, "encryption", lambda kernel, folder: found)
    assert told in up.disks(Engine(("docker", "compose")))
