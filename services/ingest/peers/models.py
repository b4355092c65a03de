"""What is told and asked of peers of the DICOM door."""

from __future__ import annotations

from datetime import datetime
from ipaddress import ip_network
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints

from libs.common.access import COLLECTION_PATTERN
from services.ingest.dimse.settings import AE_TITLE

MOST_ADDRESSES = 64


def _ae_title(value: str) -> str:
    if AE_TITLE.fullmatch(value) is None:
        raise ValueError("an AE title is 1 to 16 printable ASCII characters, none of them a backslash")
    return value


def _network(value: str) -> str:
    try:
        return str(ip_network(value.strip(), strict=False))
    except ValueError as error:
        raise ValueError("write an address or a network, e.g. 10.1.2.3 or 10.1.2.0/24") from error


def _listed(value: object) -> object:
    """Of a form: with commas or spaces between."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


def _given(value: object) -> object:
    """Of a form: what was left empty is none."""
    return None if value in ("", 0) else value


def _fingerprint(value: str) -> str:
    digits = value.replace(":", "").strip().lower()
    if len(digits) != 64 or set(digits) - set("0123456789abcdef"):
        raise ValueError("write the certificate's SHA-256 fingerprint: 64 hexadecimal digits")
    return digits


AeTitle = Annotated[str, StringConstraints(max_length=16), AfterValidator(_ae_title)]
PeerAddresses = Annotated[
    list[Annotated[str, StringConstraints(max_length=64), AfterValidator(_network)]],
    Field(min_length=1, max_length=MOST_ADDRESSES),
    BeforeValidator(_listed, json_schema_input_type=list[str] | str),
]
Fingerprint = Annotated[
    Annotated[str, StringConstraints(max_length=128), AfterValidator(_fingerprint)] | None,
    BeforeValidator(_given),
]
PeerCollection = Annotated[str, StringConstraints(pattern=COLLECTION_PATTERN)]
PeerNote = Annotated[str, StringConstraints(max_length=500, pattern=r"^[^\x00]*$")]
PeerPort = Annotated[
    Annotated[int, Field(ge=1, le=65535)] | None,
    BeforeValidator(_given),
]
PORT = "Where it takes reports of storage commitment; null: on the association that asks for it"
AccountId = Annotated[int, Field(ge=1, le=2**31 - 1)]


class PeerCreate(BaseModel):
    """A peer to be let in."""

    model_config = ConfigDict(extra="forbid")

    ae_title: AeTitle = Field(description="What it calls itself (calling AE title)")
    addresses: PeerAddresses = Field(description="Addresses and networks (CIDR) that it calls from")
    certificate: Fingerprint = Field(
        None, description="SHA-256 fingerprint of the TLS client certificate that it must show; null: none"
    )
    account_id: AccountId = Field(description="Whom it acts for")
    collection: PeerCollection | None = Field(
        None, description="Where its objects go, e.g. `group:3`; null: into the account's own"
    )
    port: PeerPort = Field(None, description=PORT)
    active: bool = True
    note: PeerNote = ""


class PeerChange(BaseModel):
    """What of a peer is to be another; what is left out stays."""

    model_config = ConfigDict(extra="forbid")

    ae_title: AeTitle | None = None
    addresses: PeerAddresses | None = None
    certificate: Fingerprint = Field(None, description="null: it need not show one any more")
    account_id: AccountId | None = None
    collection: PeerCollection | None = None
    port: PeerPort = Field(None, description=PORT)
    active: bool | None = None
    note: PeerNote | None = None


class KnownPeer(BaseModel):
    """Who may send by DIMSE."""

    model_config = ConfigDict(frozen=True)

    id: UUID
    ae_title: str
    addresses: list[str]
    certificate: str | None
    account_id: int
    collection: str
    port: int | None
    active: bool
    note: str
    created_at: datetime
    changed_at: datetime


class PeerListQuery(BaseModel):
    """Parameters of GET /api/peers."""

    q: Annotated[str, StringConstraints(max_length=200, pattern=r"^[^\x00]*$")] | None = Field(
        None, description="Words of the AE title or the note"
    )
    cursor: UUID | None = Field(None, description="`next_cursor` of the page before")
    limit: int = Field(50, ge=1, le=200)


class PeerList(BaseModel):
    """Peers, newest first."""

    peers: list[KnownPeer]
    next_cursor: str | None = Field(description="Of the next page; null at the end")
