"""What Podman lacks, by what it says of itself and what is found."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from libs.common import podman

WHOLE = {"conmon", "netavark", "aardvark-dns", "iptables", "slirp4netns", "newuidmap", "bridge"}
HOST: dict[str, Any] = {
    "networkBackend": "netavark",
    "cgroupVersion": "v2",
    "ociRuntime": {"name": "crun"},
    "security": {"rootless": False},
}


def packages(host: dict[str, Any], there: set[str], version: str = "netavark 1.4.0") -> list[str | None]:
    found = podman.judge({**HOST, **host}, lambda name: name if name in there else None, lambda _: version)
    return [lack.package for lack in found]


@pytest.mark.parametrize(
    ("host", "missing", "lacks"),
    [
        ({}, set(), []),
        ({}, {"iptables"}, ["iptables"]),
        ({}, {"netavark"}, ["netavark"]),
        ({}, {"netavark", "iptables"}, ["netavark", "iptables"]),
        ({}, {"aardvark-dns"}, ["aardvark-dns"]),
        ({}, {"conmon"}, ["conmon"]),
        ({"cgroupVersion": "v1"}, set(), ["runc"]),
        ({"cgroupVersion": "v1", "ociRuntime": {"name": "runc"}}, set(), []),
        ({}, {"slirp4netns", "newuidmap"}, []),
        ({"security": {"rootless": True}}, {"slirp4netns", "newuidmap"}, ["slirp4netns", "uidmap"]),
        ({"networkBackend": "cni"}, {"netavark", "aardvark-dns", "iptables"}, []),
        ({"networkBackend": "cni"}, {"bridge"}, ["containernetworking-plugins"]),
    ],
)
def test_each_part_that_is_missing_is_named(
    host: dict[str, Any], missing: set[str], lacks: list[str]
) -> None:
    assert packages(host, WHOLE - missing) == lacks


@pytest.mark.parametrize(
    ("version", "lacks"), [("netavark 1.4.0", ["iptables"]), ("netavark 1.10.3", []), ("netavark 2.0.0", [])]
)
def test_nft_is_enough_for_newer_networks(version: str, lacks: list[str]) -> None:
    assert packages({}, WHOLE - {"iptables"} | {"nft"}, version) == lacks
    assert packages({}, WHOLE - {"iptables"}, version) == (lacks or ["nftables"])


@pytest.mark.parametrize(
    ("complaint", "package"),
    [
        ('Error: default OCI runtime "crun" not found: invalid argument\n', "runc"),
        ('Error: command required for rootless mode: exec: "newuidmap": not found', "uidmap"),
        ("Error: configure storage: 'overlay' is not supported over overlayfs", None),
        ("", None),
    ],
)
def test_a_podman_that_does_not_even_tell_of_itself(complaint: str, package: str | None) -> None:
    lack = podman.failure(complaint)
    assert lack.package == package
    assert lack.sentence.startswith(
        f"Install {package} " if package else "See to podman first: `podman info` fails"
    )


def test_what_podman_says_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert [lack.package for lack in podman.missing()] == ["podman"]
    program = tmp_path / "podman"
    program.write_text("""#!/bin/sh\necho 'Error: default OCI runtime "crun" not found' >&2; exit 125\n""")
    program.chmod(0o755)
    (lack,) = podman.missing()
    assert lack.sentence == (
        "Install runc (Debian: apt-get install runc): nothing here runs containers "
        '(default OCI runtime "crun" not found).'
    )
    program.write_text("""#!/bin/sh\necho '{"host": {"networkBackend": "netavark", "cgroupVersion": "v1",
        "ociRuntime": {"name": "crun"}}}'\n""")
    assert "runc" in {lack.package for lack in podman.missing()}
