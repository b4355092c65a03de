"""The test data that the pydicom wheel ships, and which of them are no sound DICOM instances, and why."""

from __future__ import annotations

from pathlib import Path

import pydicom.data

_ROOT = Path(pydicom.data.__file__).parent
_FOLDERS = ("test_files", "charset_files", "palettes")

NOT_DICOM = {
    "charset_files/FileInfo.txt": "text",
    "palettes/README.md": "text",
    "test_files/README.txt": "text",
    "test_files/crayons.icc": "an ICC profile",
    "test_files/dicomdirtests/README.txt": "text",
    "test_files/dicomdirtests/TINY_ALPHA/README": "text",
    "test_files/rtplan.dump": "text",
    "test_files/rtstruct.dump": "text",
    "test_files/test1.json": "JSON",
    "test_files/test_PN.json": "JSON",
    "test_files/zipMR.gz": "a gzip archive",
}
"""Files beside the DICOM ones."""

BROKEN = {
    "test_files/ExplVR_BigEndNoMeta.dcm": ("not-dicom", "a bare data set"),
    "test_files/ExplVR_LitEndNoMeta.dcm": ("not-dicom", "a bare data set"),
    "test_files/MR_truncated.dcm": ("truncated", "200 bytes of the pixel data are missing"),
    "test_files/empty_charset_LEI.dcm": ("missing-uid", "a test of one element, no instance"),
    "test_files/meta_missing_tsyntax.dcm": ("no-transfer-syntax", "the file meta information lacks it"),
    "test_files/nested_priv_SQ.dcm": ("missing-uid", "a test of one element, no instance"),
    "test_files/no_meta.dcm": ("not-dicom", "a bare data set"),
    "test_files/rtplan_truncated.dcm": ("length-beyond-file", "cut off inside a sequence"),
    "test_files/rtstruct.dcm": ("not-dicom", "a bare data set that begins with a file meta information"),
    **{
        f"test_files/dicomdirtests/{name}": ("dicomdir", "the index of a medium")
        for name in (
            "DICOMDIR",
            "DICOMDIR-bigEnd",
            "DICOMDIR-empty.dcm",
            "DICOMDIR-implicit",
            "DICOMDIR-nooffset",
            "DICOMDIR-nopatient",
            "DICOMDIR-reordered",
            "TINY_ALPHA/DICOMDIR",
        )
    },
}
"""DICOM files that are refused: name -> (fault code, why)."""


def names() -> list[str]:
    """Every file of the wheel's test data, relative to its data folder; nothing is downloaded."""
    found = (path for folder in _FOLDERS for path in (_ROOT / folder).rglob("*") if path.is_file())
    return sorted(path.relative_to(_ROOT).as_posix() for path in found)


def sound_names() -> list[str]:
    """The files that are sound instances."""
    return [name for name in names() if name not in BROKEN and name not in NOT_DICOM]


def path_of(name: str) -> Path:
    """Where a file of `names` is."""
    return _ROOT / name
