"""Events as tests need them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from libs.common.events import (
    Averages,
    Event,
    FileFailed,
    FileMoved,
    FileProcessed,
    FileReceived,
    FileRequested,
    new_event,
)
from libs.common.ids import file_key, new_file_id, thumbnail_key

TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
MOMENT = datetime(2026, 1, 31, 12, 0, tzinfo=UTC)


def received(file_id: UUID | None = None, owner_id: int = 7, **fields: Any) -> Event:
    """A `received` with plausible header facts."""
    file_id = file_id or new_file_id()
    return new_event(
        "/ingest", FileReceived(file_id=file_id, owner_id=owner_id, **_told(file_id, fields)), TRACEPARENT
    )


def requested(
    file_id: UUID, request: int = 1, *, reason: Any = "retry", owner_id: int = 7, **fields: Any
) -> Event:
    """A request to measure a file again."""
    told = _told(file_id, fields)
    data = FileRequested(file_id=file_id, owner_id=owner_id, request=request, reason=reason, **told)
    return new_event("/results", data, TRACEPARENT)


def _told(file_id: UUID, fields: dict[str, Any]) -> dict[str, Any]:
    return {
        "size_bytes": 1000,
        "sha256": "ab" * 32,
        "sop_class_uid": "1.2.840.10008.5.1.4.1.1.2",
        "sop_instance_uid": f"2.25.{file_id.int}",
        "series_instance_uid": "1.2.3.4",
        "study_instance_uid": "1.2.3",
        "modality": "CT",
        "transfer_syntax_uid": "1.2.840.10008.1.2.1",
        "rows": 512,
        "columns": 512,
        "frames": 1,
        "decoded_bytes": 524288,
        "storage_key": file_key(file_id),
        **fields,
    }


def processed(
    file_id: UUID | None = None, owner_id: int = 7, *, version: int = 1, mean: float = 100.5, **fields: Any
) -> Event:
    """A `processed` with a thumbnail."""
    file_id = file_id or new_file_id()
    data: dict[str, Any] = {
        "storage_key": file_key(file_id),
        "averages": Averages(before_normalization=mean, after_normalization=0.25),
        "data_size": 524288,
        "device_name": "ACME Scanner 3000",
        "statistics": {"count": 262144, "histogram": [1024] * 256, "method_version": version},
        "thumbnail_key": thumbnail_key(file_id),
        "attempt": 1,
        "worker": "worker-1",
        "started_at": MOMENT,
        "finished_at": MOMENT,
        "method_version": version,
        **fields,
    }
    return new_event(
        "/processor",
        FileProcessed(file_id=file_id, owner_id=owner_id, **data),
        TRACEPARENT,
    )


def failed(
    file_id: UUID | None = None, owner_id: int = 7, *, reason: Any = "decode-failed", **fields: Any
) -> Event:
    """A `failed` from the catalogue."""
    return new_event(
        "/processor",
        FileFailed(
            file_id=file_id or new_file_id(),
            owner_id=owner_id,
            reason=reason,
            detail="The decoder refused the pixel data.",
            attempts=3,
            worker="worker-1",
            finished_at=MOMENT,
            **fields,
        ),
        TRACEPARENT,
    )


def moved(file_id: UUID, to: str, moves: int = 1, *, owner_id: int = 7, source: str = "user:7") -> Event:
    """A move into the collection `to`."""
    return new_event(
        "/ingest",
        FileMoved(
            file_id=file_id, owner_id=owner_id, collection=to, from_collection=source, moves=moves, moved_by=9
        ),
        TRACEPARENT,
    )


def trailer(**members: Any) -> dict[str, Any]:
    """What ingest seals into an object."""
    return {
        "file_name": "slice.dcm",
        "folder": "CD 3/SERIES01",
        "dicom": {"00080060": {"vr": "CS", "Value": ["CT"]}},
        "warnings": [],
        **members,
    }
