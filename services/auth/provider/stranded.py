"""A page of words for whom an application has sent here with what leads no further; pure."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import Mapping
from html import escape
from types import MappingProxyType
from typing import NamedTuple

from aiohttp import web

from libs.common.http.json import NO_STORE

HTML = "text/html"
DEFAULT = "es"
STYLE = (
    ":root{color-scheme:light dark}"
    "body{margin:0 auto;max-width:38rem;padding:2rem 1.25rem;font:1rem/1.5 system-ui,sans-serif;"
    "background:light-dark(#f3f6f8,#0e1418);color:light-dark(#15202a,#e7eef2)}"
    "h1{font-size:1.5rem;line-height:1.25}"
    "a{color:light-dark(#0b6075,#6fcde0)}"
)
_DIGEST = b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    **NO_STORE,
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept, Accept-Language",
}


class PageWords(NamedTuple):
    """In one language; the last three are of every page."""

    unknown: tuple[str, str]
    """Heading and what has happened: nobody knows the application, or not at this address."""
    unclear: tuple[str, str]
    """The same of a request that is not what the protocol has."""
    kept: str
    advice: str
    portal: str


WORDS: Mapping[str, PageWords] = MappingProxyType(
    {
        "es": PageWords(
            unknown=(
                "Esta aplicación no puede entrar aquí",
                "La aplicación que le ha traído hasta aquí no está registrada en este sistema, "
                "o no con la dirección a la que pide volver.",
            ),
            unclear=(
                "No se entiende lo que pide la aplicación",
                "La aplicación que le ha traído hasta aquí no ha dicho lo que hace falta para entrar o "
                "salir.",
            ),
            kept="No se le ha dicho nada de usted, y por eso tampoco se le lleva de vuelta a ella.",
            advice="Si quería ver un estudio, ábralo en el portal: desde allí se llega a los visores "
            "registrados. Si vuelve a ocurrir, avise a quien administra la aplicación: tiene que estar "
            "registrada con su dirección exacta.",
            portal="Ir al portal",
        ),
        "en": PageWords(
            unknown=(
                "This application may not come in here",
                "The application that brought you here is not registered with this system, "
                "or not with the address that it asks to return to.",
            ),
            unclear=(
                "What the application asks for is not clear",
                "The application that brought you here did not say what it takes to sign in or out.",
            ),
            kept="It was told nothing of you, which is why you are not led back to it either.",
            advice="If you wanted to see a study, open it in the portal: the viewers that are registered are "
            "reached from there. If it happens again, tell whoever administers the application: it has to be "
            "registered with its exact address.",
            portal="Go to the portal",
        ),
    }
)


def is_asked_for(accept: str) -> bool:
    """Whether a browser shows the answer to somebody; programs do not name this type (RFC 9110 12.5.1)."""
    return any(part.partition(";")[0].strip().lower() == HTML for part in accept.split(","))


def language_of(accepted: str) -> str:
    """The first language of ours that an Accept-Language header likes best (RFC 9110 12.5.4)."""
    liked: list[tuple[float, str]] = []
    for part in accepted.split(","):
        tag, _, rest = part.partition(";")
        try:
            weight = float(rest.partition("=")[2] or 1)
        except ValueError:
            weight = 0.0
        liked.append((weight, tag.strip().lower().partition("-")[0]))
    known = [one for one in liked if one[0] > 0 and one[1] in WORDS]
    return max(known, key=lambda one: one[0])[1] if known else DEFAULT


def page(home: str, *, unknown: bool, accepted: str, status: int) -> web.Response:
    """What has happened and what to do, with nothing of what was sent here; `home` is the portal's path."""
    language = language_of(accepted)
    words = WORDS[language]
    heading, told = words.unknown if unknown else words.unclear
    text = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(heading)}</title><style>{STYLE}</style></head><body><main>"
        f"<h1>{escape(heading)}</h1><p>{escape(told)} {escape(words.kept)}</p><p>{escape(words.advice)}</p>"
        f'<p><a href="{escape(home)}">{escape(words.portal)}</a></p></main></body></html>\n'
    )
    headers = {**HEADERS, "Content-Language": language}
    return web.Response(text=text, status=status, content_type=HTML, charset="utf-8", headers=headers)
