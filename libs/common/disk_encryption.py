"""Whether what lies in a folder is encrypted below the file system, as far as this machine can see."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import struct
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

Protection = Literal["encrypted", "clear", "unknown"]
_GET_FLAGS = 0x80086601
"""FS_IOC_GETFLAGS, ioctl_iflags(2)."""
_ENCRYPTED_FLAG = 0x800
"""FS_ENCRYPT_FL: fscrypt."""
_ENCRYPTING = frozenset({"ecryptfs", "fuse.gocryptfs", "fuse.encfs", "fuse.cryfs"})
_IN_MEMORY = frozenset({"tmpfs", "ramfs"})
_ELSEWHERE = re.compile(r"nfs|cifs|smb|ceph|glusterfs|9p|virtiofs|fuse|lustre|beegfs")
_ESCAPED = re.compile(r"\\([0-7]{3})")
_DEEPEST = 16
"""Layers of devices that are followed: loops on files on loops end somewhere."""


class DiskEncryption(NamedTuple):
    """What was found, and in which words."""

    kind: Protection
    told: str


@dataclass(frozen=True)
class Mount:
    """A line of /proc/self/mountinfo (proc_pid_mountinfo(5))."""

    device: str
    """MAJOR:MINOR"""
    place: Path
    file_system: str
    source: str


@dataclass(frozen=True)
class Kernel:
    """Where the kernel tells of mounts and devices; another folder in tests."""

    mounts: Path = Path("/proc/self/mountinfo")
    devices: Path = Path("/sys/dev/block")

    def encryption(self, folder: Path, depth: int = 0) -> DiskEncryption:
        """Of what is written to `folder`, or to its nearest parent that exists."""
        existing = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        if _fscrypt(existing):
            return DiskEncryption("encrypted", "the folder is encrypted (fscrypt)")
        mount = self.mount_of(existing.resolve())
        if mount is None:
            return DiskEncryption("unknown", "no mount is known for it")
        kind = mount.file_system
        if kind in _ENCRYPTING:
            return DiskEncryption("encrypted", f"its file system encrypts ({kind})")
        if kind in _IN_MEMORY:
            return DiskEncryption("unknown", "it lies in memory, and on disk where memory is swapped out")
        if kind == "zfs":
            return _zfs(mount.source)
        if kind == "overlay":
            return DiskEncryption("unknown", "it is a container's own layer: only the machine below can tell")
        if _ELSEWHERE.search(kind):
            return DiskEncryption("unknown", f"another machine keeps it ({kind})")
        return self._device(mount, depth)

    def mount_of(self, path: Path) -> Mount | None:
        """The mount that `path` lies on: the longest place, and of equal ones the last."""
        found = None
        for line in self.mounts.read_text().splitlines():
            before, _, after = line.partition(" - ")
            fields, kinds = before.split(), after.split()
            place = Path(_unescaped(fields[4]))
            nearer = found is None or len(place.parts) >= len(found.place.parts)
            if path.is_relative_to(place) and nearer:
                found = Mount(fields[2], place, kinds[0], _unescaped(kinds[1]))
        return found

    def _device(self, mount: Mount, depth: int) -> DiskEncryption:
        device = self.devices / mount.device
        if not device.exists() and mount.source.startswith("/dev/"):
            # btrfs has numbers of its own.
            try:
                number = Path(mount.source).stat().st_rdev
            except OSError:
                number = 0
            device = self.devices / f"{os.major(number)}:{os.minor(number)}"
        if not device.exists():
            return DiskEncryption("unknown", f"its device is not seen here ({mount.source})")
        return self._layers(device.resolve(), depth)

    def _layers(self, device: Path, depth: int) -> DiskEncryption:
        """Whether `device`, or all that is below it, is encrypted: dm-crypt, also under LVM, RAID, loops."""
        name = device.name
        identity = _text(device / "dm" / "uuid")
        if identity.startswith("CRYPT-"):
            return DiskEncryption(
                "encrypted", f"{_text(device / 'dm' / 'name') or name} is {identity.split('-')[1]}"
            )
        if depth >= _DEEPEST:
            return DiskEncryption("unknown", f"{name} lies on too many layers")
        below = sorted((device / "slaves").iterdir()) if (device / "slaves").is_dir() else []
        if below:
            layers = [self._layers(one.resolve(), depth + 1) for one in below]
            # One that is in clear is enough.
            return min(layers, key=lambda layer: ("clear", "unknown", "encrypted").index(layer.kind))
        if (device / "partition").exists():
            return self._layers(device.parent, depth + 1)
        if backing := _text(device / "loop" / "backing_file"):
            return self.encryption(Path(backing), depth + 1)
        return DiskEncryption("clear", f"{name} is not encrypted as far as this machine sees")


def _zfs(dataset: str) -> DiskEncryption:
    program = shutil.which("zfs") or shutil.which("zfs", path="/usr/sbin:/sbin")
    if program is None:
        return DiskEncryption("unknown", f"only the machine of the ZFS dataset {dataset} can tell")
    asked = [program, "get", "-H", "-o", "value", "encryption", dataset]
    said = subprocess.run(asked, capture_output=True, text=True, timeout=10, check=False).stdout.strip()  # noqa: S603
    if not said:
        return DiskEncryption("unknown", f"zfs does not tell of {dataset}")
    if said == "off":
        return DiskEncryption("clear", f"the ZFS dataset {dataset} is not encrypted")
    return DiskEncryption("encrypted", f"the ZFS dataset {dataset} is encrypted ({said})")


def _fscrypt(folder: Path) -> bool:
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        return False
    try:
        (flags,) = struct.unpack("l", fcntl.ioctl(handle, _GET_FLAGS, bytes(struct.calcsize("l"))))
    except OSError:
        # A file system without flags.
        return False
    finally:
        os.close(handle)
    return bool(flags & _ENCRYPTED_FLAG)


def _text(path: Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _unescaped(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 8)), text)
