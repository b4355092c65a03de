"""The user's guide: Markdown of `docs/guide` as trees of known elements, which the portal's pages show.

Trees, not HTML: the page makes elements and texts of them, so that its policy can go on refusing every way
from text to markup. HTML inside the Markdown stays text. Whatever else the sources say that is not known here
stops the start: they are ours.
"""

from __future__ import annotations

import json
import re
import struct
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

DOCS = Path(__file__).resolve().parents[2] / "docs"
"""A checkout has it there, and so have the images."""
PLACE = "help"
"""Below the static files."""
LANGUAGES = ("es", "en")
SOURCES = {"guide": "{language}.md", "programs": "programs.{language}.md"}
"""By page."""
SAME = {
    "paragraph": "p",
    "bullet_list": "ul",
    "ordered_list": "ol",
    "list_item": "li",
    "strong": "strong",
    "em": "em",
    "blockquote": "blockquote",
    "table": "table",
    "thead": "thead",
    "tbody": "tbody",
    "tr": "tr",
    "th": "th",
    "td": "td",
    "hr": "hr",
}
LINK = re.compile(r"#|https://|/(?!/)")
"""To a chapter, elsewhere, or to a page of the portal."""
PICTURE = re.compile(r"\.\./screenshots/([a-z0-9-]+\.png)")

Node = str | list[Any]
"""Text, or [element, attributes, children…]."""


class GuideError(ValueError):
    """The guide's source says something that no page can show."""


def slug(text: str) -> str:
    """The id of a heading: its words without accents."""
    plain = unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
    return "-".join(re.findall(r"[a-z0-9]+", plain))


def text_of(node: Node) -> str:
    """What it reads."""
    return node if isinstance(node, str) else "".join(text_of(child) for child in node[2:])


class MarkdownReader:
    """Reads one source."""

    def __init__(self, pictures: Path) -> None:
        """`pictures` holds the screenshots that it may name."""
        self._pictures = pictures
        self._markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
        self.named: dict[str, Path] = {}
        """Pictures by name."""

    def read(self, source: str) -> dict[str, Any]:
        """`title`, `contents` (id, text) and `body`. Raises GuideError."""
        body = list(self._children(SyntaxTreeNode(self._markdown.parse(source))))
        headings = [node for node in body if isinstance(node, list) and node[0] in ("h1", "h2")]
        if [node[0] for node in headings].count("h1") != 1 or headings[0][0] != "h1":
            raise GuideError("a page has one title, and begins with it")
        ids = [node[1]["id"] for node in headings]
        if len(set(ids)) < len(ids):
            raise GuideError("two headings have one id")
        return {
            "title": text_of(headings[0]),
            "contents": [[node[1]["id"], text_of(node)] for node in headings[1:]],
            "body": body[1:],
        }

    def _children(self, node: SyntaxTreeNode) -> Iterator[Node]:
        for child in node.children:
            yield from self._node(child)

    def _node(self, node: SyntaxTreeNode) -> Iterator[Node]:
        kind = node.type
        if kind == "text":
            yield node.content
        elif kind == "softbreak":
            yield "\n"
        elif kind == "code_inline":
            yield ["code", {}, node.content]
        elif kind == "fence":
            yield ["pre", {"language": node.info.strip()}, node.content.rstrip("\n")]
        elif kind == "inline":
            yield from self._children(node)
        elif kind == "heading":
            inside = list(self._children(node))
            yield [node.tag, {"id": slug("".join(map(text_of, inside)))}, *inside]
        elif kind == "link":
            yield ["a", {"href": self._link(str(node.attrs["href"]))}, *self._children(node)]
        elif kind == "image":
            yield self._picture(node)
        elif kind in SAME:
            yield [SAME[kind], {}, *self._children(node)]
        else:
            raise GuideError(f"no page shows a {kind}")

    def _link(self, address: str) -> str:
        if not LINK.match(address):
            raise GuideError(f"{address} leads nowhere from here")
        return address

    def _picture(self, node: SyntaxTreeNode) -> Node:
        address = PICTURE.fullmatch(str(node.attrs["src"]))
        if address is None:
            raise GuideError(f"{node.attrs['src']} is no screenshot")
        path = self._pictures / address[1]
        self.named[address[1]] = path
        # Width and height of the header (PNG 11.2.1): the text stays where it is while pictures come.
        width, height = struct.unpack(">II", path.read_bytes()[16:24])
        return ["img", {"src": address[1], "alt": node.content, "width": width, "height": height}]


def guide_files(docs: Path = DOCS) -> dict[str, bytes]:
    """The pages (`help/es/guide.json`) and their pictures, by path below the static files.

    Raises GuideError.
    """
    reader = MarkdownReader(docs / "screenshots")
    files = {}
    for language in LANGUAGES:
        for page, name in SOURCES.items():
            source = (docs / "guide" / name.format(language=language)).read_text(encoding="utf-8")
            body = json.dumps(reader.read(source), ensure_ascii=False)
            files[f"{PLACE}/{language}/{page}.json"] = body.encode()
    return files | {f"{PLACE}/pictures/{name}": path.read_bytes() for name, path in reader.named.items()}
