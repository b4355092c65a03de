"""Encrypted object storage: the contract and its implementations."""

from libs.common.storage.contract import (
    Capacity,
    ChildAccess,
    ObjectReader,
    ObjectWriter,
    Storage,
    StoredObject,
)
from libs.common.storage.file import FileStorage

__all__ = [
    "Capacity",
    "ChildAccess",
    "FileStorage",
    "ObjectReader",
    "ObjectWriter",
    "Storage",
    "StoredObject",
]
