"""The instances of one Store request: received one by one, and what became of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator
from uuid import UUID

from libs.common.errors import (
    DicomSystemError,
    InvalidContent,
    RequestTimeout,
    TooManyRequests,
    Unavailable,
    UnsupportedType,
)
from libs.common.http.dicomweb import WebAddresses
from libs.dicom.parse.dicomjson import JsonObject
from libs.dicom.parse.header import Header
from libs.dicom.web.identify import BEGINNING, identify
from libs.dicom.web.store import (
    NOT_OF_ITS_CLASS,
    FailedInstance,
    StoredInstance,
    store_response,
    store_status,
)
from services.ingest.bodies.arriving import Part
from services.ingest.bodies.related import check_part
from services.ingest.intake import Intake, Sender
from services.ingest.stow.reasons import ANOTHER_STUDY, failure_reason


class ArrivingInstance:
    """One instance while it arrives: what is known of it so far."""

    def __init__(self, study_uid: str | None) -> None:
        """`study_uid` is the one that it must belong to, if any."""
        self._study_uid = study_uid
        self._beginning = b""
        self.header: Header | None = None

    async def seen(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same chunks; their beginning is remembered, to name what cannot be read."""
        async for chunk in chunks:
            if len(self._beginning) < BEGINNING:
                self._beginning += chunk[: BEGINNING - len(self._beginning)]
            yield chunk

    def check(self, header: Header) -> None:
        """What a Store transaction asks beyond an upload. Raises InvalidContent."""
        self.header = header
        if header.study_instance_uid is None or header.series_instance_uid is None:
            raise InvalidContent(
                "The instance names no study or no series, so no address leads to it; export it again.",
                code="missing-uid",
            )
        if self._study_uid not in (None, header.study_instance_uid):
            raise InvalidContent(
                "The instance belongs to another study than the one of the URL.", code=ANOTHER_STUDY
            )

    def failed(self, reason: int) -> FailedInstance:
        """It is not stored."""
        if self.header is not None:
            return FailedInstance(self.header.sop_class_uid, self.header.sop_instance_uid, reason)
        return FailedInstance(*identify(self._beginning), reason)

    def stored(self, addresses: WebAddresses) -> StoredInstance:
        """It is; its header was read and checked."""
        header = self.header
        if header is None or header.study_instance_uid is None or header.series_instance_uid is None:
            raise ValueError("accepted without having been checked")
        return StoredInstance(
            header.sop_class_uid,
            header.sop_instance_uid,
            header.study_instance_uid,
            addresses.instance_url(
                header.study_instance_uid, header.series_instance_uid, header.sop_instance_uid
            ),
            NOT_OF_ITS_CLASS if header.bits_allocated and not header.has_pixel_data else None,
        )


class Reception:
    """Takes the parts of a request in the order that they come."""

    def __init__(
        self, intake: Intake, sender: Sender, study_uid: str | None, addresses: WebAddresses
    ) -> None:
        """`study_uid` as the URL names it, `addresses` for what the answer refers to."""
        self._intake = intake
        self._sender = sender
        self._study_uid = study_uid
        self._addresses = addresses
        self._errors: list[DicomSystemError] = []
        self._stored: list[StoredInstance] = []
        self._failed: list[FailedInstance] = []
        self.before: list[UUID] = []
        """Files that were there already."""

    @property
    def count(self) -> int:
        """Parts so far."""
        return len(self._stored) + len(self._failed)

    @property
    def refused(self) -> Counter[str]:
        """Problem codes of what was not stored."""
        return Counter(error.code for error in self._errors)

    @property
    def any_stored(self) -> bool:
        """Whether anything lies in the store, now or before."""
        return bool(self._stored)

    async def take(self, part: Part) -> None:
        """Store one part, or note why not.

        Raises RequestTimeout and TooManyRequests, which end the whole request.
        """
        arrival = ArrivingInstance(self._study_uid)
        try:
            check_part(part)
            accepted = await self._intake.receive(
                arrival.seen(part.chunks), None, self._sender, check=arrival.check
            )
        except (RequestTimeout, TooManyRequests):
            raise
        except DicomSystemError as error:
            await part.skip()
            self._errors.append(error)
            self._failed.append(arrival.failed(failure_reason(error)))
            return
        self._stored.append(arrival.stored(self._addresses))
        if accepted.duplicate:
            self.before.append(accepted.id)

    def answer(self) -> tuple[int, JsonObject]:
        """Status, and the Store Instances Response.

        Raises UnsupportedType or Unavailable where that is what befell every part: nothing was stored.
        """
        if not self._stored:
            for kind in (UnsupportedType, Unavailable):
                if self._errors and all(isinstance(error, kind) for error in self._errors):
                    raise self._errors[0]
        return store_status(self._stored, self._failed), self.response()

    def response(self) -> JsonObject:
        """What has become of the parts so far."""
        studies = {one.study_instance_uid for one in self._stored}
        url = self._addresses.study_url(studies.pop()) if len(studies) == 1 else None
        return store_response(self._stored, self._failed, url)
