"""In which form instances are given, as a client takes them (PS3.18 10.4, 8.7.3.5); pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

from libs.dicom.parse.syntax import EXPLICIT_LITTLE_UID
from libs.dicom.web.media_ranges import MediaRange, covers

DICOM = "application/dicom"
ZIP = "application/zip"
ANY = "*"


class AskedSyntax(NamedTuple):
    """A transfer syntax that is taken, or ANY, and how gladly."""

    uid: str
    weight: float


_LAST_RESORT = AskedSyntax(ANY, 0.0)


class InstanceForm(NamedTuple):
    """How an answer holds its instances, and in which transfer syntaxes, the best first."""

    kind: Literal["parts", "single", "zip"]
    syntaxes: tuple[AskedSyntax, ...] = ()

    def syntax_of(self, stored: str, possible: Collection[str]) -> str | None:
        """The one that an instance is given in; what weighs the same and is `stored` costs nothing."""
        asked = ((stored if one.uid == ANY else one.uid, one.weight) for one in self.syntaxes)
        fitting = [(uid, weight) for uid, weight in asked if uid in possible]
        if not fitting:
            return None
        return max(fitting, key=lambda one: (one[1], one[0] == stored))[0]


def instance_form(ranges: Sequence[MediaRange], *, one: bool) -> InstanceForm | None:
    """The form that is taken best; `one`: the address names one instance. None: none is."""
    kinds = [(kind_of(asked, one=one), asked) for asked in ranges]
    best = next((kind for kind, _ in kinds if kind is not None), None)
    if best is None or best == "zip":
        return None if best is None else InstanceForm("zip")
    fitting = [asked for kind, asked in kinds if kind == best]
    syntaxes = [AskedSyntax(asked.transfer_syntax or EXPLICIT_LITTLE_UID, asked.weight) for asked in fitting]
    if not one and not any(asked.transfer_syntax for asked in fitting):
        # Who names none can read what a part says of itself; one video must not withhold a whole study.
        syntaxes.append(_LAST_RESORT)
    return InstanceForm(best, tuple(syntaxes))


def kind_of(asked: MediaRange, *, one: bool) -> Literal["parts", "single", "zip"] | None:
    """What one range takes."""
    if asked.takes("multipart/related"):
        return "parts" if covers(asked.part, DICOM) else None
    if one and asked.takes(DICOM):
        return "single"
    return "zip" if asked.takes(ZIP) else None
