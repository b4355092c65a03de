"""The operations of WADO-RS (PS3.18 10.4)."""

from __future__ import annotations

from pydantic import Field

from libs.common.errors import (
    InvalidContent,
    NotAcceptable,
    NotFound,
    ObjectNotFound,
    RangeNotSatisfiable,
    ThumbnailMissing,
    TooManyRequests,
)
from libs.common.http.dicomweb import DicomWebQuery
from libs.common.http.openapi import Operation
from libs.dicom.web.frames import MEDIA_TYPES, OCTETS
from libs.dicom.web.transactions import DICOM_JSON, DICOM_XML
from services.results.dicomweb import (
    bulkdata,
    documents,
    frames,
    metadata,
    rendered,
    rendered_parts,
    retrieve,
    thumbnails,
)

_STUDY = "/studies/{study_uid}"
_SERIES = f"{_STUDY}/series/{{series_uid}}"
_INSTANCE = f"{_SERIES}/instances/{{instance_uid}}"
_PARTS = 'multipart/related; type="application/dicom"'


class AcceptQuery(DicomWebQuery):
    """What every request may say of the form of its answer."""

    accept: str | None = Field(
        None, max_length=4096, description="Goes before the Accept header, for who cannot send one"
    )


class ThumbnailSizeQuery(AcceptQuery):
    """How large a thumbnail is wanted."""

    viewport: str | None = Field(None, description="`vw,vh`: the next larger of 64, 128 and 256 is given")


class RenderingQuery(AcceptQuery):
    """How a picture is wanted (PS3.18 8.3.5)."""

    viewport: str | None = Field(
        None,
        description="`vw,vh` or `vw,vh,sx,sy,sw,sh`: the size that it is fit into, the part that is shown",
    )
    window: str | None = Field(
        None, description="`center,width,function`; the function is linear, linear-exact or sigmoid"
    )
    quality: str | None = Field(None, description="Of JPEG, 1 to 100")


_OF_PIXELS = (NotFound, NotAcceptable, ObjectNotFound, InvalidContent, TooManyRequests)
OPERATIONS = (
    *(
        Operation(
            "GET",
            path,
            handler,
            f"{what} as DICOM files, in the transfer syntaxes of the Accept header: `*` as they were sent",
            tag="WADO-RS",
            head=True,
            query=AcceptQuery,
            response_type=_PARTS,
            other_types=("application/zip", *more),
            problems=(*_OF_PIXELS, *((RangeNotSatisfiable,) if path == _INSTANCE else ())),
            permission="view_dicomfile",
        )
        for path, handler, what, more in (
            (_STUDY, retrieve.retrieve_study, "The instances of a study", ()),
            (_SERIES, retrieve.retrieve_series, "The instances of a series", ()),
            (_INSTANCE, retrieve.retrieve_instance, "One instance", ("application/dicom",)),
        )
    ),
    *(
        Operation(
            "GET",
            f"{path}/metadata",
            handler,
            f"{what} in the DICOM JSON Model, long values by address",
            tag="WADO-RS",
            head=True,
            query=AcceptQuery,
            response_type=DICOM_JSON,
            other_types=(f'multipart/related; type="{DICOM_XML}"',),
            problems=(NotFound, NotAcceptable),
            permission="view_dicomresult",
        )
        for path, handler, what in (
            (_STUDY, metadata.retrieve_study_metadata, "The headers of a study"),
            (_SERIES, metadata.retrieve_series_metadata, "The headers of a series"),
            (_INSTANCE, metadata.retrieve_instance_metadata, "The header of an instance"),
        )
    ),
    Operation(
        "GET",
        f"{_INSTANCE}/frames/{{frames}}",
        frames.retrieve_frames,
        "Frames, each a part: decoded, or with `transfer-syntax=*` as they are stored",
        audited="together",
        tag="WADO-RS",
        head=True,
        query=AcceptQuery,
        response_type='multipart/related; type="application/octet-stream"',
        other_types=(OCTETS, *sorted(set(MEDIA_TYPES.values()))),
        problems=_OF_PIXELS,
        permission="view_dicomfile",
    ),
    *(
        Operation(
            "GET",
            f"{_INSTANCE}{path}/rendered",
            handler,
            summary,
            audited="together",
            tag="WADO-RS",
            head=True,
            query=RenderingQuery,
            response_type="image/jpeg",
            other_types=types,
            problems=_OF_PIXELS,
            permission="view_dicomresult",
        )
        for path, handler, summary, types in (
            (
                "",
                rendered.retrieve_rendered_instance,
                "An instance as people see it: its middle frame, the PDF in it, or the text of a report",
                ("image/png", documents.PDF, documents.TEXT),
            ),
            ("/frames/{frames}", rendered.retrieve_rendered_frames, "Frames as pictures", ("image/png",)),
        )
    ),
    *(
        Operation(
            "GET",
            f"{path}/rendered",
            handler,
            f"The instances of a {what} as people see them, each a part that says where it is",
            audited="together",
            tag="WADO-RS",
            head=True,
            query=RenderingQuery,
            response_type='multipart/related; type="image/jpeg"',
            other_types=('multipart/related; type="image/png"',),
            problems=_OF_PIXELS,
            permission="view_dicomresult",
        )
        for path, handler, what in (
            (_STUDY, rendered_parts.retrieve_rendered_study, "study"),
            (_SERIES, rendered_parts.retrieve_rendered_series, "series"),
        )
    ),
    *(
        Operation(
            "GET",
            f"{path}/thumbnail",
            handler,
            f"Small picture of {what}",
            audited="together",
            tag="WADO-RS",
            head=True,
            query=ThumbnailSizeQuery,
            response_type=thumbnails.JPEG,
            problems=(NotFound, NotAcceptable, ObjectNotFound, ThumbnailMissing),
            permission="view_dicomresult",
        )
        for path, handler, what in (
            (_STUDY, thumbnails.retrieve_study_thumbnail, "a study"),
            (_SERIES, thumbnails.retrieve_series_thumbnail, "a series"),
            (_INSTANCE, thumbnails.retrieve_instance_thumbnail, "an instance"),
        )
    ),
    Operation(
        "GET",
        f"{_INSTANCE}/bulkdata/{{path:.+}}",
        bulkdata.retrieve_bulkdata,
        "A long value that a header names by its address",
        audited="together",
        tag="WADO-RS",
        head=True,
        query=AcceptQuery,
        response_type=OCTETS,
        other_types=(f'multipart/related; type="{OCTETS}"',),
        problems=(*_OF_PIXELS, RangeNotSatisfiable),
        permission="view_dicomfile",
    ),
)
