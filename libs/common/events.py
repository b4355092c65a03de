"""The events, as CloudEvents 1.0 in structured JSON; `type` is the AMQP routing key.

They carry references and numbers, never patient data. Fields are added, never renamed; a break is `.v2`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal, Self
from uuid import UUID

import orjson
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from libs.common.errors import EventTooLarge, Reject
from libs.common.ids import new_uuid

CONTENT_TYPE = "application/cloudevents+json"
MAX_EVENT_BYTES = 256 << 10
"""No larger event is published: RabbitMQ 4 closes the channel at 16 MiB, and queues are no object store."""

RECEIVED = "dicom.file.received.v1"
PROCESSED = "dicom.file.processed.v1"
FAILED = "dicom.file.failed.v1"
MOVED = "dicom.file.moved.v1"
REQUESTED = "dicom.file.requested.v1"
BEAT = "dicom.worker.beat.v1"
LANES_PAUSED = "dicom.lanes.paused.v1"

Priority = Literal["urgent", "normal", "low"]
RequestReason = Literal["retry", "reprocess"]

FailureReason = Literal[
    "worker-lost",
    "decode-timeout",
    "decoder-crashed",
    "memory-limit",
    "decode-failed",
    "unsupported-transfer-syntax",
    "pixel-data-invalid",
    "object-corrupt",
    "object-missing",
    "result-too-large",
]

FAILURE_DETAILS: dict[FailureReason, str] = {
    "worker-lost": "No attempt came to an end: its worker was lost, or met an error that nobody foresaw.",
    "decode-timeout": "Decoding took longer than the deadline.",
    "decoder-crashed": "The decoder ended abnormally.",
    "memory-limit": "Decoding needs more memory than a worker may use.",
    "decode-failed": "The decoder refused the pixel data.",
    "unsupported-transfer-syntax": "No decoder for this transfer syntax is installed.",
    "pixel-data-invalid": "The pixel data contradict the header.",
    "object-corrupt": "The stored object does not authenticate.",
    "object-missing": "The stored object does not exist.",
    "result-too-large": "What was measured is too large to be sent.",
}


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="null")


class _OfFile(_Frozen):
    """What every event says: which file, who sent it, and where it lies."""

    file_id: UUID
    owner_id: int
    collection: str = Field("", max_length=64, description="`user:7` or `group:3`")

    @property
    def subject(self) -> str:
        """What the event is about."""
        return str(self.file_id)

    @model_validator(mode="before")
    @classmethod
    def _collection_of_owner(cls, values: Any) -> Any:
        # Releases before collections sent none: a file lay with who sent it.
        if isinstance(values, dict) and not values.get("collection") and "owner_id" in values:
            return {**values, "collection": f"user:{values['owner_id']}"}
        return values


class _ToMeasure(_OfFile):
    """What whoever measures a file has to know."""

    storage_key: str
    size_bytes: int
    sha256: str
    sop_class_uid: str | None = None
    sop_instance_uid: str | None = None
    series_instance_uid: str | None = None
    study_instance_uid: str | None = None
    modality: str | None = None
    transfer_syntax_uid: str
    rows: int | None = None
    columns: int | None = None
    frames: int | None = None
    decoded_bytes: int | None = None
    moves: int = Field(0, ge=0, description="How often the file had been moved when this was told")
    request: int = Field(
        0,
        ge=0,
        description="Number of the latest request to measure it again; outcomes say which they answer",
    )
    priority: Priority = Field("normal", description="What is urgent begins before all others")


class FileReceived(_ToMeasure):
    """A file is durable and accepted. Sizes in bytes; header facts None where the header lacks them."""

    TYPE: ClassVar[str] = RECEIVED

    supersedes: UUID | None = Field(
        None, description="The failed file with the same SOP Instance UID that this one replaces"
    )
    supersedes_moves: int = Field(0, ge=0, description="How often that one had been moved by then")


class FileRequested(_ToMeasure):
    """A file is to be measured again: it failed (`retry`), or its result shall be made anew (`reprocess`)."""

    TYPE: ClassVar[str] = REQUESTED

    request: int = Field(ge=1, description="Which request of this file this is; results counts them")
    reason: RequestReason
    analyzers: tuple[str, ...] = Field((), description="Which analyzers; none named: all")
    requested_by: int | None = Field(None, description="Who asked for it")


WorkData = FileReceived | FileRequested
"""What the processor takes; each has a collection, sizes and a priority."""


class Averages(_Frozen):
    """Means of the stored values; None for objects without pixel data."""

    before_normalization: float | None
    after_normalization: float | None


class Run(_Frozen):
    """What one attempt took; null for a stage that was not reached, or not measured."""

    lane: str | None = Field(None, max_length=64, description="Where the file waited")
    waited_seconds: float | None = Field(
        None,
        description="For its turn: since it was sent or the attempt before ended, and for a free decoder",
    )
    fetch_seconds: float | None = Field(None, description="To make the object readable to a decoder")
    decode_seconds: float | None = Field(None, description="To read, decrypt and decode it")
    measure_seconds: float | None = Field(None, description="For measures and thumbnail")
    store_seconds: float | None = Field(None, description="To store the thumbnail and what else was made")
    cpu_seconds: float | None = Field(None, description="CPU time of the decoder process")
    peak_memory_bytes: int | None = Field(None, description="Most that was resident in the decoder process")


class EarlierAttempt(_Frozen):
    """An attempt that was not the last one; one whose worker was lost left no word of itself."""

    id: UUID = Field(description="UUIDv7, drawn when the attempt ended")
    attempt: int
    worker: str = Field(max_length=255)
    started_at: datetime
    finished_at: datetime
    reason: str = Field(
        max_length=64,
        description="As a failure's, or the code of what else ended it; `unforeseen`: the log has it",
    )
    run: Run


class FileProcessed(_OfFile):
    """A file is measured. `statistics` as `libs.dicom.measure` documents it; `data_size` in bytes."""

    TYPE: ClassVar[str] = PROCESSED

    storage_key: str
    averages: Averages
    data_size: int | None
    device_name: str
    statistics: dict[str, Any]
    thumbnail_key: str | None
    attempt: int
    worker: str
    started_at: datetime
    finished_at: datetime
    method_version: int
    sha256: str | None = Field(None, description="Digest of the bytes that were measured")
    run: Run | None = None
    earlier: tuple[EarlierAttempt, ...] = ()
    request: int = Field(0, ge=0, description="Which request this answers; 0: the upload")


class FileFailed(_OfFile):
    """A file cannot be measured; `reason` and `detail` come from the fixed catalogue."""

    TYPE: ClassVar[str] = FAILED

    reason: FailureReason
    detail: str
    attempts: int
    worker: str
    finished_at: datetime
    sha256: str | None = Field(None, description="Digest of the bytes that were tried")
    started_at: datetime | None = Field(
        None, description="Null where the last attempt was not begun any more"
    )
    run: Run | None = None
    earlier: tuple[EarlierAttempt, ...] = ()
    request: int = Field(0, ge=0, description="Which request this answers; 0: the upload")
    requested: RequestReason | None = Field(
        None, description="Why it was tried again; after `reprocess` the result that there was stands"
    )


class FileMoved(_OfFile):
    """A file lies in another collection now. Of two such events the one with more `moves` is right."""

    TYPE: ClassVar[str] = MOVED

    from_collection: str = Field(max_length=64, description="Where it lay before")
    moves: int = Field(ge=1, description="How often the file has been moved, this time included")
    moved_by: int | None = Field(None, description="Who did it; null where a reconciliation tells it again")


class FileUnderWay(_Frozen):
    """A file that a worker has begun."""

    file_id: UUID
    since: datetime
    attempt: int
    lane: str | None = Field(None, max_length=64, description="Where it waited")


WorkerState = Literal["working", "draining", "stopped"]
MOST_TOLD = 64
"""Files under way that a beat names, the oldest."""


class WorkerBeat(_Frozen):
    """A worker is there, says what it does, and will say so again. Of two, the later one is right."""

    TYPE: ClassVar[str] = BEAT

    worker: str = Field(min_length=1, max_length=255)
    version: str = Field(max_length=64)
    state: WorkerState = Field(description="`draining`: it begins nothing more; `stopped`: its last beat")
    started_at: datetime
    seconds: float = Field(gt=0, description="Until the next beat")
    slots: int = Field(ge=0, description="Decoder processes")
    busy: int = Field(ge=0, description="Of these, how many work on a file")
    under_way: int = Field(ge=0, description="Files that it has begun")
    files: tuple[FileUnderWay, ...] = Field((), max_length=MOST_TOLD, description="The oldest of these")
    budget_bytes: int | None = Field(None, description="Memory that decoders may take together")
    budget_used_bytes: int | None = Field(None, description="Of it, what files under way may take")

    @property
    def subject(self) -> str:
        """What the event is about."""
        return self.worker


class LanesPaused(_Frozen):
    """Which lanes begin nothing from now on, all of them: whoever is not named goes on."""

    TYPE: ClassVar[str] = LANES_PAUSED

    lanes: tuple[Annotated[str, Field(max_length=64)], ...] = Field(max_length=300)
    revision: int = Field(ge=0, description="Of two, the higher one is right")

    @property
    def subject(self) -> str:
        """What the event is about."""
        return "lanes"


FileData = FileReceived | FileRequested | FileProcessed | FileFailed | FileMoved
"""What is said of a file."""
EventData = FileData | WorkerBeat | LanesPaused

_MODELS: dict[str, type[EventData]] = {
    m.TYPE: m
    for m in (
        FileReceived,
        FileRequested,
        FileProcessed,
        FileFailed,
        FileMoved,
        WorkerBeat,
        LanesPaused,
    )
}
EVENT_TYPES: tuple[str, ...] = tuple(_MODELS)


class Event(_Frozen):
    """CloudEvents 1.0 envelope; `subject` is the file's id, the worker's name, or `lanes`."""

    specversion: Literal["1.0"] = "1.0"
    id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    datacontenttype: Literal["application/json"] = "application/json"
    traceparent: str | None = None
    data: EventData = Field(union_mode="left_to_right")

    @property
    def file_id(self) -> UUID:
        """The file that it is about. Raises ValueError for one that is about none."""
        return UUID(self.subject)

    def to_json(self) -> bytes:
        """Serialise as structured-mode JSON; absent attributes are left out (CloudEvents JSON format 2.2).

        Every event is written by this before it goes anywhere, once. Raises EventTooLarge beyond
        MAX_EVENT_BYTES.
        """
        return self._written

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As pydantic's; what was written of this one says nothing of another."""
        copied = super().model_copy(update=update, deep=deep)
        copied.__dict__.pop("_written", None)
        return copied

    @cached_property
    def _written(self) -> bytes:
        body = self.model_dump(mode="json")
        if body["traceparent"] is None:
            del body["traceparent"]
        written = orjson.dumps(body)
        if len(written) > MAX_EVENT_BYTES:
            raise EventTooLarge(f"{self.type} takes {len(written)} bytes: no more than {MAX_EVENT_BYTES}.")
        return written


class _Envelope(BaseModel):
    model_config = ConfigDict(extra="ignore")
    specversion: Literal["1.0"]
    id: UUID
    source: str
    type: str
    subject: str
    time: datetime
    traceparent: str | None = None
    data: dict[str, Any]


_ENVELOPE = TypeAdapter(_Envelope)


def new_event(source: str, data: EventData, traceparent: str | None = None) -> Event:
    """Wrap `data`; `source` is the service, e.g. `/ingest`."""
    return Event(
        id=new_uuid(),
        source=source,
        type=data.TYPE,
        subject=data.subject,
        time=datetime.now(UTC),
        traceparent=traceparent,
        data=data,
    )


def parse_event(body: bytes | str) -> Event:
    """Parse structured-mode JSON. Raises Reject when it is no event of ours."""
    try:
        envelope = _ENVELOPE.validate_json(body)
        model = _MODELS.get(envelope.type)
        if model is None:
            raise Reject(f"unknown event type {envelope.type[:100]!r}")
        data = model.model_validate(envelope.data)
        return Event.model_construct(
            specversion="1.0",
            id=envelope.id,
            source=envelope.source,
            type=envelope.type,
            subject=envelope.subject,
            time=envelope.time,
            datacontenttype="application/json",
            traceparent=envelope.traceparent,
            data=data,
        )
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:5])
        raise Reject(f"not a valid event: {problems}") from error
