"""Certificate files: who is trusted, what is served, and until when. PEM throughout (RFC 7468)."""

from __future__ import annotations

import os
import ssl
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key
from cryptography.utils import CryptographyDeprecationWarning

from libs.common.errors import ConfigurationError

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: forward secrecy and authenticated encryption only; TLS 1.3 has nothing else."""


def client_context(ca_file: Path | None) -> ssl.SSLContext:
    """Verify servers and their host names with `ca_file`, else with the system's CAs.

    Made anew for each connection, so that another CA counts from the next one on. Raises OSError, of which
    ssl.SSLError is one, when the file cannot be used.
    """
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def server_context() -> ssl.SSLContext:
    """For an HTTPS server: TLS 1.2 and later; without a certificate yet."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    context.set_alpn_protocols(["http/1.1"])
    return context


def read_ca_file(path: Path) -> bytes:
    """The content of TLS_CA_FILE. Raises ConfigurationError in one sentence."""
    content = _read(path, "TLS_CA_FILE")
    try:
        ssl.create_default_context(cadata=content.decode("ascii", "ignore"))
        first_end(content)
    except (ssl.SSLError, ValueError) as error:
        raise ConfigurationError(f"Correct TLS_CA_FILE: {path} holds no certificate in PEM form.") from error
    return content


def read_pair(certificate: Path, key: Path) -> bytes:
    """TLS_CERT_FILE and TLS_KEY_FILE as one text that a server can load. Raises ConfigurationError.

    Both are looked at together, since they are replaced one after the other.
    """
    chain, secret = _read(certificate, "TLS_CERT_FILE"), _read(key, "TLS_KEY_FILE")
    try:
        leaf = x509.load_pem_x509_certificates(chain)[0]
    except ValueError as error:
        raise ConfigurationError(
            f"Correct TLS_CERT_FILE: {certificate} holds no certificate in PEM form."
        ) from error
    try:
        private = load_pem_private_key(secret, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Without the cause: whatever is in a key file stays there.
        raise ConfigurationError(
            f"Correct TLS_KEY_FILE: {key} holds no private key in PEM form without a passphrase."
        ) from None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if leaf.public_key().public_bytes(*form) != private.public_key().public_bytes(*form):
        raise ConfigurationError(
            f"Correct TLS_CERT_FILE or TLS_KEY_FILE: {key} is not the key of the certificate {certificate}."
        )
    pair = secret + b"\n" + chain
    try:
        load(server_context(), pair)
    except OSError as error:
        raise ConfigurationError(
            f"Replace the certificate in TLS_CERT_FILE: OpenSSL refuses {certificate} ({error})."
        ) from error
    return pair


def load(context: ssl.SSLContext, pair: bytes, authorities: str | None = None) -> None:
    """Have `context` serve `pair` from the next handshake on; running connections stay as they are.

    Clients are verified with `authorities` (PEM), if `context` verifies them.
    Raises OSError, and then leaves `context` as it is.
    """
    # A context of its own: one keeps a certificate per kind of key, and would go on serving the old one's.
    renewed = server_context()
    with _as_file(pair) as path:
        renewed.load_cert_chain(path)
    if authorities is not None:
        # Each handshake goes on with this context, and looks for authorities here.
        renewed.load_verify_locations(cadata=authorities)
        renewed.verify_mode = context.verify_mode

    def choose(handshake: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        handshake.context = renewed

    context.sni_callback = choose


def first_end(content: bytes) -> datetime:
    """When the first certificate of `content` to end does so. Raises ValueError when there is none."""
    with warnings.catch_warnings():
        # Bundles hold public CAs that bend RFC 5280; to trust them was somebody else's choice.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        return min(found.not_valid_after_utc for found in x509.load_pem_x509_certificates(content))


def _read(path: Path, variable: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigurationError(
            f"Correct {variable}: {path} cannot be read ({error.strerror or type(error).__name__})."
        ) from error


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """A path, in memory, for OpenSSL: what was checked is what is loaded, whatever happens to the files."""
    handle = os.memfd_create("certificate", os.MFD_CLOEXEC)
    try:
        os.write(handle, content)
        yield f"/proc/self/fd/{handle}"
    finally:
        os.close(handle)
