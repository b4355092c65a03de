"""Bodies of a Store transaction: multipart/related of DICOM instances, or one as it is (PS3.18 10.5.1)."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

from aiohttp import web

from libs.common.errors import UnsupportedType
from libs.common.http.media_type import media_type
from libs.common.http.quotas import Holding
from services.ingest.bodies.arriving import ArrivingBody, Part
from services.ingest.settings import IngestSettings

RELATED, INSTANCE = "multipart/related", "application/dicom"
_TYPE = re.compile(r';\s*type\s*=\s*(?:"(?P<quoted>[^"]*)"|(?P<bare>[^\s;"]+))', re.IGNORECASE)
_AS_IT_IS = ("", "binary", "8bit", "7bit")


class RelatedBody:
    """The instances of a request."""

    def __init__(self, request: web.Request, settings: IngestSettings, held: Holding) -> None:
        """As ArrivingBody. Raises TooLarge, and UnsupportedType for a body that can hold no instance."""
        self._kind = media_type(request)
        parameter = _TYPE.search(request.headers.get("Content-Type", ""))
        root = (parameter["quoted"] or parameter["bare"] or "") if parameter is not None else INSTANCE
        if self._kind not in (RELATED, INSTANCE) or (self._kind == RELATED and _type_of(root) != INSTANCE):
            wrong = self._kind if self._kind != RELATED else f"{RELATED} of {root}"
            raise UnsupportedType(
                f'Send {RELATED}; type="{INSTANCE}", each part a whole instance, or one instance as '
                f"{INSTANCE}; this was {_shown(wrong)}."
            )
        self._body = ArrivingBody(request, settings, held)

    async def parts(self) -> AsyncIterator[Part]:
        """Each part in order. Raises InvalidRequest for a broken body."""
        if self._kind == INSTANCE:
            yield Part(self._body.all())
            return
        async for part in self._body.parts():
            yield part


def check_part(part: Part) -> None:
    """Raise UnsupportedType for what is no instance as it is; which transfer syntax it names is its own."""
    kind = part.headers.get("content-type", INSTANCE)
    if _type_of(kind) != INSTANCE:
        raise UnsupportedType(
            f"Each part is one instance as {INSTANCE}, metadata and bulk data apart are not taken; "
            f"this was {_shown(kind)}."
        )
    encoding = part.headers.get("content-transfer-encoding", "").lower()
    if encoding not in _AS_IT_IS:
        raise UnsupportedType(
            f"Send the bytes as they are, in no Content-Transfer-Encoding {_shown(encoding)}."
        )


def _shown(text: str) -> str:
    """What somebody sent, fit to be told them; bytes that are no text are none in a header either."""
    return "".join(c for c in text[:100] if c.isprintable())


def _type_of(header: str) -> str:
    return header.partition(";")[0].strip().lower()
