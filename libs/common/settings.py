"""Settings that every service reads from the environment; each service's `settings.py` extends them."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from libs.common.errors import ConfigurationError

_HTTP_URL = r"^https?://[^/\s]+"


class CommonSettings(BaseSettings):
    """Read from the environment by upper-case field name; an empty value counts as unset."""

    model_config = SettingsConfigDict(env_prefix="", env_ignore_empty=True, extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", description="Address the HTTP server listens on.")
    port: int = Field(
        8080, ge=0, le=65535, description="Port the HTTP server listens on; 0 picks a free one."
    )
    public_url: str | None = Field(
        None,
        pattern=_HTTP_URL,
        description="URL under which browsers reach the portal; unset: http://HOST:PORT.",
    )
    auth_jwks_url: str | None = Field(
        None,
        pattern=_HTTP_URL,
        description="Where access-token keys are fetched; unset: PUBLIC_URL + /api/auth/jwks.json.",
    )
    data_dir: Path = Field(Path("var"), description="Folder of everything that is kept on disk.")
    database_url: SecretStr | None = Field(
        None,
        description="postgresql:// URL of this service's own role; unset: embedded, in one process only.",
    )
    database_pool_size: int = Field(10, ge=1, description="Largest number of PostgreSQL connections.")
    database_set_role: bool = Field(
        False, description="SET ROLE to the service's own role after login; `python -m services` turns it on."
    )
    database_timeout: float = Field(
        10.0, gt=0, description="Seconds to wait for a connection or a statement before answering 503."
    )
    amqp_url: SecretStr | None = Field(
        None, description="amqp:// or amqps:// URL of RabbitMQ; unset: in-process bus, in one process only."
    )
    amqp_publish_timeout: float = Field(10.0, gt=0, description="Seconds to wait for a publisher confirm.")
    storage_url: str | None = Field(
        None, description="file:///folder for encrypted objects; unset: DATA_DIR/dicom_file."
    )
    keyring_file: Path | None = Field(
        None, description="File with the key-encryption keys; unset: DATA_DIR/keyring.json."
    )
    log_level: str = Field(
        "INFO", pattern="^(?i:DEBUG|INFO|WARNING|ERROR)$", description="DEBUG, INFO, WARNING or ERROR."
    )
    log_format: str = Field("json", pattern="^(json|text)$", description="`json` or `text`.")
    otel_exporter_otlp_endpoint: str | None = Field(
        None, description="OTLP/HTTP endpoint for traces; unset: no export."
    )
    otel_traces_sampler_arg: float = Field(
        1.0, ge=0, le=1, description="Share of new traces that are recorded when an endpoint is set."
    )
    shutdown_timeout: float = Field(
        30.0, gt=0, description="Seconds that running requests and events get to finish at shutdown."
    )

    @property
    def base_url(self) -> str:
        """PUBLIC_URL without a trailing slash, or the address listened on."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (self.public_url or f"http://{host}:{self.port}").rstrip("/")

    @property
    def jwks_url(self) -> str:
        """Where to fetch the JSON Web Key Set."""
        return self.auth_jwks_url or f"{self.base_url}/api/auth/jwks.json"

    @property
    def storage_root(self) -> Path:
        """Folder of the `file:` object store. Raises ConfigurationError for other schemes."""
        if self.storage_url is None:
            return self.data_dir / "dicom_file"
        if not self.storage_url.startswith("file:"):
            raise ConfigurationError("STORAGE_URL must start with file: (for example file:///var/lib/dicom).")
        return Path(self.storage_url.removeprefix("file:").removeprefix("//") or "/")

    @property
    def keyring_path(self) -> Path:
        """Where the keyring lies."""
        return self.keyring_file or self.data_dir / "keyring.json"


S = TypeVar("S", bound=CommonSettings)


def load_settings(model: type[S]) -> S:
    """Read the environment. Raises ConfigurationError naming every wrong variable."""
    try:
        return model()
    except ValidationError as error:
        wrong = "; ".join(f"{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors())
        raise ConfigurationError(f"Wrong setting: {wrong}.") from error
