"""What is below a folder, by a kernel's tables that the test makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from libs.common.disk_encryption import DiskEncryption, Kernel


class Machine:
    """Mounts and devices, as /proc and /sys tell them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kernel = Kernel(folder / "mountinfo", folder / "dev")
        (folder / "dev").mkdir(parents=True)
        self._numbers: dict[str, str] = {}
        self.kernel.mounts.touch()

    def device(self, name: str, *below: str, **told: str) -> str:
        """A block device on others; `told` are its files, `__` in their names for folders."""
        place = self.folder / "devices" / name
        place.mkdir(parents=True)
        number = f"254:{len(self._numbers)}"
        self._numbers[name] = number
        (self.folder / "dev" / number).symlink_to(place)
        (place / "slaves").mkdir()
        for one in below:
            (place / "slaves" / one.rpartition("/")[2]).symlink_to(self.folder / "devices" / one)
        for key, text in told.items():
            file = place / key.replace("__", "/")
            file.parent.mkdir(exist_ok=True)
            file.write_text(f"{text}\n")
        return name

    def mount(self, place: Path, device: str, kind: str = "ext4") -> None:
        """One more line."""
        number = self._numbers.get(device, "0:99")
        shown = str(place).replace(" ", "\\040")
        with self.kernel.mounts.open("a") as file:
            file.write(f"30 1 {number} / {shown} rw,relatime shared:1 - {kind} /dev/{device} rw\n")

    def found(self, place: Path) -> DiskEncryption:
        """Of a folder."""
        return self.kernel.encryption(place)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "kernel")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "a place"
    folder.mkdir()
    return folder


LUKS = {"dm__uuid": "CRYPT-LUKS2-0123-data", "dm__name": "data"}


def test_a_luks_device_is_encrypted(machine: Machine, place: Path) -> None:
    machine.mount(Path("/"), machine.device("vda"))
    machine.mount(place, machine.device("dm-0", "vda", **LUKS))
    assert machine.found(place / "not" / "yet" / "there") == ("encrypted", "data is LUKS2")
    assert machine.found(place.parent) == ("clear", "vda is not encrypted as far as this machine sees")


def test_logical_volumes_are_as_what_is_below_them(machine: Machine, place: Path) -> None:
    machine.device("vda")
    machine.device("dm-0", "vda", **LUKS)
    machine.device("dm-1", "vda", **LUKS)
    machine.device("dm-2", "dm-0", "dm-1", dm__uuid="LVM-0123")
    machine.mount(place, "dm-2")
    assert machine.found(place).kind == "encrypted"
    machine.device("vdb")
    machine.device("dm-3", "dm-0", "vdb", dm__uuid="LVM-4567")
    machine.mount(place, "dm-3")
    assert machine.found(place) == ("clear", "vdb is not encrypted as far as this machine sees")


def test_a_partition_is_as_its_disk(machine: Machine, place: Path) -> None:
    machine.device("vda")
    machine.device("dm-0", "vda", **LUKS)
    machine.device("md0", "dm-0")
    machine.mount(place, machine.device("md0/md0p1", partition="1"))
    assert machine.found(place).kind == "encrypted"


def test_a_loop_is_as_its_file(machine: Machine, place: Path, tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    machine.device("vda")
    machine.mount(tmp_path / "images", machine.device("dm-0", "vda", **LUKS))
    machine.mount(place, machine.device("loop0", loop__backing_file=str(tmp_path / "images" / "disk.img")))
    assert machine.found(place).kind == "encrypted"


def test_a_loop_on_itself_ends(machine: Machine, place: Path) -> None:
    machine.mount(place, machine.device("loop0", loop__backing_file=str(place / "disk.img")))
    assert machine.found(place) == ("unknown", "loop0 lies on too many layers")


@pytest.mark.parametrize(
    ("kind", "expected", "word"),
    [
        ("tmpfs", "unknown", "memory"),
        ("overlay", "unknown", "container"),
        ("nfs4", "unknown", "another machine"),
        ("fuse.sshfs", "unknown", "another machine"),
        ("fuse.gocryptfs", "encrypted", "gocryptfs"),
        ("btrfs", "unknown", "not seen here"),
    ],
)
def test_file_systems_without_a_device(
    machine: Machine, place: Path, kind: str, expected: str, word: str
) -> None:
    machine.mount(place, "no-such-device", kind)
    found = machine.found(place)
    assert found.kind == expected
    assert word in found.told


def test_the_last_of_two_mounts_on_one_place_counts(machine: Machine, place: Path) -> None:
    machine.device("vda")
    machine.mount(place, machine.device("dm-0", "vda", **LUKS))
    machine.mount(place, "vda")
    assert machine.found(place).kind == "clear"


def test_nothing_known_is_nothing_told(machine: Machine, place: Path) -> None:
    assert machine.found(place) == ("unknown", "no mount is known for it")


@pytest.mark.parametrize(
    ("said", "expected"), [("aes-256-gcm", "encrypted"), ("off", "clear"), ("", "unknown"), (None, "unknown")]
)
def test_zfs_is_asked(
    machine: Machine, place: Path, monkeypatch: pytest.MonkeyPatch, said: str | None, expected: str
) -> None:
    programs = place / "bin"
    programs.mkdir()
    if said is not None:
        (programs / "zfs").write_text(f"#!/bin/sh\n[ -z '{said}' ] || echo {said}\n")
        (programs / "zfs").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:/bin" if said is not None else str(programs))
    machine.mount(place, "tank/data", "zfs")
    assert machine.found(place).kind == expected


def test_this_machine_is_read_without_a_fault() -> None:
    assert Kernel().encryption(Path("/")).kind in ("encrypted", "clear", "unknown")
    assert Kernel().encryption(Path("/dev/shm")).kind == "unknown"
