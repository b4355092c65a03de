"""Both dictionaries say everything that the scripts and the other services can ask of them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from pydicom._dicom_dict import DicomDictionary, RepeatersDictionary

from libs.common import errors
from libs.common.events import FailureReason
from services.portal.app import STATIC
from services.results.write.reports import UNSTORABLE_REASON

ROOT = Path(__file__).resolve().parents[4]
LANGUAGES = ("es", "en")
# Keys put together at run time: `state.${state}` and the like.
ASSEMBLED = re.compile(r"[`']([a-zA-Z]+)\.\$\{")


def dictionary(language: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for path in sorted((STATIC / "i18n" / language).glob("*.json")):
        area: dict[str, str] = json.loads(path.read_text())
        assert found.keys().isdisjoint(area), path
        found |= area
    return found


def scripts() -> str:
    return "\n".join(path.read_text() for path in sorted(STATIC.rglob("*.js")))


def used_keys(known: set[str]) -> set[str]:
    spaces = {key.split(".")[0] for key in known}
    quoted = re.findall(r"'([a-zA-Z]+\.[a-zA-Z0-9.]+)'", scripts())
    # A key ends neither in a file's extension nor in a host's: those with a known first word are keys.
    return {key for key in quoted if key.split(".")[0] in spaces}


def test_both_have_the_same_keys_in_the_same_order() -> None:
    assert list(dictionary("es")) == list(dictionary("en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_text_is_empty_and_parameters_agree(language: str) -> None:
    other = dictionary("en" if language == "es" else "es")
    for key, text in dictionary(language).items():
        assert text.strip() == text != "", key
        assert set(re.findall(r"\{\w+\}", text)) == set(re.findall(r"\{\w+\}", other[key])), key


def test_every_key_that_a_script_or_the_page_names_exists() -> None:
    texts = dictionary("es")
    names = "language user list link renewal renewed theme shortcuts upload tab"
    stored = {f"dicom.{name}" for name in names.split()}
    missing = {
        key
        for key in used_keys(set(texts)) - stored
        if key not in texts and f"{key}.other" not in texts and f"{key}Named" not in texts
    }
    assert missing == set()


def test_every_text_is_used() -> None:
    assembled = set(ASSEMBLED.findall(scripts()))
    used = used_keys(set(dictionary("es")))
    unused = {
        key
        for key in dictionary("es")
        if re.sub(r"\.(one|other)$|Named$", "", key) not in used
        and key not in used
        and key.split(".")[0] not in assembled
    }
    assert unused == set()


def test_plurals_come_in_pairs() -> None:
    texts = dictionary("es")
    for key in texts:
        if key.endswith(".one"):
            assert f"{key.removesuffix('.one')}.other" in texts


def subclasses(kind: type[errors.DicomSystemError]) -> Iterator[type[errors.DicomSystemError]]:
    for child in kind.__subclasses__():
        yield child
        yield from subclasses(child)


NEVER_SENT = {"configuration", "rejected-message", "undelivered", "attempt-failed", "handed-on"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_problem_code_has_a_sentence(language: str) -> None:
    codes = {kind.code for kind in subclasses(errors.DicomSystemError)} - NEVER_SENT
    faults = re.compile(r'DicomFault\(\s*"([a-z-]+)"')
    given = re.compile(r'\bcode="([a-z-]+)"')
    for path in (ROOT / "libs" / "dicom").glob("*.py"):
        codes.update(faults.findall(path.read_text()))
    for path in (ROOT / "services").rglob("*.py"):
        codes.update(given.findall(path.read_text()))
    codes |= {"wrong-credentials", "invalid-dimensions", "client-gone", "request-timeout"}
    assert {code for code in codes if f"problem.{code}" not in dictionary(language)} == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_failure_reason_has_a_sentence(language: str) -> None:
    reasons = {*get_args(FailureReason), UNSTORABLE_REASON}
    assert {r for r in reasons if f"failure.{r}" not in dictionary(language)} == set()


def test_the_names_of_dicom_attributes_are_those_of_the_standard() -> None:
    names: dict[str, str] = json.loads((STATIC / "dicom/attribute-names.json").read_text())
    known = {f"{tag:08X}": entry[2] for tag, entry in DicomDictionary.items() if entry[4]}
    assert {tag: name for tag, name in names.items() if "x" not in tag} == known
    spanish: dict[str, str] = json.loads((STATIC / "dicom/attribute-names-es.json").read_text())
    assert len(spanish) >= 200
    assert spanish.keys() <= known.keys()
    assert len(set(spanish.values())) == len(spanish)
    repeated = {tag: name for tag, name in names.items() if "x" in tag}
    assert repeated == {tag: RepeatersDictionary[tag][2] for tag in repeated}
