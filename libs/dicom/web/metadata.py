"""Headers in the DICOM JSON Model, as an archive keeps them, made what WADO-RS gives out; pure (PS3.18 10.4).

They are rewritten as text: what is replaced holds quotation marks that no value can hold unescaped.
"""

from __future__ import annotations

import re

_BULK = '"BulkDataURI": "bulkdata/'
_CHARACTER_SET = re.compile(r'"00080005": \{"vr": "CS"(?:, "Value": \[[^\]]*\])?\}')
_UTF_8 = '"00080005": {"vr": "CS", "Value": ["ISO_IR 192"]}'


def instance_metadata(header: str, instance_url: str) -> str:
    """One header with absolute addresses of its bulk data.

    `header` is JSON with a space behind each colon. It says UTF-8 of itself, since that is what it is in:
    whoever makes a data set of it would take the characters for those of the set that was named before.
    """
    told = _CHARACTER_SET.sub(_UTF_8, header)
    return told.replace(_BULK, f'"BulkDataURI": "{instance_url}/bulkdata/')
