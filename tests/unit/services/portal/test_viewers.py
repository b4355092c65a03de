"""VIEWERS: which addresses are taken, and what the page gets of them."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from services.portal.settings import PortalSettings
from services.portal.viewers import check_viewers, filled_in

PORTAL = "https://dicom.example.org/pacs"


@pytest.mark.parametrize(
    "address",
    [
        "https://viewer.example.org/viewer?StudyInstanceUIDs={studyUid}",
        "http://[::1]:3000/{studyUid}?from={publicUrl}",
        "weasis://?%24dicom%3Ars%20--url%20%22{dicomwebUrl}%22%20-r%20%22studyUID%3D{studyUid}%22",
        "radiant:?n=paet&v=pacs&v={collection}&n=pstv&v=0020000D&v={studyUid}",
        "{publicUrl}/ours/{studyUid}",
    ],
)
def test_viewers_of_the_web_and_of_the_machine_are_taken(address: str) -> None:
    check_viewers({"Visor": address})


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("javascript:alert('{studyUid}')", "javascript"),
        ("JavaScript:alert({studyUid})", "javascript"),
        ("data:text/html,{studyUid}", "data"),
        ("file:///etc/{studyUid}", "file"),
        ("https://viewer.example.org/", "studyUid"),
        ("https://viewer.example.org/{studyUid}/{patientName}", "braces"),
        ("https://viewer.example.org/{studyUid}}", "braces"),
        ("https://{studyUid}/", "host"),
        ("https://ana:secret@viewer.example.org/{studyUid}", "host"),
        ("https:///{studyUid}", "host"),
        ("//viewer.example.org/{studyUid}", "begins"),
        ("viewer/{studyUid}", "begins"),
        ("{publicUrl}.example.org/{studyUid}", "begins"),
        ("https://viewer.example.org/ {studyUid}", "encoded"),
        ("java\nscript:{studyUid}", "encoded"),
    ],
)
def test_what_runs_script_or_leads_nowhere_stops_the_start(address: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        check_viewers({"Visor": address})


def test_names_are_few_short_and_printable() -> None:
    address = "https://viewer.example.org/{studyUid}"
    for name in ("", "  ", "a\u202eb", "n" * 41):
        with pytest.raises(ValueError, match="name"):
            check_viewers({name: address})
    check_viewers({f"viewer {n}": address for n in range(20)})
    with pytest.raises(ValueError, match="more than 20"):
        check_viewers({f"viewer {n}": address for n in range(21)})


def test_the_servers_part_is_encoded_unless_the_address_begins_with_it() -> None:
    shown = filled_in(
        {
            "OHIF": "https://v.example.org/?u={studyUid}",
            "Weasis": "weasis://?{dicomwebUrl}&{studyUid}",
            "own": "{publicUrl}/view/{studyUid}?c={collection}",
            "root": "{dicomwebUrl}/studies/{studyUid}",
        },
        PORTAL,
    )
    assert json.loads(shown) == [
        ["OHIF", "https://v.example.org/?u={studyUid}"],
        [
            "Weasis",
            "weasis://?https%3A%2F%2Fdicom.example.org%2Fpacs%2Fdicom-web%2Fcollections%2F{collection}&{studyUid}",
        ],
        ["own", f"{PORTAL}/view/{{studyUid}}?c={{collection}}"],
        ["root", f"{PORTAL}/dicom-web/collections/{{collection}}/studies/{{studyUid}}"],
    ]


def test_the_setting_is_json_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIEWERS", '{"OHIF": "https://v.example.org/{studyUid}"}')
    assert PortalSettings().viewers == {"OHIF": "https://v.example.org/{studyUid}"}
    monkeypatch.setenv("VIEWERS", "")
    assert PortalSettings().viewers == {}
    monkeypatch.setenv("VIEWERS", '{"OHIF": "javascript:{studyUid}"}')
    with pytest.raises(ValidationError, match="javascript"):
        PortalSettings()
