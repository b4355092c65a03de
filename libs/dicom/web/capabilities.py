"""The capabilities document: which transactions are served below a root, as WADL or JSON (PS3.18 8.9, H)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Any
from xml.sax.saxutils import quoteattr

from libs.dicom.web.transactions import WebTransaction

_WADL = "http://wadl.dev.java.net/2009/02"
_SCHEMA = "http://www.w3.org/2001/XMLSchema"


def wadl(root: str, transactions: Iterable[WebTransaction]) -> bytes:
    """The document as WADL; `root` is the absolute URL that the paths are relative to."""
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        f'<application xmlns="{_WADL}" xmlns:xs="{_SCHEMA}">',
        f"  <resources base={quoteattr(root)}>",
    ]
    for path, methods in groupby(sorted(transactions, key=_place), key=lambda one: one.path):
        lines.append(f"    <resource path={quoteattr(path.lstrip('/'))}>")
        for variable in re.findall(r"\{(\w+)\}", path):
            lines.append(
                f'      <param name="{variable}" style="template" type="xs:string" required="true"/>'
            )
        for transaction in methods:
            lines += _method(transaction)
        lines.append("    </resource>")
    lines += ["  </resources>", "</application>", ""]
    return "\n".join(lines).encode()


def _place(transaction: WebTransaction) -> tuple[str, str]:
    return transaction.path, transaction.method


def _method(transaction: WebTransaction) -> list[str]:
    lines = [f'      <method name="{transaction.method}" id={quoteattr(_identifier(transaction))}>']
    lines.append(f"        <doc title={quoteattr(f'{transaction.name} ({transaction.source})')}/>")
    if transaction.query or transaction.takes:
        lines.append("        <request>")
        for name in transaction.query:
            lines.append(f'          <param name={quoteattr(name)} style="query" type="xs:string"/>')
        lines += _representations(transaction.takes)
        lines.append("        </request>")
    lines += [
        "        <response>",
        *_representations(transaction.gives),
        "        </response>",
        "      </method>",
    ]
    return lines


def _representations(types: Sequence[str]) -> list[str]:
    return [f"          <representation mediaType={quoteattr(media)}/>" for media in types]


def _identifier(transaction: WebTransaction) -> str:
    """Unique in the document: WADL's `id` is XML's."""
    return re.sub(r"\W+", "-", f"{transaction.method}-{transaction.path or 'root'}").strip("-")


def capabilities(root: str, transactions: Iterable[WebTransaction]) -> dict[str, Any]:
    """The same as JSON."""
    return {
        "base": root,
        "transactions": [
            {
                "service": one.service,
                "name": one.name,
                "source": one.source,
                "method": one.method,
                "path": one.path or "/",
                "query": list(one.query),
                "request_types": list(one.takes),
                "response_types": list(one.gives),
            }
            for one in transactions
        ],
    }
