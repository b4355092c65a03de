"""DCMTK's programs on a running system: what modalities do on the first day."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.builders import JPEG_BASELINE, ct_instance, encapsulated_instance
from tests.dcmtk import program as dcmtk_program
from tests.e2e.conftest import System
from tests.e2e.processes import Client, client_of
from tests.waiting import eventually

LISTENING = re.compile(r"listening for associations of DICOM on 127\.0\.0\.1 port ([0-9]+)")
ROOT = "1.2.826.0.1.3680043.8.498.14"


@pytest.fixture(scope="module")
def door(embedded_system: System) -> list[str]:
    """What DCMTK is told to call."""
    found = LISTENING.search(embedded_system.processes["services"].output())
    assert found is not None
    return ["-aec", "DICOM", "127.0.0.1", found[1]]


def dcmtk(program: str, *arguments: str) -> tuple[int, str]:
    command = [dcmtk_program(program), "-v", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=250, check=False)
    return done.returncode, done.stdout + done.stderr


def test_echo(door: list[str]) -> None:
    code, said = dcmtk("echoscu", *door)
    assert code == 0, said
    assert "Received Echo Response (Success)" in said


def test_another_called_ae_title(door: list[str]) -> None:
    code, said = dcmtk("echoscu", "-aec", "ARCHIVE", *door[2:])
    assert code != 0
    assert "Called AE Title Not Recognized" in said


async def test_what_is_sent_is_the_administrators(
    embedded_system: System, door: list[str], tmp_path: Path
) -> None:
    contents = {
        "native": ct_instance(seed=1, StudyInstanceUID=f"{ROOT}.1", sop_instance_uid=f"{ROOT}.1.1"),
        "refused": ct_instance(seed=2, StudyInstanceUID=None, sop_instance_uid=f"{ROOT}.1.2"),
        "jpeg": encapsulated_instance(
            [b"", b"\xff\xd8\xff\xd9"], StudyInstanceUID=f"{ROOT}.1", SOPInstanceUID=f"{ROOT}.1.3"
        ),
    }
    files = []
    for name, content in contents.items():
        (path := tmp_path / name).write_bytes(content)
        files.append(str(path))
    native, refused, jpeg = files
    _, said = dcmtk("storescu", "-nh", *door, refused, native)
    assert said.count("Received Store Response (Success)") == 1, said
    assert "Error: DataSetDoesNotMatchSOPClass" in said, said
    # All transfer syntaxes in one presentation context: ours is the choice.
    code, said = dcmtk("storescu", "+C", "-xy", *door, jpeg)
    assert code == 0, said
    _, said = dcmtk("storescu", *door, native)
    assert "Received Store Response (Success)" in said, said
    async with client_of(embedded_system.urls) as client:
        await client.login()
        found = await eventually(lambda: study_of(client, 2))
        assert {file["transfer_syntax_uid"] for file in found} == {"1.2.840.10008.1.2.1", JPEG_BASELINE}


async def study_of(client: Client, count: int) -> list[dict[str, str]]:
    """The files of the study, once there are so many."""
    status, body = await client.get("/api/files", limit="200")
    assert status == 200
    found = [file for file in body["files"] if file["study_instance_uid"] == f"{ROOT}.1"]
    assert len(found) == count
    return found
