"""What Podman lacks on this machine: its own words (`netavark: No such file or directory`) do not say."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

HELPERS = (
    Path("/usr/local/libexec/podman"),
    Path("/usr/local/lib/podman"),
    Path("/usr/libexec/podman"),
    Path("/usr/lib/podman"),
)
"""Where podman looks for them, containers.conf(5)."""
PLUGINS = (Path("/usr/lib/cni"), Path("/usr/libexec/cni"), Path("/opt/cni/bin"))
SYSTEM_PROGRAMS = "/usr/sbin:/sbin:/usr/local/sbin"
"""Where servers' programs are; ordinary users do not look there, netavark does."""
ASK_SECONDS = 60
NFTABLES_SINCE = (1, 10)
"""Netavark's first version that can do with nft alone."""


class Lack(NamedTuple):
    """One part that is missing."""

    what: str
    package: str | None
    """Debian's, that brings it; None where nothing that could be installed helps."""

    @property
    def sentence(self) -> str:
        """What to do, and why."""
        if self.package is None:
            return f"See to podman first: {self.what}."
        return f"Install {self.package} (Debian: apt-get install {self.package}): {self.what}."


Find = Callable[[str], str | None]


def missing() -> list[Lack]:
    """Ask podman, and look for what it calls. Empty where containers can be started."""
    try:
        done = subprocess.run(
            ["podman", "info", "--format", "json"],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=ASK_SECONDS,
            check=False,
        )
    except FileNotFoundError:
        return [Lack("there is no podman", "podman")]
    except subprocess.TimeoutExpired:
        return [Lack(f"`podman info` gave no answer within {ASK_SECONDS} s", None)]
    if done.returncode != 0:
        return [failure(done.stderr)]
    return judge(json.loads(done.stdout)["host"], find, _version)


def failure(complaint: str) -> Lack:
    """Why `podman info` itself failed, by its last line; pure."""
    said = (complaint.strip().splitlines() or ["it said nothing"])[-1].removeprefix("Error: ")
    if "OCI runtime" in said:
        return Lack(f"nothing here runs containers ({said})", "runc")
    if "newuidmap" in said or "newgidmap" in said:
        return Lack(f"users other than root need it ({said})", "uidmap")
    return Lack(f"`podman info` fails ({said})", None)


def judge(host: Mapping[str, Any], find: Find, version: Callable[[str], str]) -> list[Lack]:
    """What is missing by `host` of `podman info`; pure.

    `find` answers a program's path, `version` what it prints of itself.
    """
    lacks = []
    runtime = host.get("ociRuntime", {}).get("name")
    if runtime == "crun" and host.get("cgroupVersion") == "v1":
        lacks.append(Lack("crun does not start containers under cgroups v1, runc does", "runc"))
    if find("conmon") is None:
        lacks.append(Lack("nobody watches over containers (conmon)", "conmon"))
    if host.get("networkBackend") == "cni":
        if find("bridge") is None:
            lacks.append(Lack("containers have no network (CNI's plugins)", "containernetworking-plugins"))
    else:
        lacks += _network(find, version)
    if host.get("security", {}).get("rootless"):
        if find("slirp4netns") is None and find("pasta") is None:
            lacks.append(Lack("containers of users other than root have no network", "slirp4netns"))
        if find("newuidmap") is None:
            lacks.append(Lack("users other than root get no further user ids (newuidmap)", "uidmap"))
    return lacks


def _network(find: Find, version: Callable[[str], str]) -> list[Lack]:
    lacks = []
    netavark = find("netavark")
    if netavark is None:
        lacks.append(Lack("containers have no network (netavark)", "netavark"))
    if find("aardvark-dns") is None:
        lacks.append(Lack("containers do not find each other by name (aardvark-dns)", "aardvark-dns"))
    told = re.search(r"(\d+)\.(\d+)", version(netavark)) if netavark is not None else None
    knows_nft = told is not None and (int(told[1]), int(told[2])) >= NFTABLES_SINCE
    if find("iptables") is None and not (knows_nft and find("nft") is not None):
        what = "netavark calls it to make networks, and says `No such file or directory` without it"
        lacks.append(Lack(what, "nftables" if knows_nft else "iptables"))
    return lacks


def find(name: str) -> str | None:
    """A program where podman or what it calls would find it."""
    for folder in (*HELPERS, *PLUGINS):
        if (folder / name).exists():
            return str(folder / name)
    return shutil.which(name) or shutil.which(name, path=SYSTEM_PROGRAMS)


def _version(path: str) -> str:
    asked = [path, "--version"]
    done = subprocess.run(asked, capture_output=True, text=True, timeout=ASK_SECONDS, check=False)  # noqa: S603
    return done.stdout
