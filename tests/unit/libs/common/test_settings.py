"""Settings that services share: what is wrong is named, addresses are well formed, nobody knows too much."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from libs.common.errors import ConfigurationError
from libs.common.settings.loading import load_settings
from libs.common.settings.service import ServiceSettings
from libs.common.settings.tls import TlsSettings
from libs.common.settings.tokens import TokenSettings
from services.auth.settings import AuthSettings
from services.ingest.settings import IngestSettings
from services.operator.settings import OperatorSettings
from services.portal.settings import PortalSettings
from services.processor.settings import ProcessorSettings
from services.results.settings import ResultsSettings


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("LOG_LEVEL", "LOUD"),
        ("LOG_FORMAT", "xml"),
        ("PUBLIC_URL", "portal.example.org"),
        ("PUBLIC_URL", "ftp://portal.example.org"),
        ("AUTH_JWKS_URL", "http:///api/auth/jwks.json"),
        ("PORT", "65536"),
        ("SHUTDOWN_TIMEOUT", "0"),
    ],
)
def test_a_wrong_value_stops_the_start_by_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigurationError, match=variable):
        load_settings(OperatorSettings)


@pytest.mark.parametrize("level", ["debug", "INFO", "Warning"])
def test_log_levels_in_any_case(monkeypatch: pytest.MonkeyPatch, level: str) -> None:
    monkeypatch.setenv("LOG_LEVEL", level)
    assert load_settings(ServiceSettings).log_level == level


@pytest.mark.parametrize(
    ("host", "public_url", "expected"),
    [
        ("127.0.0.1", None, "http://127.0.0.1:8080"),
        ("::1", None, "http://[::1]:8080"),
        ("127.0.0.1", "https://portal.example.org/", "https://portal.example.org"),
    ],
)
def test_base_url(host: str, public_url: str | None, expected: str) -> None:
    assert ServiceSettings(host=host, port=8080, public_url=public_url).base_url == expected


def test_the_base_url_is_https_with_a_certificate() -> None:
    settings = TokenSettings(port=8443, tls_cert_file=Path("tls.crt"), tls_key_file=Path("tls.key"))
    assert settings.base_url == "https://127.0.0.1:8443"
    assert settings.jwks_url == "https://127.0.0.1:8443/api/auth/jwks.json"


@pytest.mark.parametrize(("given", "missing"), [("CERT", "KEY"), ("KEY", "CERT")])
def test_a_certificate_needs_its_key(monkeypatch: pytest.MonkeyPatch, given: str, missing: str) -> None:
    monkeypatch.setenv(f"TLS_{given}_FILE", "/run/certs/file")
    with pytest.raises(ConfigurationError, match=rf"^Wrong setting: TLS_{missing}_FILE: set it as well"):
        load_settings(ServiceSettings)


@pytest.mark.parametrize(
    ("model", "known"),
    [
        (AuthSettings, {"database_url"}),
        (IngestSettings, {"database_url", "amqp_url", "storage_url", "keyring_file", "auth_jwks_url"}),
        (ProcessorSettings, {"amqp_url", "storage_url", "keyring_file"}),
        (ResultsSettings, {"database_url", "amqp_url", "storage_url", "keyring_file", "auth_jwks_url"}),
        (PortalSettings, set()),
    ],
)
def test_a_service_knows_only_what_it_uses(model: type[TlsSettings], known: set[str]) -> None:
    kept_apart = {"database_url", "amqp_url", "storage_url", "keyring_file", "auth_jwks_url"}
    assert known == kept_apart & model.model_fields.keys()
    assert OperatorSettings.model_fields.keys() >= kept_apart


class TestSecretsDir:
    """Settings as files."""

    @pytest.fixture(autouse=True)
    def secrets(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        # As Kubernetes lays them out: names are links into a folder that is swapped as a whole.
        folder = tmp_path / "secrets"
        (folder / "..2026").mkdir(parents=True)
        (folder / "..data").symlink_to("..2026")
        self.folder = folder
        monkeypatch.setenv("SECRETS_DIR", str(folder))
        return folder

    def secret(self, name: str, content: str) -> None:
        (self.folder / "..2026" / name).write_text(content)
        (self.folder / name).symlink_to(f"..data/{name}")

    def test_files_give_settings_without_their_last_line_end(self) -> None:
        self.secret("database_url", "postgresql://auth:a@db/bddicomimage\n")
        self.secret("database_admin_url", "postgresql://postgres:b@db/bddicomimage\r\n")
        self.secret("admin_password", "pass word\n\n")
        self.secret("postgres_password", "not ours")
        settings = load_settings(OperatorSettings)
        assert settings.database_url == SecretStr("postgresql://auth:a@db/bddicomimage")
        assert settings.migration_url == "postgresql://postgres:b@db/bddicomimage"
        assert load_settings(AuthSettings).admin_password == SecretStr("pass word")

    def test_the_environment_wins_unless_it_is_empty(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.secret("amqp_url", "amqp://file/")
        monkeypatch.setenv("AMQP_URL", "")
        assert load_settings(OperatorSettings).amqp_url == SecretStr("amqp://file/")
        monkeypatch.setenv("AMQP_URL", "amqp://environment/")
        assert load_settings(OperatorSettings).amqp_url == SecretStr("amqp://environment/")

    def test_an_empty_file_counts_as_unset(self) -> None:
        self.secret("amqp_url", "\n")
        assert load_settings(OperatorSettings).amqp_url is None

    def test_a_wrong_value_is_named_but_not_shown(self) -> None:
        self.secret("admin_password", "x" * 5000)
        with pytest.raises(ConfigurationError, match="ADMIN_PASSWORD") as caught:
            load_settings(AuthSettings)
        assert "xxx" not in caught.value.detail

    def test_a_folder_that_does_not_exist_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("SECRETS_DIR", "/nowhere/secrets")
        with pytest.raises(ConfigurationError, match="/nowhere/secrets, or correct SECRETS_DIR"):
            load_settings(ServiceSettings)

    def test_what_cannot_be_read_is_refused(self) -> None:
        (self.folder / "amqp_url").mkdir()
        with pytest.raises(ConfigurationError, match=r"SECRETS_DIR readable .*amqp_url"):
            load_settings(OperatorSettings)
        (self.folder / "amqp_url").rmdir()
        (self.folder / "amqp_url").write_bytes(b"\xff\xfesecret")
        with pytest.raises(ConfigurationError, match="SECRETS_DIR readable") as caught:
            load_settings(OperatorSettings)
        assert "amqp_url" in caught.value.detail
        assert "secret" not in caught.value.detail.replace("Secrets", "")
        assert caught.value.__suppress_context__
