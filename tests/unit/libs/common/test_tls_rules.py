"""REQUIRE_TLS: every plaintext or unverified connection is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from libs.common.errors import ConfigurationError
from libs.common.security.tls_rules import system_ca_file, trusting
from libs.common.settings.loading import load_settings
from libs.common.settings.service import ServiceSettings
from services.operator.settings import OperatorSettings
from services.results.settings import ResultsSettings
from tests.certificates import Certificates

DATABASE = "postgresql://auth:secretword@postgres/bddicomimage"
GOOD = {
    "REQUIRE_TLS": "true",
    "TLS_CERT_FILE": "/run/certs/tls.crt",
    "TLS_KEY_FILE": "/run/certs/tls.key",
    "PUBLIC_URL": "https://dicom.example.org",
    "AUTH_JWKS_URL": "https://auth:8443/api/auth/jwks.json",
    "DATABASE_URL": f"{DATABASE}?sslmode=verify-full",
    "DATABASE_ADMIN_URL": f"{DATABASE}?application_name=x&sslmode=verify-full",
    "AMQP_URL": "amqps://dicom:secretword@rabbitmq/dicom",
    "STORAGE_URL": "mongodb://dicom:secretword@mongodb/objects?TLS=true",
    "OTEL_EXPORTER_OTLP_ENDPOINT": "https://otel-collector:4318",
}


@pytest.fixture(scope="module")
def ca_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Certificates(tmp_path_factory.mktemp("ca")).ca_file


@pytest.fixture(autouse=True)
def good(monkeypatch: pytest.MonkeyPatch, ca_file: Path) -> None:
    for name, value in {**GOOD, "TLS_CA_FILE": str(ca_file)}.items():
        monkeypatch.setenv(name, value)


def test_encrypted_and_verified_connections_are_let_through() -> None:
    assert load_settings(OperatorSettings, serves=True).require_tls


@pytest.mark.parametrize(
    ("variable", "value", "what"),
    [
        ("PUBLIC_URL", "http://dicom.example.org", "https://"),
        ("AUTH_JWKS_URL", "http://auth:8080/api/auth/jwks.json", "https://"),
        ("DATABASE_URL", DATABASE, "sslmode=verify-full"),
        ("DATABASE_URL", f"{DATABASE}?sslmode=require", "sslmode=verify-full"),
        ("DATABASE_URL", f"{DATABASE}?sslmode=verify-ca", "sslmode=verify-full"),
        ("DATABASE_URL", f"{DATABASE}?sslmode=verify-full&sslmode=disable", "sslmode=verify-full"),
        ("DATABASE_URL", "postgresql://auth@/db?host=/run/postgresql,db", "sslmode=verify-full"),
        ("DATABASE_URL", "postgresql://auth@[db/x", "is no URL"),
        ("DATABASE_ADMIN_URL", DATABASE, "sslmode=verify-full"),
        ("AMQP_URL", "amqp://dicom:secretword@rabbitmq/dicom", "amqps://"),
        ("STORAGE_URL", "mongodb://dicom:secretword@mongodb/objects", "tls=true"),
        ("STORAGE_URL", "mongodb://mongodb/objects?tls=true&tlsInsecure=true", "tlsInsecure"),
        ("STORAGE_URL", "mongodb://mongodb/objects?ssl=true&tlsallowinvalidcertificates=true", "must not"),
        ("STORAGE_URL", "mongodb://mongodb/x?tls=true&ssl_cert_reqs=CERT_NONE", "ssl_cert_reqs"),
        ("STORAGE_URL", "mongodb+srv://mongodb/objects?tls=false", "tls=true"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://otel-collector:4318", "https://"),
    ],
)
def test_each_wrong_one_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str, what: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(OperatorSettings, serves=True)
    told = caught.value.detail
    assert f"connections: {variable}: " in told
    assert what in told
    assert "secretword" not in told


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("DATABASE_URL", "postgresql://auth@/db?host=/run/postgresql"),
        ("DATABASE_URL", "postgresql://auth@%2Frun%2Fpostgresql/db"),
        ("STORAGE_URL", "file:///var/lib/dicom/dicom_file"),
        ("STORAGE_URL", "mongodb+srv://mongodb/objects"),
    ],
)
def test_what_stays_on_the_machine_or_is_encrypted_by_its_kind(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    load_settings(OperatorSettings, serves=True)


def test_standbys_are_reached_over_verified_tls_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_READ_URL", f"{DATABASE}?sslmode=verify-full")
    load_settings(ResultsSettings, serves=True)
    monkeypatch.setenv("DATABASE_READ_URL", f"{DATABASE}?sslmode=require")
    with pytest.raises(ConfigurationError, match="DATABASE_READ_URL: must have sslmode=verify-full"):
        load_settings(ResultsSettings, serves=True)


def test_all_wrong_ones_are_named_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("TLS_CERT_FILE", "TLS_KEY_FILE"):
        monkeypatch.delenv(variable)
    monkeypatch.setenv("AMQP_URL", "amqp://rabbitmq")
    monkeypatch.setenv("DATABASE_URL", DATABASE)
    with pytest.raises(ConfigurationError) as caught:
        load_settings(OperatorSettings, serves=True)
    assert caught.value.detail == (
        "REQUIRE_TLS forbids plaintext and unverified connections: TLS_CERT_FILE: set it, and TLS_KEY_FILE; "
        "DATABASE_URL: must have sslmode=verify-full; AMQP_URL: must begin with amqps://."
    )


def test_a_command_that_does_not_listen_needs_no_certificate(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("TLS_CERT_FILE", "TLS_KEY_FILE"):
        monkeypatch.delenv(variable)
    load_settings(OperatorSettings)


def test_without_it_everything_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUIRE_TLS", "false")
    monkeypatch.setenv("DATABASE_URL", DATABASE)
    monkeypatch.setenv("AMQP_URL", "amqp://rabbitmq")
    settings = load_settings(OperatorSettings, serves=True)
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == DATABASE


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (f"{DATABASE}?sslmode=verify-full", f"{DATABASE}?sslmode=verify-full&sslrootcert=/c%20a/ca.crt"),
        (f"{DATABASE}?sslmode=verify-ca", f"{DATABASE}?sslmode=verify-ca&sslrootcert=/c%20a/ca.crt"),
        (
            "postgresql:///x?sslmode=verify-full",
            "postgresql:///x?sslmode=verify-full&sslrootcert=/c%20a/ca.crt",
        ),
        (f"{DATABASE}?sslmode=verify-full&sslrootcert=/own", None),
        (f"{DATABASE}?sslmode=require", None),
        (DATABASE, None),
        ("postgresql://[half", None),
    ],
)
def test_a_verifying_url_trusts_the_ca_file(url: str, expected: str | None) -> None:
    assert trusting(url, Path("/c a/ca.crt")) == (expected or url)


def test_without_a_ca_file_it_trusts_the_system() -> None:
    found = system_ca_file()
    url = f"{DATABASE}?sslmode=verify-full"
    assert trusting(url, None) == (url if found is None else f"{url}&sslrootcert={found}")


def test_the_settings_carry_it(ca_file: Path) -> None:
    url = load_settings(OperatorSettings).migration_url
    assert url == f"{GOOD['DATABASE_ADMIN_URL']}&sslrootcert={ca_file}"


def test_the_systems_own_bundle_will_do(monkeypatch: pytest.MonkeyPatch) -> None:
    bundle = system_ca_file()
    if bundle is not None:
        monkeypatch.setenv("TLS_CA_FILE", str(bundle))
        assert load_settings(ServiceSettings).tls_ca_file == bundle


def test_authorities_that_cannot_be_read_stop_the_start(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TLS_CA_FILE", str(tmp_path / "ca.crt"))
    with pytest.raises(ConfigurationError, match=r"TLS_CA_FILE: .*ca\.crt cannot be read \(No such file"):
        load_settings(ServiceSettings)
    for content in (b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        (tmp_path / "ca.crt").write_bytes(content)
        with pytest.raises(ConfigurationError, match=r"TLS_CA_FILE: .* holds no certificate in PEM form"):
            load_settings(ServiceSettings)
