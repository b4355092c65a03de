"""The private CA: what it makes is accepted by strict verifiers, renewed in time, and kept from others."""

from __future__ import annotations

import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from infra.certificates import HOSTS, LEAF_LIFE, Authority, main, make, names_of
from libs.common.security.certificates import first_end, load, read_ca_file, read_pair


def shake_hands(pair: bytes, client: ssl.SSLContext, name: str) -> None:
    """A whole handshake in memory. Raises ssl.SSLError."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    load(server, pair)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    while ends:
        for end in list(ends):
            try:
                end.do_handshake()
                ends.remove(end)
            except ssl.SSLWantReadError:
                continue


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("certs")
    assert make(found, environment={"GATEWAY_HOST": "dicom.example.org"}) == ["ca", *HOSTS]
    return found


def pair_of(folder: Path, host: str) -> bytes:
    return read_pair(folder / host / "tls.crt", folder / host / "tls.key")


@pytest.mark.parametrize("name", ["postgres", "postgres.dicom.svc.cluster.local", "localhost", "127.0.0.1"])
def test_strict_verifiers_accept_every_name(folder: Path, name: str) -> None:
    client = ssl.create_default_context(cafile=folder / "postgres" / "ca.crt")
    # The default from Python 3.13 on: RFC 5280 to the letter.
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    shake_hands(pair_of(folder, "postgres"), client, name)


@pytest.mark.parametrize("name", ["rabbitmq", "postgres.other", "10.0.0.1"])
def test_other_names_and_authorities_are_refused(folder: Path, name: str, tmp_path: Path) -> None:
    client = ssl.create_default_context(cafile=folder / "ca" / "ca.crt")
    with pytest.raises(ssl.SSLCertVerificationError, match="mismatch"):
        shake_hands(pair_of(folder, "postgres"), client, name)
    Authority.create(datetime.now(UTC)).write(tmp_path / "ca")
    foreign = ssl.create_default_context(cafile=tmp_path / "ca" / "ca.crt")
    with pytest.raises(ssl.SSLCertVerificationError, match="unable to get local issuer"):
        shake_hands(pair_of(folder, "postgres"), foreign, "postgres")


def test_a_leaf_signs_nothing_and_browsers_take_its_life(folder: Path) -> None:
    leaf = x509.load_pem_x509_certificate((folder / "auth" / "tls.crt").read_bytes())
    assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == LEAF_LIFE <= timedelta(days=398)
    assert first_end(read_ca_file(folder / "auth" / "ca.crt")) > datetime.now(UTC) + timedelta(days=3600)


def test_rights(folder: Path) -> None:
    def mode(path: Path) -> int:
        return stat.S_IMODE(path.stat().st_mode)

    assert mode(folder / "ca") == 0o700
    assert mode(folder / "ca" / "ca.key") == 0o400
    assert mode(folder / "ingest") == 0o750
    assert mode(folder / "ingest" / "tls.key") == 0o440
    assert {path.name for path in (folder / "ingest").iterdir()} == {"tls.crt", "tls.key", "ca.crt"}


def test_the_gateway_has_its_public_name(folder: Path) -> None:
    client = ssl.create_default_context(cafile=folder / "ca" / "ca.crt")
    shake_hands(pair_of(folder, "gateway"), client, "dicom.example.org")
    assert names_of("gateway", {"GATEWAY_HOST": "192.0.2.7"})[-1] == "192.0.2.7"
    assert names_of("auth", {"GATEWAY_HOST": "192.0.2.7"}) == names_of("auth", {})


def test_the_gateway_has_grafanas_name_too() -> None:
    both = {"GATEWAY_HOST": "dicom.example.org", "GRAFANA_HOST": "grafana.example.org"}
    assert names_of("gateway", both)[-2:] == ["dicom.example.org", "grafana.example.org"]
    one = dict.fromkeys(both, "dicom.example.org")
    assert names_of("gateway", one).count("dicom.example.org") == 1
    assert names_of("grafana", both) == names_of("grafana", {})


def test_only_what_must_be_is_made_again(tmp_path: Path) -> None:
    make(tmp_path, environment={})
    assert make(tmp_path, environment={}) == []
    assert make(tmp_path, environment={"GATEWAY_HOST": "192.0.2.7"}) == ["gateway", "ohif"]
    assert make(tmp_path, environment={}) == ["gateway", "ohif"]
    (tmp_path / "auth" / "tls.key").unlink()
    (tmp_path / "portal" / "tls.crt").chmod(0o600)
    (tmp_path / "portal" / "tls.crt").write_text("half a certifi")
    authority = Authority.read(tmp_path / "ca")
    now = datetime.now(UTC)
    for host, days in (("ingest", 29), ("results", 31)):
        certificate, key = authority.issue(names_of(host, {}), now, timedelta(days=days))
        for name, content in (("tls.crt", certificate), ("tls.key", key)):
            (tmp_path / host / name).unlink()
            (tmp_path / host / name).write_bytes(content)
    assert make(tmp_path, environment={}) == ["auth", "ingest", "portal"]
    assert make(tmp_path, environment={}, force=True) == list(HOSTS)
    assert Authority.read(tmp_path / "ca").certificate == authority.certificate


def test_without_the_authority_everything_is_made_again(tmp_path: Path) -> None:
    make(tmp_path, environment={})
    for path in (tmp_path / "ca").iterdir():
        path.unlink()
    assert make(tmp_path, environment={}) == ["ca", *HOSTS]
    pair_of(tmp_path, "jaeger")


def test_the_command_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--folder", str(tmp_path / "certs")]) == 0
    assert main(["--folder", str(tmp_path / "certs")]) == 0
    assert "nothing, all are good" in capsys.readouterr().out
    key = tmp_path / "certs" / "ca" / "ca.key"
    key.chmod(0o600)
    key.write_text("garbage")
    assert main(["--folder", str(tmp_path / "certs")]) == 1
    assert "Certificates in" in capsys.readouterr().err
