"""The encrypted container that every stored object lies in (docs/decisions/0005-storage-container.md)."""

from libs.common.encryption.container import (
    HEADER_BYTES,
    OBJECT_ID_BYTES,
    SEGMENT_BYTES,
    DataCipher,
    container_bytes,
    segment_count,
)
from libs.common.encryption.header import Header, intact_header, new_header, unlock
from libs.common.encryption.reader import ContainerFile, read_segment
from libs.common.encryption.rewrap import rewrap
from libs.common.encryption.stream import DecryptingReader, SegmentReader
from libs.common.encryption.writer import Sealer

__all__ = [
    "HEADER_BYTES",
    "OBJECT_ID_BYTES",
    "SEGMENT_BYTES",
    "ContainerFile",
    "DataCipher",
    "DecryptingReader",
    "Header",
    "Sealer",
    "SegmentReader",
    "container_bytes",
    "intact_header",
    "new_header",
    "read_segment",
    "rewrap",
    "segment_count",
    "unlock",
]
