"""Encrypted object storage: the contract and its implementations."""

from libs.common.storage.contract import ChildAccess, ObjectReader, ObjectWriter, Storage
from libs.common.storage.file import FileStorage

__all__ = ["ChildAccess", "FileStorage", "ObjectReader", "ObjectWriter", "Storage"]
