"""The conformance statement and the capabilities document tell of the routes that there are, no others."""

from __future__ import annotations

import re

from docs.conformance import conformance_document
from docs.generate import OPERATIONS
from libs.common.http.dicomweb import DICOM_WEB
from libs.dicom.web.store import FAILURES, WARNINGS
from libs.dicom.web.transactions import TRANSACTIONS

IN_COLLECTION = "/collections/{collection}"


def test_transactions_are_the_routes() -> None:
    routes = {
        (operation.method, re.sub(":[^}]*}", "}", operation.path.rstrip("/")))
        for prefix, operations in OPERATIONS
        if prefix == DICOM_WEB
        for operation in operations
    }
    told = {(one.method, one.path) for one in TRANSACTIONS}
    assert len(told) == len(TRANSACTIONS)
    assert routes == told | {(method, IN_COLLECTION + path) for method, path in told}


def test_media_types_are_those_of_the_routes() -> None:
    given = {
        (operation.method, operation.path): (operation.response_type, *operation.other_types)
        for prefix, operations in OPERATIONS
        if prefix == DICOM_WEB
        for operation in operations
    }
    for one in TRANSACTIONS:
        if one.service in ("Capabilities", "STOW-RS"):
            assert given[one.method, one.path] == one.gives


def test_the_statement_has_every_transaction_and_reason() -> None:
    statement = conformance_document("generated")
    for one in TRANSACTIONS:
        assert f"| {one.name} ({one.source}) | {one.method} `{one.path or '/'}` |" in statement
    for reason in (*FAILURES, *WARNINGS):
        assert f"| {reason:04X} | " in statement
