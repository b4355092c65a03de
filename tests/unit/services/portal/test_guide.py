"""The user's guide: Markdown becomes trees of known elements, and both languages tell the same."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest

from services.portal.addresses import is_page
from services.portal.guide import DOCS, GuideError, MarkdownReader, Node, guide_files

ROUTES = (Path(__file__).parents[4] / "services" / "portal" / "static" / "app" / "routes.js").read_text()
PATTERNS = [re.compile(found.replace("\\/", "/")) for found in re.findall(r"pattern: /(\^.*\$)/,", ROUTES)]


def read(source: str, pictures: Path = DOCS) -> dict[str, Any]:
    return MarkdownReader(pictures).read(source)


def elements(nodes: list[Node]) -> list[list[Any]]:
    """Every element below, in order."""
    return [each for node in nodes if not isinstance(node, str) for each in ([*[node], *elements(node[2:])])]


def test_a_page_has_a_title_chapters_and_text(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(8) + struct.pack(">II", 640, 480))
    page = read(
        "# Guía\n\nUn *texto* con [enlace](/studies).\n\n## Qué es `mod:CT`\n\n"
        "![Lista](../screenshots/a.png)\n\n"
        "```sh\ncurl <x>\n```\n\n1. uno\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
        tmp_path,
    )
    assert page["title"] == "Guía"
    assert page["contents"] == [["que-es-mod-ct", "Qué es mod:CT"]]
    assert page["body"][0] == [
        *("p", {}, "Un ", ["em", {}, "texto"], " con ", ["a", {"href": "/studies"}, "enlace"], "."),
    ]
    assert page["body"][2] == [
        "p",
        {},
        ["img", {"src": "a.png", "alt": "Lista", "width": 640, "height": 480}],
    ]
    assert page["body"][3] == ["pre", {"language": "sh"}, "curl <x>"]
    assert [node[0] for node in page["body"][4:]] == ["ol", "table"]


def test_markup_in_the_source_stays_text() -> None:
    page = read("# A\n\n<img src=x onerror=alert(1)> <b>b</b>\n")
    assert page["body"] == [["p", {}, "<img src=x onerror=alert(1)> <b>b</b>"]]


@pytest.mark.parametrize(
    "source",
    [
        "no title\n",
        "# A\n\n# B\n",
        "# A\n\n## B\n\n## B\n",
        "# A\n\n[x](http://example.org)\n",
        "# A\n\n[x](//example.org)\n",
        "# A\n\n![x](https://example.org/x.png)\n",
        "# A\n\n    indented code\n",
    ],
)
def test_what_no_page_shows_stops_the_start(source: str) -> None:
    with pytest.raises(GuideError):
        read(source)


@pytest.fixture(scope="module")
def pages() -> dict[str, Any]:
    return {name: json.loads(body) for name, body in guide_files().items() if name.endswith(".json")}


@pytest.mark.parametrize("page", ["guide", "programs"])
def test_both_languages_have_the_same_chapters_and_pictures(pages: dict[str, Any], page: str) -> None:
    es, en = pages[f"help/es/{page}.json"], pages[f"help/en/{page}.json"]
    assert [node[0] for node in es["body"]] == [node[0] for node in en["body"]]
    assert len(es["contents"]) == len(en["contents"]) > 4
    shown = [
        [re.sub(r"-(es|en)\.png$", "", node[1]["src"]) for node in elements(each["body"]) if node[0] == "img"]
        for each in (es, en)
    ]
    assert shown[0] == shown[1]


def test_every_link_leads_to_a_page_or_a_chapter(pages: dict[str, Any]) -> None:
    for name, page in pages.items():
        chapters = {f"#{id_}" for id_, _ in page["contents"]}
        for node in elements(page["body"]):
            href = node[1].get("href", "")
            if href.startswith("#"):
                assert href in chapters, name
            elif href.startswith("/"):
                assert is_page(href), name
                assert any(pattern.match(href) for pattern in PATTERNS), f"{name}: {href}"
