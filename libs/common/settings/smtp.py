"""The mail server, for who writes to people."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from libs.common.settings.tls import TlsSettings


class SmtpSettings(TlsSettings):
    """Unset, no mail is sent."""

    smtp_host: str | None = Field(
        None, description="Host name of the mail server (submission, RFC 6409); unset: no mail is sent."
    )
    smtp_port: int = Field(587, ge=1, le=65535, description="Its port; 465 goes with SMTP_SECURITY=tls.")
    smtp_security: Literal["starttls", "tls", "none"] = Field(
        "starttls",
        description="`starttls`: encrypted after the greeting, or nothing is sent; `tls`: from the first "
        "byte; `none`: plaintext, to a server on this machine.",
    )
    smtp_ca_file: Path | None = Field(
        None, description="PEM file with the CAs that it is verified with; unset: the system's."
    )
    smtp_username: str | None = Field(None, description="Login at the mail server; unset: none.")
    smtp_password: SecretStr | None = Field(None, description="Password of SMTP_USERNAME.")
    smtp_from: str | None = Field(
        None,
        pattern=r"^[^@\s<>,;\x00-\x1f]+@[A-Za-z0-9.-]+$",
        description="Sender of all mails, e.g. no-reply@dicom.example.org.",
    )

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.smtp_host is not None and self.smtp_from is None:
            raise ValueError("SMTP_FROM: set it as well, to the sender of all mails")
        if self.smtp_username is not None and self.smtp_password is None:
            raise ValueError("SMTP_PASSWORD: set it as well, to the password of SMTP_USERNAME")
        if self.smtp_username is not None and self.smtp_security == "none":
            raise ValueError("SMTP_SECURITY: a password travels encrypted only; set starttls or tls")
        return self
