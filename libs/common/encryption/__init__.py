"""The encrypted container that every stored object lies in (docs/decisions/0005-storage-container.md)."""

from libs.common.encryption.container import (
    HEADER_BYTES,
    OBJECT_ID_BYTES,
    SEALED_SEGMENT_BYTES,
    SEGMENT_BYTES,
    TRAILER_LENGTH_BYTES,
    DataCipher,
    container_bytes,
    segment_count,
    segment_range,
    segments_of,
)
from libs.common.encryption.header import (
    ContainerHeader,
    intact_header,
    named_keys,
    new_header,
    unlock,
    unlock_object,
)
from libs.common.encryption.reader import TAIL_BYTES, ContainerFile, pread, read_segment, trailer_start
from libs.common.encryption.rewrap import rewrap
from libs.common.encryption.stream import DecryptingReader, SegmentReader
from libs.common.encryption.writer import Sealer

__all__ = [
    "HEADER_BYTES",
    "OBJECT_ID_BYTES",
    "SEALED_SEGMENT_BYTES",
    "SEGMENT_BYTES",
    "TAIL_BYTES",
    "TRAILER_LENGTH_BYTES",
    "ContainerFile",
    "ContainerHeader",
    "DataCipher",
    "DecryptingReader",
    "Sealer",
    "SegmentReader",
    "container_bytes",
    "intact_header",
    "named_keys",
    "new_header",
    "pread",
    "read_segment",
    "rewrap",
    "segment_count",
    "segment_range",
    "segments_of",
    "trailer_start",
    "unlock",
    "unlock_object",
]
