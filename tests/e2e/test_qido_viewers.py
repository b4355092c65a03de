"""Searches as OHIF, Weasis and dcm4che send them, over real files; what each reads in the answers is there.

Their sources say how URLs are made: https://github.com/OHIF/Viewers (`DicomWebDataSource/qido.js`),
https://github.com/nroduit/Weasis (`RsQueryResult`), https://github.com/dcm4che/dcm4che (`qidors`).
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree

import pydicom
import pytest
from pydicom.data import get_charset_files, get_testdata_file
from yarl import URL

from tests.e2e.conftest import NewUser, System
from tests.e2e.processes import Client

pytestmark = pytest.mark.peers

FILES = ("CT_small.dcm", "MR_small.dcm", "JPEG2000.dcm", "examples_ybr_color.dcm", "rtplan.dcm", "chrH31.dcm")
OHIF = "includefield=00081030%2C00080060%2C00080090%2C00100030"
WEASIS = (
    "includefield=00080020,00080030,00080050,00081030,00080061,00080090,00100010,00100020,00100021,00100030,"
    "00100040,0020000D,00200010"
)


def content(name: str) -> bytes:
    """A file of pydicom's."""
    path = get_testdata_file(name) or next(iter(get_charset_files(name)), None)
    assert path is not None
    return Path(path).read_bytes()


async def matches(client: Client, path: str, accept: str = "application/dicom+json") -> list[dict[str, Any]]:
    """What a viewer gets; the address is sent as it is written."""
    url = URL(f"{client.urls['results']}/dicom-web/{path}", encoded=True)
    headers = {**client.headers, "Accept": accept}
    async with client.session.get(url, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        assert answer.headers["Content-Type"] == "application/dicom+json"
        found: list[dict[str, Any]] = await answer.json(content_type=None)
        return found


def value(match: dict[str, Any], tag: str) -> Any:
    """The first value, None without one."""
    return match[tag].get("Value", [None])[0]


@pytest.mark.parametrize("system", ["embedded"], indirect=True)
async def test_viewers_find_what_they_ask_for(system: System, new_user: NewUser) -> None:
    client = await new_user()
    held = {name: content(name) for name in FILES}
    status, answer = await client.upload(*held.items())
    assert status == 202, answer
    for file in answer["files"]:
        await client.ended(file["id"])
    sets = {name: pydicom.dcmread(io.BytesIO(data), stop_before_pixels=True) for name, data in held.items()}
    uids = {str(one.StudyInstanceUID) for one in sets.values()}

    # OHIF: the list, its filters, a study by UID, its series.
    listed = await matches(client, f"studies?limit=101&offset=0&fuzzymatching=false&{OHIF}")
    assert {value(match, "0020000D") for match in listed} == uids
    for match in listed:
        assert value(match, "00201208") >= 1
        assert {"00080020", "00080030", "00080050", "00080061", "00100010", "00100020"} <= match.keys()
    ct = sets["CT_small.dcm"]
    family = str(ct.PatientName).partition("^")[0].lower()[1:-1]
    page = f"limit=101&offset=0&fuzzymatching=true&{OHIF}"
    for query in (
        f"PatientName=*{family}*&{page.replace('true', 'false')}",
        f"PatientName=%2A{family}%2A&00100020=%2A{ct.PatientID[1:]}%2A&{page.replace('true', 'false')}",
        f"StudyDate={ct.StudyDate}-{ct.StudyDate}&ModalitiesInStudy=CT,XX&{page}",
        f"StudyInstanceUID={ct.StudyInstanceUID}%5C%5C1.2.3&{page}",
    ):
        found = {value(match, "0020000D") for match in await matches(client, f"studies?{query}")}
        assert str(ct.StudyInstanceUID) in found, query
        assert len(found) < len(uids), query
    (series,) = await matches(
        client, f"studies/{ct.StudyInstanceUID}/series?includefield=0008103E%2C00080021"
    )
    assert value(series, "0020000E") == ct.SeriesInstanceUID
    assert (value(series, "00080060"), value(series, "00201209")) == ("CT", 1)
    assert value(series, "00080021") == ct.SeriesDate

    # Weasis: from a patient, a study, a series and an instance downwards.
    accept = "application/dicom+json"
    for path in (
        f"studies?00100020={ct.PatientID}&{WEASIS}",
        f"studies?0020000D={ct.StudyInstanceUID}&{WEASIS}",
        f"series?0020000E={ct.SeriesInstanceUID}&{WEASIS},0008103E,00080060,00081190,00200011",
        f"instances?00080018={ct.SOPInstanceUID}&{WEASIS},0008103E,00080060,0020000E,00200011,00200013,00081190",
    ):
        found_there = await matches(client, path, accept)
        (match,) = [one for one in found_there if value(one, "0020000D") == ct.StudyInstanceUID]
        assert value(match, "00100020") == ct.PatientID
        assert value(match, "00100010") == {"Alphabetic": str(ct.PatientName)}
        assert value(match, "00081190").startswith(f"{client.urls['results']}/dicom-web/studies/")
    (instance,) = await matches(
        client,
        f"studies/{ct.StudyInstanceUID}/series/{ct.SeriesInstanceUID}/instances"
        "?includefield=00080018,00200013,00081190",
    )
    assert value(instance, "00080018") == ct.SOPInstanceUID
    assert (value(instance, "00280010"), value(instance, "00280100")) == (ct.Rows, ct.BitsAllocated)

    # Names in other scripts, by any of their groups.
    han = sets["chrH31.dcm"]
    for group in (han.PatientName.ideographic, han.PatientName.phonetic, han.PatientName.alphabetic.lower()):
        found_there = await matches(client, f"studies?PatientName={quote(group.partition('^')[0])}*&limit=5")
        assert [value(match, "0020000D") for match in found_there] == [han.StudyInstanceUID]
        assert value(found_there[0], "00100010")["Ideographic"] == han.PatientName.ideographic

    # dcm4che's qidors takes XML as well.
    headers = {**client.headers, "Accept": 'multipart/related; type="application/dicom+xml"'}
    url = f"{client.urls['results']}/dicom-web/studies?PatientID={ct.PatientID}"
    async with client.session.get(url, headers=headers) as answer_:
        boundary = answer_.content_type and answer_.headers["Content-Type"].partition("boundary=")[2]
        parts = (await answer_.read()).split(f"--{boundary}".encode())[1:-1]
    for part in parts:
        document = ElementTree.fromstring(part.partition(b"\r\n\r\n")[2])
        assert document.tag.endswith("NativeDicomModel")
    assert parts
