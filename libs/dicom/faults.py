"""The one error that reading DICOM input raises."""

from __future__ import annotations


class DicomFault(ValueError):
    """The input breaks a rule of DICOM or a documented limit.

    `code` is stable and kebab-case (`not-dicom`, `truncated`, `decode-failed`); `detail` is a sentence or two
    for the person who sent the file: what is wrong and what to do. It never quotes values of the data set.
    """

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.code}: {self.detail}"
