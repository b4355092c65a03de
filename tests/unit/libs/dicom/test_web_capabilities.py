"""The capabilities document says what the table of transactions says; Accept headers choose its form."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from libs.dicom.web.accept import chosen
from libs.dicom.web.capabilities import capabilities, wadl
from libs.dicom.web.transactions import TRANSACTIONS, WebTransaction

WADL = "{http://wadl.dev.java.net/2009/02}"
STORE = WebTransaction(
    service="STOW-RS",
    name="Store",
    source="PS3.18 10.5",
    method="POST",
    path="/studies/{study}",
    gives=("application/dicom+json", "application/dicom+xml"),
    takes=('multipart/related; type="application/dicom"',),
    query=("x&y",),
)
OFFERED = ("application/dicom+json", "application/dicom+xml")


def test_wadl_names_each_method_with_what_it_takes_and_gives() -> None:
    root = ElementTree.fromstring(wadl("https://pacs.example/dicom-web?a&b", (*TRANSACTIONS, STORE)))
    resources = root.find(f"{WADL}resources")
    assert resources is not None
    assert resources.attrib["base"] == "https://pacs.example/dicom-web?a&b"
    found = {
        (resource.attrib["path"], method.attrib["name"]): [
            shown.attrib["mediaType"] for shown in method.iter(f"{WADL}representation")
        ]
        for resource in resources
        for method in resource.findall(f"{WADL}method")
    }
    assert found[("studies/{study}", "POST")] == [*STORE.takes, *STORE.gives]
    assert set(found) == {(one.path.lstrip("/"), one.method) for one in (*TRANSACTIONS, STORE)}
    (store,) = [one for one in resources if one.attrib["path"] == "studies/{study}"]
    (variable,) = [one for one in store.iter(f"{WADL}param") if one.attrib["style"] == "template"]
    assert variable.attrib["name"] == "study"
    ids = [method.attrib["id"] for method in root.iter(f"{WADL}method")]
    assert len(set(ids)) == len(ids)


def test_json_says_the_same() -> None:
    told = capabilities("https://pacs.example/dicom-web", (STORE,))
    assert told["transactions"][0]["path"] == "/studies/{study}"
    assert told["transactions"][0]["response_types"] == list(STORE.gives)


@pytest.mark.parametrize(
    ("accept", "expected"),
    [
        ("", OFFERED[0]),
        ("*/*", OFFERED[0]),
        ("application/*", OFFERED[0]),
        ("application/dicom+xml", OFFERED[1]),
        ("APPLICATION/DICOM+XML", OFFERED[1]),
        ('application/dicom+xml; charset="utf-8", x/y', OFFERED[1]),
        ("application/dicom+json;q=0.5, application/dicom+xml", OFFERED[1]),
        ("application/dicom+xml;q=0.2, */*;q=0.1", OFFERED[1]),
        ("application/dicom+json;q=0, application/dicom+xml;q=0.1", OFFERED[1]),
        ("text/html, *;q=.2, */*; q=.2", OFFERED[0]),
        ("text/html", OFFERED[0]),
        ("rubbish", OFFERED[0]),
    ],
)
def test_the_type_that_is_wanted_most(accept: str, expected: str) -> None:
    assert chosen([accept], OFFERED) == expected
    assert chosen([], OFFERED) == OFFERED[0]
