"""Why an instance was not stored, as the standard numbers it (PS3.18 I.2.2)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from libs.common.errors import Conflict, DicomSystemError, InvalidContent, StorageError, TooLarge, Unavailable
from libs.dicom.web.store import (
    CANNOT_UNDERSTAND,
    DUPLICATE_INSTANCE,
    OTHER_CLASS,
    OTHER_STUDY,
    OUT_OF_RESOURCES,
    PROCESSING_FAILURE,
    UNSUPPORTED_CLASS,
    UNSUPPORTED_SYNTAX,
)

ANOTHER_STUDY = "another-study"
"""Code of what is sent to the URL of a study that it does not belong to."""
_REASONS: Mapping[str, int] = MappingProxyType(
    {
        ANOTHER_STUDY: OTHER_STUDY,
        **dict.fromkeys(("missing-uid", "invalid-uid", "invalid-dimensions"), OTHER_CLASS),
        **dict.fromkeys(
            (
                "no-transfer-syntax",
                "invalid-transfer-syntax",
                "unknown-transfer-syntax",
                "unsupported-transfer-syntax",
            ),
            UNSUPPORTED_SYNTAX,
        ),
        **dict.fromkeys(
            (
                "too-large-when-decoded",
                "header-too-large",
                "header-too-deep",
                "header-deadline",
                "too-many-elements",
                "too-many-fragments",
                "memory-limit",
            ),
            OUT_OF_RESOURCES,
        ),
        "dicomdir": UNSUPPORTED_CLASS,
    }
)


def failure_reason(error: DicomSystemError) -> int:
    """The Failure Reason (0008,1197) of what was refused with `error`."""
    if isinstance(error, Conflict):
        return DUPLICATE_INSTANCE
    if isinstance(error, TooLarge | Unavailable | StorageError):
        return OUT_OF_RESOURCES
    if isinstance(error, InvalidContent):
        return _REASONS.get(error.code, CANNOT_UNDERSTAND)
    return PROCESSING_FAILURE
