"""Where a service listens, and under which address it is known."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_settings import NoDecode

from libs.common.http.client import Network, parse_networks
from libs.common.http.cross_origin import parse_origins
from libs.common.settings.base import HTTP_URL
from libs.common.settings.tls import TlsSettings


class HttpSettings(TlsSettings):
    """The HTTP server."""

    host: str = Field("127.0.0.1", description="Address the HTTP server listens on.")
    port: int = Field(
        8080, ge=0, le=65535, description="Port the HTTP server listens on; 0 picks a free one."
    )
    public_url: str | None = Field(
        None,
        pattern=HTTP_URL,
        description="URL under which browsers reach the portal; unset: http://HOST:PORT, "
        "https:// with TLS_CERT_FILE.",
    )
    shutdown_timeout: float = Field(
        30.0, gt=0, description="Seconds that running requests and events get to finish at shutdown."
    )
    connection_idle_timeout: float = Field(
        75.0,
        gt=0,
        description="Seconds after which a connection is closed on which the headers of the first or the "
        "next request have not all come; longer than a proxy in front keeps idle ones.",
    )
    connection_stall_timeout: float = Field(
        120.0,
        gt=0,
        description="Seconds after which a connection is cut whose client has taken nothing of what waits "
        "for it, because it does not read, or has gone without a word.",
    )
    trusted_proxies: Annotated[tuple[Network, ...], NoDecode] = Field(
        (),
        description="Comma-separated addresses and networks (CIDR) of proxies whose `X-Forwarded-For` and "
        "`X-Forwarded-Proto` count; unset: nobody's.",
    )
    traced_callers: Annotated[tuple[Network, ...], NoDecode] = Field(
        (),
        description="Comma-separated addresses and networks (CIDR) of clients whose `traceparent` is "
        "continued, and so decides what is recorded; others' are only linked to. Unset: nobody's counts.",
    )
    cors_origins: Annotated[frozenset[str], NoDecode] = Field(
        frozenset(),
        description="Comma-separated origins of foreign web pages that may call with a bearer token, e.g. "
        "`https://viewer.example.org`; cookies are never theirs.",
    )

    @field_validator("trusted_proxies", "traced_callers", mode="before")
    @classmethod
    def _networks(cls, value: object) -> object:
        return parse_networks(value) if isinstance(value, str) else value

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _origins(cls, value: object) -> object:
        return parse_origins(value) if isinstance(value, str) else value

    @property
    def base_url(self) -> str:
        """PUBLIC_URL without a trailing slash, or the address listened on."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        scheme = "http" if self.tls_cert_file is None else "https"
        return (self.public_url or f"{scheme}://{host}:{self.port}").rstrip("/")
