"""HTTPS: only with a certificate that does, renewed while the server runs, and only for those who verify."""

from __future__ import annotations

import asyncio
import shutil
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from libs.common.errors import ConfigurationError, Unavailable
from libs.common.http.serving import bind
from libs.common.keys import FATAL, TELEMETRY
from libs.common.security.http_document import HttpDocument
from libs.common.security.tls import SERVER_TLS, add_tls
from libs.common.settings.service import ServiceSettings
from libs.common.telemetry.tracing import Telemetry
from tests.certificates import Certificates, Files
from tests.waiting import eventually

PAUSE = 0.02
DAY = timedelta(days=1)
GAUGE = "tls_certificate_not_after_timestamp_seconds"


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path / "ca")


@pytest.fixture
def files(certificates: Certificates, tmp_path: Path) -> Files:
    return certificates.issue(tmp_path / "host")


def settings_of(files: Files, ca_file: Path | None = None) -> ServiceSettings:
    return ServiceSettings(tls_cert_file=files.certificate, tls_key_file=files.key, tls_ca_file=ca_file)


def application(settings: ServiceSettings) -> web.Application:
    async def hello(_: web.Request) -> web.Response:
        return web.Response(text="hello")

    app = web.Application()
    app[TELEMETRY] = Telemetry("test", settings)
    app.router.add_get("/", hello)

    async def fatal(app: web.Application) -> AsyncIterator[None]:
        app[FATAL] = asyncio.get_running_loop().create_future()
        yield
        assert not app[FATAL].done()

    app.cleanup_ctx.append(fatal)
    add_tls(app, settings, pause=PAUSE)
    return app


class Server:
    """A running application over HTTPS."""

    def __init__(self, app: web.Application) -> None:
        self.app = app
        self.runner = web.AppRunner(app)
        self.port = 0

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.port}/"

    async def start(self) -> None:
        await self.runner.setup()
        listener = bind("127.0.0.1", 0)
        self.port = listener.getsockname()[1]
        await web.SockSite(self.runner, listener, ssl_context=self.app[SERVER_TLS]).start()

    def ends(self, path: Path) -> float | None:
        return self.app[TELEMETRY].metrics.registry.get_sample_value(GAUGE, {"file": str(path)})

    async def certificate(self, context: ssl.SSLContext) -> int:
        """Serial number of what a new connection is served."""
        _, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context)
        try:
            return serial_of(writer)
        finally:
            writer.close()
            await writer.wait_closed()


def serial_of(writer: asyncio.StreamWriter) -> int:
    der = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    return x509.load_der_x509_certificate(der).serial_number


def serial_in(files: Files) -> int:
    return x509.load_pem_x509_certificate(files.certificate.read_bytes()).serial_number


def self_signed(folder: Path, key: rsa.RSAPrivateKey) -> tuple[Files, ssl.SSLContext]:
    """A certificate that is its own authority, and a client that trusts it."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "self")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + DAY)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = Files(folder)
    files.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    files.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    return files, ssl.create_default_context(cafile=files.certificate)


@pytest.fixture
async def server(files: Files, certificates: Certificates) -> AsyncIterator[Server]:
    server = Server(application(settings_of(files, certificates.ca_file)))
    await server.start()
    yield server
    await server.runner.cleanup()


async def test_who_verifies_is_served_over_modern_tls(server: Server, certificates: Certificates) -> None:
    async with (
        aiohttp.ClientSession() as session,
        session.get(server.url, ssl=certificates.client()) as answer,
    ):
        assert await answer.text() == "hello"
    old = certificates.client()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    old.set_alpn_protocols(["h2", "http/1.1"])
    _, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=old)
    cipher = writer.get_extra_info("ssl_object").cipher()[0]
    assert cipher.startswith("ECDHE-")
    assert "GCM" in cipher or "CHACHA20" in cipher
    assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
    writer.close()
    await writer.wait_closed()


async def test_old_tls_and_old_ciphers_are_refused(server: Server, certificates: Certificates) -> None:
    cbc = certificates.client()
    cbc.maximum_version = ssl.TLSVersion.TLSv1_2
    cbc.set_ciphers("ECDHE-ECDSA-AES128-SHA256")
    with pytest.raises((ssl.SSLError, ConnectionResetError)):
        await server.certificate(cbc)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    # A ClientHello that ends at TLS 1.1 (RFC 4346): one cipher suite, no compression, no extension.
    hello = b"\x03\x02" + bytes(32) + b"\x00" + b"\x00\x02\xc0\x0a" + b"\x01\x00"
    message = b"\x01" + len(hello).to_bytes(3, "big") + hello
    writer.write(b"\x16\x03\x01" + len(message).to_bytes(2, "big") + message)
    # Nothing, or an alert (content type 21), but no handshake.
    assert (await reader.read())[:1] in (b"", b"\x15")
    writer.close()
    await writer.wait_closed()


async def test_plaintext_gets_no_answer(server: Server) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientError):
            await session.get(server.url.replace("https:", "http:"))


async def test_a_new_certificate_is_served_to_new_connections_and_old_ones_live_on(
    server: Server, files: Files, certificates: Certificates
) -> None:
    first, client = serial_in(files), certificates.client()
    assert await server.certificate(client) == first
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, ssl=client)
    certificates.issue(files.folder, life=timedelta(days=90))
    second = serial_in(files)
    assert first != second

    async def served() -> bool:
        return await server.certificate(certificates.client()) == second

    await eventually(served)
    assert serial_of(writer) == first
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert (await reader.read()).endswith(b"hello")
    writer.close()
    await writer.wait_closed()
    end = x509.load_pem_x509_certificate(files.certificate.read_bytes()).not_valid_after_utc
    assert server.ends(files.certificate) == end.timestamp()


async def test_a_certificate_with_another_kind_of_key_takes_the_place_of_the_old_one(
    server: Server, files: Files, tmp_path: Path
) -> None:
    following, trust = self_signed(tmp_path, rsa.generate_private_key(65537, 2048))
    shutil.copy(following.key, files.key)
    shutil.copy(following.certificate, files.certificate)

    async def served() -> bool:
        try:
            return await server.certificate(trust) == serial_in(following)
        except ssl.SSLCertVerificationError:
            return False

    await eventually(served)


async def test_a_half_written_pair_is_waited_out(
    server: Server,
    files: Files,
    certificates: Certificates,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    first, client = serial_in(files), certificates.client()
    following = certificates.issue(tmp_path / "following")
    shutil.copy(following.certificate, files.certificate)
    await eventually(lambda: "is not the key of the certificate" in caplog.text)
    assert await server.certificate(client) == first
    files.certificate.write_bytes(following.certificate.read_bytes()[:100])
    await eventually(lambda: "holds no certificate in PEM form" in caplog.text)
    files.certificate.unlink()
    await eventually(lambda: "cannot be read (No such file or directory)" in caplog.text)
    assert await server.certificate(certificates.client()) == first
    shutil.copy(following.key, files.key)
    shutil.copy(following.certificate, files.certificate)

    async def served() -> bool:
        return await server.certificate(certificates.client()) == serial_in(following)

    await eventually(served)
    # Not once per look.
    assert caplog.text.count("cannot be read (No such file or directory)") == 1


async def test_a_swapped_link_is_followed(certificates: Certificates, tmp_path: Path) -> None:
    # Kubernetes mounts a Secret as links into ..data, itself a link that is replaced by a rename.
    mount = tmp_path / "mount"
    mount.mkdir()
    (mount / "..data").symlink_to(certificates.issue(tmp_path / "one").folder)
    files = Files(mount)
    for path in (files.certificate, files.key):
        path.symlink_to(f"..data/{path.name}")
    server = Server(application(settings_of(files)))
    await server.start()
    following = certificates.issue(tmp_path / "two")
    (mount / "..data_tmp").symlink_to(following.folder)
    (mount / "..data_tmp").replace(mount / "..data")

    async def served() -> bool:
        return await server.certificate(certificates.client()) == serial_in(following)

    await eventually(served)
    await server.runner.cleanup()


async def test_an_expired_certificate_is_warned_of_and_measured(
    certificates: Certificates, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    files = certificates.issue(
        tmp_path / "late", start=datetime.now(UTC) - timedelta(days=3), life=timedelta(days=2)
    )
    app = application(settings_of(files))
    assert "a certificate in" in caplog.text
    assert "replace it" in caplog.text
    ends = Server(app).ends(files.certificate)
    assert ends is not None
    assert ends < datetime.now(UTC).timestamp()


def test_what_is_wrong_with_the_files_is_one_sentence(
    certificates: Certificates, files: Files, tmp_path: Path
) -> None:
    other = certificates.issue(tmp_path / "other")
    missing, garbage, locked = tmp_path / "missing", tmp_path / "garbage", tmp_path / "locked"
    garbage.write_text("secretword")
    locked.write_bytes(
        ec.generate_private_key(ec.SECP256R1()).private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")
        )
    )
    for certificate, key, told in (
        (missing, files.key, "TLS_CERT_FILE: .*missing cannot be read"),
        (files.certificate, missing, "TLS_KEY_FILE: .*missing cannot be read"),
        (garbage, files.key, "TLS_CERT_FILE: .*garbage holds no certificate"),
        (files.certificate, garbage, "TLS_KEY_FILE: .*garbage holds no private key"),
        (files.certificate, locked, "TLS_KEY_FILE: .*locked holds no private key .*without a passphrase"),
        (files.certificate, other.key, "TLS_CERT_FILE or TLS_KEY_FILE: .*is not the key of the certificate"),
    ):
        settings = ServiceSettings(tls_cert_file=certificate, tls_key_file=key)
        with pytest.raises(ConfigurationError, match=told) as caught:
            application(settings)
        assert "secretword" not in caught.value.detail


async def test_without_a_certificate_nothing_is_watched() -> None:
    app = application(ServiceSettings())
    assert SERVER_TLS not in app
    assert len(app.cleanup_ctx) == 1


class TestTokenKeys:
    """The key set over HTTPS."""

    async def fetch(self, url: str, ca_file: Path | None) -> bytes:
        keys = HttpDocument(url, ca_file=ca_file)
        try:
            return await keys()
        finally:
            await keys.close()

    async def test_the_issuer_is_verified(
        self, server: Server, certificates: Certificates, tmp_path: Path
    ) -> None:
        assert await self.fetch(server.url, certificates.ca_file) == b"hello"
        for ca_file in (None, Certificates(tmp_path / "foreign").ca_file):
            with pytest.raises(Unavailable, match=r"certificate .* is refused"):
                await self.fetch(server.url, ca_file)

    async def test_its_name_is_verified(self, certificates: Certificates, tmp_path: Path) -> None:
        server = Server(application(settings_of(certificates.issue(tmp_path / "other", ["auth"]))))
        await server.start()
        with pytest.raises(Unavailable, match=r"certificate .* is refused"):
            await self.fetch(server.url, certificates.ca_file)
        await server.runner.cleanup()

    async def test_another_authority_counts_from_the_next_fetch_on(
        self, certificates: Certificates, server: Server, tmp_path: Path
    ) -> None:
        trusted = tmp_path / "trusted.crt"
        shutil.copy(Certificates(tmp_path / "foreign").ca_file, trusted)
        keys = HttpDocument(server.url, ca_file=trusted)
        with pytest.raises(Unavailable):
            await keys()
        trusted.unlink()
        with pytest.raises(Unavailable):
            await keys()
        shutil.copy(certificates.ca_file, trusted)
        assert await keys() == b"hello"
        await keys.close()
