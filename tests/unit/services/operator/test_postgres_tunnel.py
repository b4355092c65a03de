"""Which URLs are led through TLS, and to where."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import asyncpg
import pytest

from libs.common.errors import ConfigurationError
from services.operator.postgres_tunnel import Target, through_tls
from tests.certificates import Certificates
from tests.fixtures_postgres import run_apart


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u@db/x",
        "postgresql://u@db/x?sslmode=prefer",
        "postgresql://u@db/x?sslmode=disable",
        "postgresql://u@/x?host=/run/postgresql&sslmode=verify-full",
    ],
)
def test_other_urls_stay_as_they_are(url: str) -> None:
    with through_tls(url) as reachable:
        assert reachable == url


def test_the_mode_says_what_is_verified(tmp_path: Path) -> None:
    ca_file = Certificates(tmp_path).ca_file

    def context(options: str) -> ssl.SSLContext:
        target = Target.of(f"postgresql://u@db:6432/x?{options}")
        assert target is not None
        assert (target.host, target.port) == ("db", 6432)
        return target.context()

    for options, mode, name in (
        (f"sslmode=verify-full&sslrootcert={ca_file}", ssl.CERT_REQUIRED, True),
        ("sslmode=verify-full", ssl.CERT_REQUIRED, True),
        (f"sslmode=verify-ca&sslrootcert={ca_file}", ssl.CERT_REQUIRED, False),
        (f"sslmode=require&sslrootcert={ca_file}", ssl.CERT_REQUIRED, False),
        ("sslmode=require", ssl.CERT_NONE, False),
    ):
        made = context(options)
        assert (made.verify_mode, made.check_hostname) == (mode, name), options


def test_the_rest_of_the_url_is_kept() -> None:
    with through_tls("postgresql://u%40x:p@db/x%20y?sslmode=require&application_name=a%20b") as reachable:
        parts = urlsplit(reachable)
        assert (parts.netloc, parts.path) == ("u%40x:p@", "/x%20y")
        options = parse_qs(parts.query)
        assert options["application_name"] == ["a b"]
        assert options["sslmode"] == ["disable"]
        assert Path(options["host"][0]).stat().st_mode & 0o777 == 0o700
    assert not Path(options["host"][0]).exists()


def test_the_user_may_be_among_the_options() -> None:
    with through_tls("postgresql://db/x?sslmode=require&user=u") as reachable:
        assert reachable.startswith("postgresql:///x?user=u&host=")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u@a,b/x?sslmode=verify-full",
        "postgresql://u@a:1,b:2/x?sslmode=verify-full",
        "postgresql:///x?sslmode=verify-full",
        "postgresql://u@a/x?sslmode=verify-full&sslrootcert=/nowhere/ca.crt",
    ],
)
def test_what_cannot_be_led_is_one_sentence(url: str) -> None:
    with pytest.raises(ConfigurationError), through_tls(url):
        pass


def test_a_server_without_tls_is_not_spoken_to(tmp_path: Path) -> None:
    async def connect() -> None:
        ended = asyncio.Event()

        async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readexactly(8)
            # With something that must not pass for an answer over TLS.
            writer.write(b"SR\0\0\0\x08\0\0\0\0")
            with contextlib.suppress(ConnectionError):
                await reader.read()
                writer.close()
                await writer.wait_closed()
            ended.set()

        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            url = f"postgresql://u@127.0.0.1:{port}/x?sslmode=require"
            refused = pytest.raises(asyncpg.ConnectionFailureError, match="takes no TLS")
            with through_tls(url) as reachable, refused:
                await asyncpg.connect(reachable)
            # Else the loop may end before the connection is closed.
            await ended.wait()

    run_apart(connect())
