"""The files of the pydicom wheel that are broken on purpose, or no instance at all, and why.

Paths are relative to `pydicom/data`. Each is refused with the fault named here; every other DICOM file
there must be measured.
"""

from __future__ import annotations

from typing import NamedTuple


class Broken(NamedTuple):
    """The fault code that the analysis answers with, and what is wrong with the file."""

    code: str
    why: str


_NO_FILE_FORMAT = "a bare data set: neither preamble nor file meta information"
_DIRECTORY = "a media directory, which indexes instances and is none itself"

BROKEN = {
    "test_files/ExplVR_BigEndNoMeta.dcm": Broken("not-dicom", _NO_FILE_FORMAT),
    "test_files/ExplVR_LitEndNoMeta.dcm": Broken("not-dicom", _NO_FILE_FORMAT),
    "test_files/no_meta.dcm": Broken("not-dicom", _NO_FILE_FORMAT),
    "test_files/rtstruct.dcm": Broken("not-dicom", _NO_FILE_FORMAT),
    "test_files/meta_missing_tsyntax.dcm": Broken(
        "no-transfer-syntax", "the file meta information lacks the transfer syntax"
    ),
    "test_files/MR_truncated.dcm": Broken(
        "pixel-data-invalid", "the last 200 bytes of the pixels are cut off"
    ),
    "test_files/rtplan_truncated.dcm": Broken("truncated", "the file ends inside a sequence of its header"),
    "test_files/nested_priv_SQ.dcm": Broken(
        "pixel-data-invalid", "two bytes of pixel data without any element that describes them"
    ),
    "test_files/JPEG2000-embedded-sequence-delimiter.dcm": Broken(
        "pixel-data-invalid", "bytes of the codestream's size are overwritten with a sequence delimiter"
    ),
    "test_files/dicomdirtests/DICOMDIR": Broken("dicomdir", _DIRECTORY),
    "test_files/dicomdirtests/DICOMDIR-bigEnd": Broken("dicomdir", _DIRECTORY),
    "test_files/dicomdirtests/DICOMDIR-empty.dcm": Broken("dicomdir", _DIRECTORY),
    "test_files/dicomdirtests/DICOMDIR-implicit": Broken("dicomdir", _DIRECTORY),
    "test_files/dicomdirtests/DICOMDIR-nooffset": Broken("dicomdir", _DIRECTORY),
    "test_files/dicomdirtests/DICOMDIR-nopatient": Broken("dicomdir", _DIRECTORY),
    "test_files/dicomdirtests/DICOMDIR-reordered": Broken("dicomdir", _DIRECTORY),
    "test_files/dicomdirtests/TINY_ALPHA/DICOMDIR": Broken("dicomdir", _DIRECTORY),
}

NOT_DICOM = (
    "charset_files/FileInfo.txt",
    "palettes/README.md",
    "test_files/README.txt",
    "test_files/crayons.icc",
    "test_files/dicomdirtests/README.txt",
    "test_files/dicomdirtests/TINY_ALPHA/README",
    "test_files/rtplan.dump",
    "test_files/rtstruct.dump",
    "test_files/test1.json",
    "test_files/test_PN.json",
    "test_files/zipMR.gz",
)
"""Other things that lie among them."""
