"""What is written to somebody who has forgotten their password, in their language; pure."""

from __future__ import annotations

from collections.abc import Mapping
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate, make_msgid
from types import MappingProxyType
from typing import NamedTuple

from services.auth.password_reset.models import Recipient

PAGE = "/reset-password#"
"""Of the portal. What follows `#` is sent to no server and is in no log."""


class Letter(NamedTuple):
    """In one language."""

    subject: str
    text: str


LETTERS: Mapping[str, Letter] = MappingProxyType(
    {
        "es": Letter(
            "Elige otra contraseña",
            "Alguien, seguramente tú, ha pedido otra contraseña para la cuenta {username} en {system}.\n\n"
            "Elígela en esta página. El enlace sirve una sola vez, durante {minutes} minutos:\n\n{url}\n\n"
            "Si no has sido tú, no hagas nada: tu contraseña sigue siendo la misma.\n",
        ),
        "en": Letter(
            "Choose another password",
            "Somebody, presumably you, asked for another password of the account {username} at {system}.\n\n"
            "Choose it on this page. The link works once, for {minutes} minutes:\n\n{url}\n\n"
            "If it was not you, do nothing: your password stays as it is.\n",
        ),
    }
)


def link(base_url: str, token: str) -> str:
    """The address of the page; `base_url` is PUBLIC_URL, never what a request says of itself."""
    return f"{base_url}{PAGE}{token}"


def compose(recipient: Recipient, *, sender: str, base_url: str, token: str, seconds: int) -> EmailMessage:
    """The mail, in Spanish and English where no language was chosen. Raises ValueError for no address."""
    letters = [LETTERS[recipient.language]] if recipient.language in LETTERS else list(LETTERS.values())
    facts = {
        "username": recipient.username,
        "system": base_url,
        "minutes": max(1, seconds // 60),
        "url": link(base_url, token),
    }
    message = EmailMessage(policy=SMTP)
    message["From"] = sender
    message["To"] = recipient.email
    message["Subject"] = " / ".join(letter.subject for letter in letters)
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    # No out-of-office answers (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content("\n---\n\n".join(letter.text.format_map(facts) for letter in letters))
    return message
