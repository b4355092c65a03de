"""`python -m infra.certificates`: a private certificate authority, and a certificate for each host.

For development and for machines of one's own; elsewhere cert-manager makes Secrets of the same file names.

var/deploy/certs/ca/{ca.crt,ca.key}                 the authority; its key is needed for new certificates only
var/deploy/certs/<host>/{tls.crt,tls.key,ca.crt}    what one container gets
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import secrets
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from infra import deployment_environment
from infra.engine import ENVIRONMENT_FILE

FOLDER = Path("var/deploy/certs")
HOSTS = (
    "auth",
    "ingest",
    "dimse",
    "results",
    "processor",
    "portal",
    "postgres",
    "rabbitmq",
    "mongodb",
    "gateway",
    "ohif",
    "prometheus",
    "alertmanager",
    "grafana",
    "otel-collector",
    "jaeger",
)
NAMESPACE = "dicom"
CA_LIFE = timedelta(days=3652)
LEAF_LIFE = timedelta(days=397)
"""Browsers refuse longer ones."""
RENEWAL = timedelta(days=30)
"""Certificates that end sooner are made anew."""
SKEW = timedelta(hours=1)
"""How far the clocks of those who verify may be behind."""
FOLDER_MODE = 0o750
KEY_MODE = 0o440
CERTIFICATE_MODE = 0o444


@dataclass(frozen=True)
class Authority:
    """A CA that signs certificates of hosts."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @classmethod
    def create(cls, now: datetime) -> Self:
        """A new one, trusted by nobody yet."""
        key = ec.generate_private_key(ec.SECP256R1())
        # The name tells authorities apart: whoever trusts two of one name tries the wrong one first.
        name = _name(f"DICOM private CA {secrets.token_hex(4)}")
        public = key.public_key()
        builder = (
            _builder(name, name, now, CA_LIFE)
            .public_key(public)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(public), critical=False)
        )
        return cls(builder.sign(key, hashes.SHA256()), key)

    @classmethod
    def read(cls, folder: Path) -> Self:
        """The one that `write` left. Raises OSError, ValueError."""
        key = load_pem_private_key((folder / "ca.key").read_bytes(), None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise ValueError("ca.key is no key of an elliptic curve")
        return cls(x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes()), key)

    def write(self, folder: Path) -> None:
        """Keep certificate and key; the key stays with whoever runs this."""
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(folder / "ca.key", _pem_key(self.key), 0o400)
        _write(folder / "ca.crt", self.certificate.public_bytes(Encoding.PEM), CERTIFICATE_MODE)

    def issue(self, names: Sequence[str], now: datetime, life: timedelta = LEAF_LIFE) -> tuple[bytes, bytes]:
        """Certificate and key, in PEM form, of a server (and client) with these host names and addresses."""
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key()
        issuer = self.certificate
        identifier = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = (
            _builder(_name(names[0]), issuer.subject, now, life)
            .public_key(public)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(
                x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]),
                critical=False,
            )
            .add_extension(
                x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False
            )
        )
        return builder.sign(self.key, hashes.SHA256()).public_bytes(Encoding.PEM), _pem_key(key)


def make(folder: Path, *, force: bool = False, environment: Mapping[str, str] = os.environ) -> list[str]:
    """Make what is missing, ends within RENEWAL, has other names or another CA; answers whose were made.

    `force` makes every host's anew; the CA stays, as long as it outlives what it signs. Raises OSError and
    ValueError for files that it cannot read or write.
    """
    now = datetime.now(UTC)
    authority, made = _authority(folder / "ca", now)
    root = authority.certificate.public_bytes(Encoding.PEM)
    for host in HOSTS:
        names = names_of(host, environment)
        target = folder / host
        if not force and _is_good(target, names, root, now):
            continue
        certificate, key = authority.issue(names, now)
        target.mkdir(parents=True, exist_ok=True)
        # After the umask: the group is what lets a container's user in.
        target.chmod(FOLDER_MODE)
        # Whoever reads in between finds a pair that does not fit, and goes on with the one before.
        _write(target / "tls.key", key, KEY_MODE)
        _write(target / "tls.crt", certificate, CERTIFICATE_MODE)
        _write(target / "ca.crt", root, CERTIFICATE_MODE)
        made.append(host)
    return made


def names_of(host: str, environment: Mapping[str, str]) -> list[str]:
    """The names under which `host` is reached, in a compose network, in Kubernetes and on this machine."""
    service = f"{host}.{NAMESPACE}"
    names = [host, service, f"{service}.svc", f"{service}.svc.cluster.local", "localhost", "127.0.0.1"]
    if host == "gateway":
        public = (environment.get("GATEWAY_HOST"), environment.get("GRAFANA_HOST"))
        names += [name for name in dict.fromkeys(public) if name and name not in names]
    if host == "ohif" and (public_name := environment.get("GATEWAY_HOST")) and public_name not in names:
        names.append(public_name)
    return names


def _authority(folder: Path, now: datetime) -> tuple[Authority, list[str]]:
    """The CA, and its name if it was made now."""
    if (folder / "ca.key").exists():
        found = Authority.read(folder)
        if found.certificate.not_valid_after_utc > now + LEAF_LIFE:
            return found, []
    authority = Authority.create(now)
    authority.write(folder)
    return authority, ["ca"]


def _is_good(folder: Path, names: Sequence[str], root: bytes, now: datetime) -> bool:
    try:
        trusted = (folder / "ca.crt").read_bytes()
        certificate = x509.load_pem_x509_certificate((folder / "tls.crt").read_bytes())
        key = load_pem_private_key((folder / "tls.key").read_bytes(), None)
        alternative = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (FileNotFoundError, ValueError, x509.ExtensionNotFound):
        return False
    return (
        trusted == root
        and certificate.not_valid_after_utc > now + RENEWAL
        and certificate.public_key() == key.public_key()
        and list(alternative) == [_general_name(name) for name in names]
    )


def _builder(
    subject: x509.Name, issuer: x509.Name, now: datetime, life: timedelta
) -> x509.CertificateBuilder:
    start = now - SKEW
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + life)
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _pem_key(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(path: Path, content: bytes, mode: int) -> None:
    """Replace a file as a whole; it never has more rights than `mode`."""
    draft = path.with_name(f".{path.name}.new")
    draft.unlink(missing_ok=True)
    handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        # The folder's group is who may read: containers, after root's `make up`.
        group = path.parent.stat().st_gid
        if os.fstat(file.fileno()).st_gid != group:
            os.fchown(file.fileno(), -1, group)
        os.fchmod(file.fileno(), mode)
    draft.replace(path)


def main(arguments: Sequence[str]) -> int:
    """Make certificates and say which. Returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m infra.certificates", description=__doc__.splitlines()[0])
    parser.add_argument("--folder", type=Path, default=FOLDER, help=f"where they are kept ({FOLDER})")
    parser.add_argument("--force", action="store_true", help="make every host's anew")
    options = parser.parse_args(arguments)
    try:
        # GATEWAY_HOST and GRAFANA_HOST as `make up` was given them.
        kept = deployment_environment.read(ENVIRONMENT_FILE)
        made = make(options.folder, force=options.force, environment={**kept, **os.environ})
    except (OSError, ValueError) as error:
        sys.stderr.write(f"Certificates in {options.folder}: {error}\n")
        return 1
    sys.stdout.write(f"Made in {options.folder}: {', '.join(made) or 'nothing, all are good'}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
