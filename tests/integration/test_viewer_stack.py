"""A series as a stack: of which collection, with which files, what asking again costs, what is noted."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from pydicom import dcmwrite
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.uid import ExplicitVRLittleEndian

from libs.common.database.postgres import Connection
from libs.common.http.audited import AUDIT_TRAILS
from libs.common.ids import file_key
from services.results.viewer.models import SeriesStack
from tests import wheel
from tests.builders import ct_instance
from tests.results_support import MEMBER, STAFF, STRANGER, Results, running_results
from tests.unit.services.results.events import failed, processed
from tests.wado_support import Stored, store

SERIES = "1.2.826.0.1.3680043.8.498.77"


@pytest.fixture
async def results(role_url: Callable[[str], str], tmp_path: Path) -> AsyncIterator[Results]:
    """One replica, which tells of twelve frames at most."""
    async with running_results(role_url("results"), tmp_path, pixels_slots=1, stack_max_frames=12) as running:
        yield running


def slice_of(number: int, z: float, **elements: Any) -> bytes:
    told = {
        "SeriesInstanceUID": SERIES,
        "SOPInstanceUID": f"{SERIES}.{number}",
        "InstanceNumber": number,
        "ImagePositionPatient": [0.0, 0.0, z],
        "ImageOrientationPatient": [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
        "PixelSpacing": [0.5, 0.5],
        "RescaleSlope": "1",
        "RescaleIntercept": "-1024",
    }
    return ct_instance(16, 16, seed=number, **{**told, **elements})


async def slices(results: Results, *heights: float, **event: Any) -> list[Stored]:
    return [await store(results, slice_of(n, z), **event) for n, z in enumerate(heights, 1)]


def path_of(query: str = "", series: str = SERIES) -> str:
    return f"/api/series/{series}/stack{query}"


async def stack(results: Results, query: str = "", series: str = SERIES, user: int = 7) -> Any:
    found = await results.json(path_of(query, series), user)
    SeriesStack.model_validate(found)
    return found


async def test_a_series_with_a_waiting_and_a_failed_file(results: Results) -> None:
    first, second, third = await slices(results, 5, 1, 3)
    await results.publish(
        processed(first.file_id, statistics={"min": 0, "max": 4000, "histogram": [1, 2]}),
        failed(second.file_id, reason="decode-failed"),
    )
    found = await stack(results)
    one, two, three = found["instances"]
    assert [one["file_id"], two["file_id"], three["file_id"]] == [
        str(sent.file_id) for sent in (first, second, third)
    ]
    assert [one["state"], two["state"], three["state"]] == ["processed", "failed", "received"]
    assert two["error"]["code"] == "decode-failed"
    assert (one["error"], three["error"]) == (None, None)
    assert (one["range"], two["range"], three["range"]) == ([-1024, 2976], None, None)
    assert (one["values"], one["slope"], one["intercept"], one["unit"]) == ("uint16", 1, -1024, "HU")
    assert one["position"] == [0, 0, 5]
    (group,) = found["groups"]
    assert (group["order"], group["frames"]) == ("position", [[1, 1], [2, 1], [0, 1]])
    assert (group["spacing_between"], group["normal"]) == (2, [0, 0, 1])
    assert (found["modality"], found["collection"], found["unknown"]) == ("CT", "user:7", 0)
    study = await results.json(f"/api/studies/{first.study}")
    assert found["study_instance_uid"] == study["study_instance_uid"]
    for name, value in found["patient"].items():
        assert study[name] == value
    assert found["patient"]["patient_name"]
    assert found["study_date"] == study["study_date"]
    found = await stack(results, "?order=instance")
    (group,) = found["groups"]
    assert (group["order"], group["frames"]) == ("instance", [[0, 1], [1, 1], [2, 1]])


async def test_asking_again_costs_nothing_until_a_file_has_another_state(results: Results) -> None:
    first, _ = await slices(results, 1, 2)
    async with await results.get(path_of()) as answer:
        tag = answer.headers["ETag"]
        assert answer.headers["Content-Encoding"] == "gzip"
        assert "private" in answer.headers["Cache-Control"]
    async with await results.get(path_of(), Accept_Encoding="identity") as answer:
        assert "Content-Encoding" not in answer.headers
        assert (await answer.json())["groups"]
    async with await results.get(path_of(), If_None_Match=tag) as answer:
        assert (answer.status, answer.headers["ETag"]) == (304, tag)
    async with await results.get(path_of("?order=instance"), If_None_Match=tag) as answer:
        assert answer.status == 200
    await results.publish(processed(first.file_id))
    async with await results.get(path_of(), If_None_Match=tag) as answer:
        assert answer.status == 200
        assert answer.headers["ETag"] != tag


async def test_files_without_a_header_are_counted(results: Results, sql: Connection) -> None:
    first, second = await slices(results, 1, 2)
    await sql.execute(
        "UPDATE results.upload_dicomresult SET raw_data = NULL WHERE file_id = $1", first.file_id
    )
    found = await stack(results)
    assert found["unknown"] == 1
    assert [one["file_id"] for one in found["instances"]] == [str(second.file_id)]
    await sql.execute("UPDATE results.upload_dicomresult SET raw_data = '{}'")
    found = await stack(results)
    assert [one["kind"] for one in found["instances"]] == ["other", "other"]
    await sql.execute("UPDATE results.upload_dicomresult SET state = 'superseded'")
    await results.json(path_of(), status=404)


async def test_which_collection_and_who_sees_it(results: Results) -> None:
    own = await store(results, slice_of(1, 1))
    group = await store(results, slice_of(2, 2), collection="group:3", owner_id=MEMBER)
    for user, query, expected in (
        (7, "", own),
        (7, "?collection=user:7", own),
        (7, "?collection=group:3", None),
        (MEMBER, "", group),
        (MEMBER, "?collection=group:3", group),
        (MEMBER, "?collection=user:7", None),
        (STRANGER, "", None),
        (STAFF, "?collection=group:3", group),
        (STAFF, "", own),
    ):
        if expected is None:
            problem = await results.json(path_of(query), user, 404)
            assert problem["detail"] == "You have no series with this UID."
        else:
            found = await stack(results, query, user=user)
            assert [one["file_id"] for one in found["instances"]] == [str(expected.file_id)], (user, query)
    for wrong in ("9.9", "x" * 65, "1%00"):
        await results.json(path_of(series=wrong), status=404)
    for query in ("?collection=me", "?order=none", "?orders=instance"):
        await results.json(path_of(query), status=400)


async def test_more_frames_than_are_told_of(results: Results) -> None:
    await store(results, frames_of(1, 7))
    assert len((await stack(results))["groups"][0]["frames"]) == 7
    await store(results, frames_of(2, 6))
    problem = await results.json(path_of(), status=422)
    assert problem["code"] == "stack-too-large"
    assert "13 frames" in problem["detail"]


def frames_of(number: int, frames: int) -> bytes:
    return ct_instance(
        16, 16, frames=frames, seed=number, SeriesInstanceUID=SERIES, SOPInstanceUID=f"{SERIES}.{number}"
    )


def items(*contents: dict[str, Any]) -> DicomSequence:
    found = DicomSequence()
    for content in contents:
        item = Dataset()
        for keyword, value in content.items():
            setattr(item, keyword, value)
        found.append(item)
    return found


def made(**elements: Any) -> bytes:
    data_set = Dataset()
    told: dict[str, Any] = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2.1",
        "SOPInstanceUID": f"{SERIES}.5",
        "SeriesInstanceUID": SERIES,
        "StudyInstanceUID": f"{SERIES}.0",
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "Rows": 2,
        "Columns": 2,
        "BitsAllocated": 16,
        "BitsStored": 16,
        "HighBit": 15,
        "PixelRepresentation": 0,
        "PixelData": bytes(8 * elements.get("NumberOfFrames", 1)),
    }
    for keyword, value in {**told, **elements}.items():
        setattr(data_set, keyword, value)
    data_set["PixelData"].VR = "OW"
    data_set.file_meta = FileMetaDataset()
    data_set.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data_set.file_meta.MediaStorageSOPClassUID = data_set.SOPClassUID
    data_set.file_meta.MediaStorageSOPInstanceUID = data_set.SOPInstanceUID
    out = io.BytesIO()
    dcmwrite(out, data_set, enforce_file_format=True)
    return out.getvalue()


async def test_functional_groups_come_from_the_database_in_their_order(results: Results) -> None:
    frames = [
        {
            "PlanePositionSequence": items({"ImagePositionPatient": [0, 0, z]}),
            "FrameContentSequence": items({"StackID": "a", "FrameAcquisitionDateTime": "20240117101112"}),
            "FrameAnatomySequence": items({"FrameLaterality": "R"}),
            "FrameVOILUTSequence": items({"WindowCenter": str(z), "WindowWidth": "10"}),
        }
        for z in (3, 1, 2, 12, 11, 10, 9, 8, 7, 6, 5, 4)
    ]
    shared = {
        "PlaneOrientationSequence": items({"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]}),
        "PixelMeasuresSequence": items({"PixelSpacing": [0.5, 0.5]}),
    }
    content = made(
        NumberOfFrames=12,
        SharedFunctionalGroupsSequence=items(shared),
        PerFrameFunctionalGroupsSequence=items(*frames),
    )
    await store(results, content)
    found = await stack(results)
    (one,) = found["instances"]
    assert (one["position"], one["spacing"], one["acquired"]) == (
        [0, 0, 3],
        [0.5, 0.5],
        "2024-01-17T10:11:12",
    )
    assert [told.get("position") for told in one["per_frame"][:3]] == [None, [0, 0, 1], [0, 0, 2]]
    assert one["per_frame"][3]["windows"][0]["center"] == 12
    (group,) = found["groups"]
    assert [number for _, number in group["frames"]] == [2, 3, 1, 12, 11, 10, 9, 8, 7, 6, 5, 4]


async def test_long_lookup_tables_are_fetched(results: Results) -> None:
    entries = np.arange(4096, dtype="<u2") ** 2 % 4096
    table = {"LUTDescriptor": [4096, 0, 12], "LUTData": entries.astype("<u2").tobytes()}
    sent = await store(results, made(VOILUTSequence=items(table)))
    (one,) = (await stack(results))["instances"]
    assert one["voi_lut"] == {"first": 0, "bits": 12, "entries": entries.tolist()}
    async with await results.get(f"/api/results/{sent.file_id}/frames/1?window=lut") as answer:
        assert answer.status == 200
    await results.storage.delete(file_key(sent.file_id))
    (one,) = (await stack(results))["instances"]
    assert one["voi_lut"] is None


async def test_documents_are_at_the_end(results: Results) -> None:
    report = await store(results, wheel.path_of("test_files/test-SR.dcm").read_bytes())
    found = await stack(results, series=report.series)
    (one,) = found["instances"]
    assert (one["kind"], one["frames"], found["groups"][-1]["frames"]) == ("report", 0, [[0, 1]])


async def test_a_stack_is_noted_once_for_itself_and_its_frames(results: Results, sql: Connection) -> None:
    first, second = await slices(results, 1, 2)
    trail = results.client.app[AUDIT_TRAILS]["results"]

    async def noted() -> list[tuple[str, str]]:
        await trail.flush()
        rows = await sql.fetch("SELECT entry::text AS entry FROM auth.audit_pending ORDER BY id")
        await sql.execute("DELETE FROM auth.audit_pending")
        found = [orjson.loads(row["entry"]) for row in rows]
        for one in found:
            if one["action"] == "view_stack" and one["ending"] == "success":
                assert one["studies"] == [first.study]
                assert (one["collection"], one["details"]["series"]) == ("user:7", SERIES)
        return [(one["action"], one["ending"]) for one in found if one["action"].startswith("view_")]

    async with await results.get(f"/api/results/{first.file_id}/frames/1") as answer:
        assert answer.status == 200
    assert await noted() == [("view_frames", "success")]
    for _ in range(3):
        await results.json(path_of())
    assert await noted() == [("view_stack", "success")]
    for sent in (first, second):
        async with await results.get(f"/api/results/{sent.file_id}/frames/1") as answer:
            assert answer.status == 200
    await results.json(path_of(series="1.2.3.4.5"), status=404)
    assert await noted() == [("view_stack", "refused")]
    await results.json(path_of("?collection=user:7"), STAFF)
    assert await noted() == [("view_stack", "success")]
