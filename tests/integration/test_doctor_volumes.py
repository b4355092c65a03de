"""Which folder the doctor looks below, and what it makes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from libs.common import podman
from libs.common.disk_encryption import DiskEncryption, Kernel
from services.operator.doctor import engine, volumes
from services.operator.settings import OperatorSettings


class Recorder(Kernel):
    """Answers the same of every folder, and keeps which were asked for."""

    def __init__(self, found: DiskEncryption) -> None:
        super().__init__()
        object.__setattr__(self, "found", found)
        object.__setattr__(self, "asked", [])

    found: DiskEncryption
    asked: list[Path]

    def encryption(self, folder: Path, depth: int = 0) -> DiskEncryption:
        self.asked.append(folder)
        return self.found


@pytest.mark.parametrize(
    ("found", "level"),
    [
        (DiskEncryption("encrypted", "data is LUKS2"), "ok"),
        (DiskEncryption("clear", "vda is not encrypted as far as this machine sees"), "warning"),
        (DiskEncryption("unknown", "another machine keeps it (nfs4)"), "note"),
    ],
)
async def test_the_embedded_server_lies_in_the_data_folder(
    tmp_path: Path, found: DiskEncryption, level: str
) -> None:
    kernel = Recorder(found)
    (finding,) = await volumes.check(OperatorSettings(data_dir=tmp_path), kernel)
    assert kernel.asked == [tmp_path]
    assert (finding.level, found.told in finding.what) == (level, True)
    assert (finding.advice is None) == (level == "ok")


async def test_a_server_on_this_machine_says_where_its_data_are(database_url: str) -> None:
    kernel = Recorder(DiskEncryption("encrypted", "data is LUKS2"))
    await volumes.check(OperatorSettings.model_validate({"database_admin_url": database_url}), kernel)
    (folder,) = kernel.asked
    assert (folder / "PG_VERSION").is_file()


@pytest.mark.parametrize("url", ["postgresql://x@db.example.org/d", "postgresql:///d?host=/nowhere"])
async def test_of_a_server_elsewhere_nothing_is_known(url: str) -> None:
    kernel = Recorder(DiskEncryption("encrypted", ""))
    (finding,) = await volumes.check(OperatorSettings.model_validate({"database_url": url}), kernel)
    assert (finding.level, kernel.asked) == ("note", [])


def test_what_podman_lacks_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert engine.check() == []
    (tmp_path / "podman").write_text("#!/bin/sh\n")
    (tmp_path / "podman").chmod(0o755)
    lack = podman.Lack("containers have no network (netavark)", "netavark")
    monkeypatch.setattr(podman, "missing", lambda: [lack])
    (finding,) = engine.check()
    assert (finding.level, finding.advice) == ("warning", "apt-get install netavark")
    monkeypatch.setattr(podman, "missing", list)
    assert [one.level for one in engine.check()] == ["ok"]
