"""dicomweb-client, as it comes, stores into the running system, searches it and reads, with an API key."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from typing import Any

import pydicom
import pytest
import requests
from dicomweb_client.api import DICOMwebClient

from tests import wheel
from tests.builders import EXPLICIT_LE, UID_ROOT, ct_instance
from tests.e2e.conftest import NewUser, System
from tests.e2e.processes import Client


async def api_key(client: Client) -> str:
    """A key of the account that is signed in."""
    url, wanted = f"{client.urls['auth']}/api/auth/me/api-keys", {"name": "viewer", "days": 2}
    async with client.session.post(url, json=wanted, headers=client.headers) as answer:
        made: dict[str, str] = await answer.json()
        assert answer.status == 201, made
    return made["key"]


def store(url: str, key: str, files: Sequence[bytes], study_uid: str | None = None) -> Any:
    """What the client makes of the answer: a data set."""
    with requests.Session() as session:
        session.auth = ("anybody", key)
        client = DICOMwebClient(url, session=session)
        sets = [pydicom.dcmread(io.BytesIO(one)) for one in files]
        return client.store_instances(sets, study_uid)


@pytest.mark.parametrize("system", ["embedded"], indirect=True)
async def test_instances_are_stored_measured_and_told_of(system: System, new_user: NewUser) -> None:
    client = await new_user()
    key, root = await api_key(client), f"{client.urls['ingest']}/dicom-web"
    uid = f"{UID_ROOT}.21"
    files = [ct_instance(seed=seed, StudyInstanceUID=uid) for seed in (1, 2)]
    for _ in range(2):  # and again: nothing is missing where all was there before
        answer = await asyncio.to_thread(store, root, key, files, uid)
        assert [item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence] == [
            f"{UID_ROOT}.4.1",
            f"{UID_ROOT}.4.2",
        ]
        assert answer.RetrieveURL == f"{root}/studies/{uid}"
        assert "FailedSOPSequence" not in answer
    status, listed = await client.get("/api/files")
    assert (status, len(listed["files"])) == (200, 2)
    for file in listed["files"]:
        assert (await client.ended(file["id"]))["state"] == "processed"


def read(url: str, key: str, sent: pydicom.Dataset) -> dict[str, Any]:
    """What the client makes of each answer about one instance."""
    uids = (sent.StudyInstanceUID, sent.SeriesInstanceUID, sent.SOPInstanceUID)
    with requests.Session() as session:
        session.auth = ("anybody", key)
        client = DICOMwebClient(url, session=session)
        metadata = client.retrieve_series_metadata(*uids[:2])
        uri = metadata[0]["7FE00010"]["BulkDataURI"]
        (stored,), (some,) = client.retrieve_bulkdata(uri), client.retrieve_bulkdata(uri, byte_range=(3, 9))
        return {
            "metadata": metadata,
            "bulk data": stored,
            "some of it": some,
            "instance": client.retrieve_instance(*uids),
            "transcoded": client.retrieve_instance(*uids, media_types=(("application/dicom", EXPLICIT_LE),)),
            "series": client.retrieve_series(*uids[:2]),
            "frames": client.retrieve_instance_frames(*uids, [1]),
            "rendered": client.retrieve_instance_rendered(*uids, media_types=("image/png",)),
            "rendered frame": client.retrieve_instance_frames_rendered(*uids, [1]),
        }


@pytest.mark.parametrize("system", ["embedded"], indirect=True)
async def test_what_was_stored_is_read_back(system: System, new_user: NewUser) -> None:
    client = await new_user()
    key, root = await api_key(client), f"{client.urls['ingest']}/dicom-web"
    sent = pydicom.dcmread(wheel.path_of("test_files/MR_small_bigendian.dcm"))
    content = wheel.path_of("test_files/MR_small_bigendian.dcm").read_bytes()
    _, body = await client.upload(("a.dcm", content))
    await client.ended(body["files"][0]["id"])
    found = await asyncio.to_thread(read, root, key, sent)
    assert [one["00080018"]["Value"] for one in found["metadata"]] == [[sent.SOPInstanceUID]]
    pixels = sent.pixel_array
    for name in ("instance", "transcoded"):
        assert found[name].file_meta.TransferSyntaxUID == EXPLICIT_LE or name == "instance"
        assert (found[name].pixel_array == pixels).all(), name
    assert [one.SOPInstanceUID for one in found["series"]] == [sent.SOPInstanceUID]
    assert found["frames"] == [pixels.astype("<i2").tobytes()]
    assert found["bulk data"] == pixels.astype("<i2").tobytes()
    assert found["some of it"] == found["bulk data"][3:10]
    assert found["rendered"].startswith(b"\x89PNG")
    assert found["rendered frame"].startswith(b"\xff\xd8")


def search(url: str, key: str, study_uid: str) -> dict[str, Any]:
    """What the client finds at each level, as data sets."""
    with requests.Session() as session:
        session.auth = ("anybody", key)
        client = DICOMwebClient(url, session=session)
        series_uid = f"{study_uid}.1"
        found = {
            "studies": client.search_for_studies(
                fuzzymatching=True, fields=["StudyDescription", "00101010"],
                search_filters={"PatientName": "muller", "StudyDate": "20260101-20261231"},
            ),
            "all": client.search_for_studies(limit=1, get_remaining=True),
            "past the end": client.search_for_studies(offset=10),
            "none": client.search_for_studies(search_filters={"PatientID": "nobody"}),
            "series": client.search_for_series(search_filters={"Modality": "MR"}),
            "of a study": client.search_for_series(study_uid),
            "instances": client.search_for_instances(study_uid, series_uid, get_remaining=True, limit=2),
            "by number": client.search_for_instances(study_uid, search_filters={"InstanceNumber": 2}),
            "by uid": client.search_for_instances(search_filters={"00080018": f"{series_uid}.3"}),
        }  # fmt: skip
    return {name: [pydicom.Dataset.from_json(match) for match in matches] for name, matches in found.items()}


@pytest.mark.parametrize("system", ["embedded"], indirect=True)
async def test_what_was_sent_is_found_at_each_level(system: System, new_user: NewUser) -> None:
    client, other = await new_user(), await new_user()
    key, root = await api_key(client), f"{client.urls['results']}/dicom-web"
    uid = f"{UID_ROOT}.22"
    files = [
        (
            f"{number}.dcm",
            ct_instance(
                seed=number, sop_instance_uid=f"{study}.1.{number}", StudyInstanceUID=study,
                Modality=modality, SeriesInstanceUID=f"{study}.1", InstanceNumber=str(number),
                PatientName=name, StudyDate="20260131", StudyDescription="Thorax",
                SpecificCharacterSet="ISO_IR 192",
            ),
        )
        for study, modality, name, numbers in (
            (uid, "CT", "Müller^Jörg", (1, 2, 3)), (f"{uid}.9", "MR", "Doe^Jane", (4,))
        )
        for number in numbers
    ]  # fmt: skip
    status, answer = await client.upload(*files)
    assert status == 202, answer
    await client.all_ended(len(files))
    found = await asyncio.to_thread(search, root, key, uid)
    (study,) = found["studies"]
    assert (study.StudyInstanceUID, study.StudyDescription) == (uid, "Thorax")
    assert (study.NumberOfStudyRelatedSeries, study.NumberOfStudyRelatedInstances) == (1, 3)
    assert str(study.PatientName) == "Müller^Jörg"
    assert study.RetrieveURL == f"{root}/studies/{uid}"
    assert sorted(study.StudyInstanceUID for study in found["all"]) == [uid, f"{uid}.9"]
    assert found["past the end"] == found["none"] == []
    assert [series.SeriesInstanceUID for series in found["series"]] == [f"{uid}.9.1"]
    assert [series.NumberOfSeriesRelatedInstances for series in found["of a study"]] == [3]
    assert [instance.InstanceNumber for instance in found["instances"]] == [1, 2, 3]
    assert [instance.SOPInstanceUID for instance in found["by number"]] == [f"{uid}.1.2"]
    assert [instance.Rows for instance in found["by uid"]] == [64]
    none = await asyncio.to_thread(search, root, await api_key(other), uid)
    assert not any(none.values())
