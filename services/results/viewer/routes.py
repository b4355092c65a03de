"""The operations of the portal's viewer."""

from __future__ import annotations

from libs.common.errors import InvalidContent, NotAcceptable, NotFound, ObjectNotFound, TooManyRequests
from libs.common.http.openapi import Operation
from libs.dicom.web.frames import OCTETS
from services.results.dicomweb.documents import PDF, TEXT
from services.results.viewer.documents import view_document
from services.results.viewer.frames import view_frames
from services.results.viewer.models import FrameQuery, SeriesStack, StackQuery
from services.results.viewer.stack import view_stack

OPERATIONS = (
    Operation(
        "GET",
        "/results/{file_id}/frames/{number}",
        view_frames,
        "A frame: its values as numbers, little endian, or a picture of it",
        audited="visit",
        tag="viewer",
        head=True,
        query=FrameQuery,
        response_type="image/jpeg",
        other_types=("image/png", OCTETS),
        problems=(NotFound, NotAcceptable, ObjectNotFound, InvalidContent, TooManyRequests),
        permission="view_dicomresult",
        by_link=True,
    ),
    Operation(
        "GET",
        "/series/{series_uid}/stack",
        view_stack,
        "A series as a stack: all that drawing and measuring need of its frames, in order",
        audited="visit",
        tag="viewer",
        query=StackQuery,
        response=SeriesStack,
        problems=(NotFound, InvalidContent),
        permission="view_dicomresult",
        by_link=True,
    ),
    Operation(
        "GET",
        "/results/{file_id}/document",
        view_document,
        "The PDF in it, or a structured report as text",
        tag="viewer",
        head=True,
        response_type=PDF,
        other_types=(TEXT,),
        problems=(NotFound, ObjectNotFound, InvalidContent),
        permission="view_dicomresult",
        by_link=True,
    ),
)
