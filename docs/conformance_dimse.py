"""The part of the conformance statement that tells of DIMSE, made from the tables that the DICOM door works by."""

from __future__ import annotations

from pydicom.uid import UID_dictionary

from libs.dicom.implementation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from services.ingest.dimse.commands import COMMENT_CHARACTERS
from services.ingest.dimse.commitment import ATTEMPTS, CLASS_CONFLICT, NO_SUCH_OBJECT
from services.ingest.dimse.negotiation import MOST_CONTEXTS
from services.ingest.dimse.pdus import REJECTIONS
from services.ingest.dimse.settings import DimseSettings
from services.ingest.dimse.sop_classes import STORAGE, STORAGE_COMMITMENT_PUSH_MODEL, VERIFICATION
from services.ingest.dimse.statuses import MEANINGS
from services.ingest.dimse.syntaxes import NATIVE, PREFERRED

TOLD = (
    "dimse_port",
    "dimse_ae_title",
    "dimse_unknown_sop_classes",
    "dimse_max_pdu",
    "dimse_associations",
    "dimse_associations_per_peer",
    "dimse_acse_timeout",
    "dimse_network_timeout",
    "dimse_idle_timeout",
)


def dimse() -> list[str]:
    """SOP classes, transfer syntaxes, statuses, associations and their limits (PS3.2 annex A)."""
    return [
        "The system accepts associations as an SCP of verification, storage and storage commitment (push model). It requests associations only to report",
        "storage commitment to a peer that has a port.",
        "",
        "### 3.1 Associations",
        "",
        f"Implementation Class UID `{IMPLEMENTATION_CLASS_UID}`, version name `{IMPLEMENTATION_VERSION_NAME}`. One operation at a time; no extended negotiation, no role",
        f"selection, no user identity. Up to {MOST_CONTEXTS} presentation contexts; of the transfer syntaxes of one, the first of 3.3 is chosen.",
        "A calling AE title, its address and, over TLS, its certificate make a peer, which acts for an account; nobody else is let in.",
        "",
        "| result | source | reason | when |",
        "|---|---|---|---|",
        *(f"| {one.result} | {one.source} | {one.reason} | {one.word} |" for one in REJECTIONS),
        "",
        "| setting | default | meaning |",
        "|---|---|---|",
        *(
            f"| `{name.upper()}` | `{DimseSettings.model_fields[name].default}` | "
            f"{DimseSettings.model_fields[name].description} |"
            for name in TOLD
        ),
        "",
        "### 3.2 SOP classes",
        "",
        "| UID | name |",
        "|---|---|",
        *(
            f"| {uid} | {_name(uid)} |"
            for uid in (VERIFICATION, STORAGE_COMMITMENT_PUSH_MODEL, *sorted(STORAGE, key=_numbers))
        ),
        "",
        "With `DIMSE_UNKNOWN_SOP_CLASSES` those as well that no edition of the standard names.",
        "",
        "### 3.3 Transfer syntaxes",
        "",
        f"In this order; verification and storage commitment only in {', '.join(_name(uid) for uid in NATIVE)}.",
        "",
        "| UID | name |",
        "|---|---|",
        *(f"| {uid} | {_name(uid)} |" for uid in PREFERRED),
        "",
        "### 3.4 C-STORE",
        "",
        "The data set is kept as it came, byte by byte; file meta information is written from the association, with the calling AE title as the source. Success says that the object",
        "is durable, encrypted and accepted. A data set that the collection has already is a success. After a refusal the association goes on; of an object that was",
        f"broken off nothing is kept. An Error Comment of up to {COMMENT_CHARACTERS} characters says why.",
        "",
        "| status | meaning |",
        "|---|---|",
        *(f"| {status:04X} | {meaning} |" for status, meaning in MEANINGS.items()),
        "",
        "### 3.5 Storage commitment",
        "",
        "Instances of the collection that the peer sends into are committed to when the N-ACTION is answered. Failure reasons: "
        f"{NO_SUCH_OBJECT:04X} not there, {CLASS_CONFLICT:04X} of another SOP class.",
        f"The N-EVENT-REPORT follows on the same association, or to the peer's port on another one, {len(ATTEMPTS)} times within a minute or so until it is taken.",
        "",
    ]


def _name(uid: str) -> str:
    return UID_dictionary[uid][0] if uid in UID_dictionary else uid


def _numbers(uid: str) -> list[int]:
    return [int(part) for part in uid.split(".")]
