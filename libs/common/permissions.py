"""What a caller may be allowed to do: every permission there is, by Django's names (action, then model).

`auth.auth_permission` holds the same names (tested). In an access token they are one bit each, in this order:
names are added at the end and never removed.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Literal, cast, get_args

Permission = Literal[
    "add_dicomfile",
    "change_dicomfile",
    "delete_dicomfile",
    "view_dicomfile",
    "add_dicomresult",
    "change_dicomresult",
    "delete_dicomresult",
    "view_dicomresult",
    "add_share",
    "change_share",
    "delete_share",
    "view_share",
    "add_link",
    "change_link",
    "delete_link",
    "view_link",
    "add_user",
    "change_user",
    "delete_user",
    "view_user",
    "add_group",
    "change_group",
    "delete_group",
    "view_group",
    "add_permission",
    "change_permission",
    "delete_permission",
    "view_permission",
    "add_apikey",
    "change_apikey",
    "delete_apikey",
    "view_apikey",
    "add_serviceaccount",
    "change_serviceaccount",
    "delete_serviceaccount",
    "view_serviceaccount",
    "add_session",
    "change_session",
    "delete_session",
    "view_session",
    "add_logentry",
    "change_logentry",
    "delete_logentry",
    "view_logentry",
    "add_contenttype",
    "change_contenttype",
    "delete_contenttype",
    "view_contenttype",
    "add_queue",
    "change_queue",
    "delete_queue",
    "view_queue",
    "add_worker",
    "change_worker",
    "delete_worker",
    "view_worker",
    "add_job",
    "change_job",
    "delete_job",
    "view_job",
    "add_deadletter",
    "change_deadletter",
    "delete_deadletter",
    "view_deadletter",
    "add_entry",
    "change_entry",
    "delete_entry",
    "view_entry",
    "add_setting",
    "change_setting",
    "delete_setting",
    "view_setting",
    "share_dicomfile",
    "move_dicomfile",
    "retry_dicomfile",
    "prioritise_dicomfile",
    "view_all_dicomresult",
    "manage_all_dicomresult",
    "reprocess_dicomresult",
    "export_dicomresult",
    "replay_deadletter",
    "pause_queue",
    "export_entry",
    "unlock_user",
    "add_peer",
    "change_peer",
    "delete_peer",
    "view_peer",
    "add_application",
    "change_application",
    "delete_application",
    "view_application",
]

PERMISSIONS: tuple[Permission, ...] = get_args(Permission)
ALL: frozenset[Permission] = frozenset(PERMISSIONS)
ORDINARY: frozenset[Permission] = frozenset({"add_dicomfile", "view_dicomfile", "view_dicomresult"})
"""What everybody who was signed in might do before permissions were given out; old tokens mean these."""

_BITS: dict[str, int] = {name: 1 << place for place, name in enumerate(PERMISSIONS)}


def encode(names: Iterable[str]) -> str:
    """The compact form of a token: a bit field, little endian, base64url without padding.

    Names that this release does not know are left out.
    """
    bits = sum({_BITS[name] for name in names if name in _BITS})
    raw = bits.to_bytes((bits.bit_length() + 7) // 8, "little")
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decode(text: str) -> frozenset[Permission]:
    """Back from `encode`; bits of a later release are left out. Raises ValueError for what is none."""
    raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    bits = int.from_bytes(raw, "little")
    return frozenset(name for name in PERMISSIONS if bits & _BITS[name])


def known(names: Iterable[str]) -> frozenset[Permission]:
    """Those of `names` that this release knows."""
    return frozenset(cast(Permission, name) for name in names if name in _BITS)
