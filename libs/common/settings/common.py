"""Settings that every service reads from the environment; each service's `settings.py` extends them."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, Field, SecretStr, ValidationError, ValidationInfo, model_validator
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from libs.common.errors import ConfigurationError
from libs.common.security.certificates import read_ca_file
from libs.common.security.tls_rules import trusting, unprotected

_HTTP_URL = r"^https?://[^/\s]+"


def _trust_ca_file(url: SecretStr, info: ValidationInfo) -> SecretStr:
    return SecretStr(trusting(url.get_secret_value(), info.data.get("tls_ca_file")))


PostgresUrl = Annotated[SecretStr, AfterValidator(_trust_ca_file)]
"""A postgresql:// URL; one that verifies the server and names no CA does so with TLS_CA_FILE."""


class CommonSettings(BaseSettings):
    """Read from the environment by upper-case field name, or from files in SECRETS_DIR.

    An empty value counts as unset.
    """

    model_config = SettingsConfigDict(env_prefix="", env_ignore_empty=True, extra="ignore", frozen=True)

    host: str = Field("127.0.0.1", description="Address the HTTP server listens on.")
    port: int = Field(
        8080, ge=0, le=65535, description="Port the HTTP server listens on; 0 picks a free one."
    )
    public_url: str | None = Field(
        None,
        pattern=_HTTP_URL,
        description="URL under which browsers reach the portal; unset: http://HOST:PORT, "
        "https:// with TLS_CERT_FILE.",
    )
    tls_cert_file: Path | None = Field(
        None,
        description="PEM file with this process's certificate and its chain, read anew when it changes; set: "
        "HTTPS only.",
    )
    tls_key_file: Path | None = Field(None, description="PEM file with the private key of TLS_CERT_FILE.")
    tls_ca_file: Path | None = Field(
        None,
        description="PEM file with the CAs that RabbitMQ, PostgreSQL, MongoDB, the token keys and the OTLP "
        "endpoint are verified with, read anew for each connection (for MongoDB at the start); unset: the "
        "system's.",
    )
    require_tls: bool = Field(
        False, description="Refuse to start when a configured connection would be plaintext or unverified."
    )
    secrets_dir: Path | None = Field(
        None,
        description="Folder of files that give settings, e.g. `database_url`: the name is the setting's in "
        "lower case; the environment wins.",
    )
    auth_jwks_url: str | None = Field(
        None,
        pattern=_HTTP_URL,
        description="Where access-token keys are fetched; unset: PUBLIC_URL + /api/auth/jwks.json.",
    )
    data_dir: Path = Field(Path("var"), description="Folder of everything that is kept on disk.")
    database_url: PostgresUrl | None = Field(
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
        None,
        repr=False,  # may hold a password
        description="Where encrypted objects are kept: file:///folder, or GridFS (extra `gridfs`) in "
        "mongodb://user:password@host/database (w=majority&journal=true unless it says otherwise); unset: "
        "DATA_DIR/dicom_file.",
    )
    keyring_file: Path | None = Field(
        None, description="File with the key-encryption keys; unset: DATA_DIR/keyring.json."
    )
    log_level: str = Field(
        "INFO", pattern="^(?i:DEBUG|INFO|WARNING|ERROR)$", description="DEBUG, INFO, WARNING or ERROR."
    )
    log_format: str = Field("json", pattern="^(json|text)$", description="`json` or `text`.")
    build_revision: str | None = Field(
        None, description="Revision of the source an image was built from; shown in `dicom_build_info`."
    )
    otel_exporter_otlp_endpoint: str | None = Field(
        None, description="OTLP/HTTP endpoint for traces; unset: no export."
    )
    otel_traces_sampler_arg: float = Field(
        1.0, ge=0, le=1, description="Share of new traces that are recorded when an endpoint is set."
    )
    shutdown_timeout: float = Field(
        30.0, gt=0, description="Seconds that running requests and events get to finish at shutdown."
    )

    @model_validator(mode="before")
    @classmethod
    def _drop_empty(cls, values: dict[str, Any]) -> dict[str, Any]:
        # The environment's are dropped already; files are empty, too.
        return {name: value for name, value in values.items() if value != ""}

    @model_validator(mode="after")
    def _certificate_with_key(self) -> Self:
        if self.tls_cert_file is not None and self.tls_key_file is None:
            raise ValueError("TLS_KEY_FILE: set it as well, to the private key of TLS_CERT_FILE")
        if self.tls_key_file is not None and self.tls_cert_file is None:
            raise ValueError("TLS_CERT_FILE: set it as well, to the certificate of TLS_KEY_FILE")
        return self

    @property
    def base_url(self) -> str:
        """PUBLIC_URL without a trailing slash, or the address listened on."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "http" if self.tls_cert_file is None else "https"
        return (self.public_url or f"{scheme}://{host}:{self.port}").rstrip("/")

    @property
    def jwks_url(self) -> str:
        """Where to fetch the JSON Web Key Set."""
        return self.auth_jwks_url or f"{self.base_url}/api/auth/jwks.json"

    @property
    def stores_in_mongodb(self) -> bool:
        """Whether STORAGE_URL names MongoDB."""
        return self.storage_url is not None and self.storage_url.startswith(("mongodb://", "mongodb+srv://"))

    @property
    def storage_root(self) -> Path:
        """Folder of the `file:` object store. Raises ConfigurationError for other schemes."""
        if self.storage_url is None:
            return self.data_dir / "dicom_file"
        if not self.storage_url.startswith("file:"):
            raise ConfigurationError(
                "STORAGE_URL must start with file: or mongodb: (for example file:///var/lib/dicom)."
            )
        return Path(self.storage_url.removeprefix("file:").removeprefix("//") or "/")

    @property
    def keyring_path(self) -> Path:
        """Where the keyring lies."""
        return self.keyring_file or self.data_dir / "keyring.json"


S = TypeVar("S", bound=CommonSettings)


def load_settings(model: type[S], *, serves: bool = False) -> S:
    """Read the environment and SECRETS_DIR, and TLS_CA_FILE. Raises ConfigurationError naming what is wrong.

    `serves` says that the process is about to listen, which REQUIRE_TLS lets it do with a certificate only.
    """
    try:
        settings = _read(model, os.environ.get("SECRETS_DIR") or None)
    except ValidationError as error:
        raise ConfigurationError(f"Wrong setting: {'; '.join(map(_line, error.errors()))}.") from error
    if settings.tls_ca_file is not None:
        read_ca_file(settings.tls_ca_file)
    if settings.require_tls and (wrong := unprotected(settings, serves=serves)):
        listed = "; ".join(f"{name.upper()}: {what}" for name, what in wrong.items())
        raise ConfigurationError(f"REQUIRE_TLS forbids plaintext and unverified connections: {listed}.")
    return settings


def _read(model: type[S], secrets_dir: str | None) -> S:
    if secrets_dir is None:
        return model()
    try:
        if not Path(secrets_dir).is_dir():
            raise ConfigurationError(f"Make the folder {secrets_dir}, or correct SECRETS_DIR: there is none.")
        with warnings.catch_warnings():
            # Only warned of otherwise: a setting that cannot be read must not pass for one that is not set.
            warnings.simplefilter("error", UserWarning)
            return model(_secrets_dir=secrets_dir)
    except ValidationError:
        raise
    except (OSError, SettingsError, UserWarning) as error:
        # A decoding error would quote the secret.
        reason = error.__cause__ if isinstance(error.__cause__, OSError) else error
        raise ConfigurationError(f"Make the files in SECRETS_DIR readable ({reason}).") from None


def _line(error: ErrorDetails) -> str:
    text = error["msg"].removeprefix("Value error, ")
    return f"{'_'.join(map(str, error['loc'])).upper()}: {text}" if error["loc"] else text
