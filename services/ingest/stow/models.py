"""What the Store transaction answers, for its description."""

from __future__ import annotations

from typing import Any

from pydantic import RootModel


class StoreResponse(RootModel[dict[str, dict[str, Any]]]):
    """The Store Instances Response Module in the DICOM JSON Model (PS3.18 I.2).

    00081199 has an item for each instance that is stored, those included that were there before; 00081198 and
    0008119A have those that are not.
    """
