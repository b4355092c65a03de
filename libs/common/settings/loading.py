"""Reading settings; whatever is wrong becomes one sentence."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from libs.common.errors import ConfigurationError
from libs.common.security.certificates import read_ca_file
from libs.common.security.tls_rules import unprotected
from libs.common.settings.tls import TlsSettings

S = TypeVar("S", bound=TlsSettings)


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
