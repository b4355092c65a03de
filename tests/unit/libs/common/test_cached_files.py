"""What lies in memory is read at once, and nothing else is claimed to."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryFile

import pytest

from libs.common.storage.cached import CachedFiles, NotCached


def test_a_file_just_written_is_read_and_one_that_is_missing_is_not(tmp_path: Path) -> None:
    files, path = CachedFiles(), tmp_path / "file"
    path.write_bytes(b"0123456789")
    descriptor = files.open(str(path))
    if descriptor < 0:
        return  # a kernel before 5.12, or a profile that forbids it
    assert not os.get_inheritable(descriptor)
    with suppress(NotCached):  # not every file system tells
        assert files.read(descriptor, 4, 3) == b"3456"
    with pytest.raises(NotCached):
        files.read(descriptor, 11, 0)  # it is shorter
    os.close(descriptor)
    assert files.open(str(tmp_path / "nothing")) == -1
    assert files.open(str(path / "beyond")) == -1


@pytest.mark.skipif(not os.access("/dev/shm", os.W_OK), reason="no tmpfs")
def test_a_file_system_in_memory_has_no_disk_to_wait_for() -> None:
    with TemporaryFile(dir="/dev/shm", buffering=0) as file:
        file.write(b"0123456789")
        files = CachedFiles()
        assert files.read(file.fileno(), 4, 3) == files.read(file.fileno(), 4, 3) == b"3456"


def test_a_descriptor_that_cannot_be_read_gives_nothing(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path, os.O_RDONLY)
    with pytest.raises(NotCached):
        CachedFiles().read(descriptor, 4, 0)
    os.close(descriptor)
