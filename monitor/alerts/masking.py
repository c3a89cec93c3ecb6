"""Channel URLs without their secrets, and texts without the secrets of a URL. Knows no Django."""

from __future__ import annotations

import re
from urllib.parse import unquote, unquote_plus

HIDDEN = "***"
LONGEST_TEXT = 500
"""Characters. Some services answer an error with whole pages."""
_HOST_IS_NO_SECRET = frozenset(
    {
        "http",
        "json",
        "xml",
        "form",
        "mailto",
        "gotify",
        "mmost",
        "rocket",
        "hassio",
        "apprise",
        "mqtt",
        "nctalk",
        "ncloud",
    }
)
"""Schemes, each also with an s for TLS, whose URL begins with the name of a server. In others a token may stand there."""
_URL = re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>]+", re.IGNORECASE)


def masked(url: str) -> str:
    """A channel's URL to show: the scheme, with the server's name where that is no secret. https://example.com/***"""
    scheme, host, _ = _parts(url)
    if not scheme:
        return HIDDEN
    return f"{scheme}://{host}/{HIDDEN}" if host else f"{scheme}://{HIDDEN}"


def without_secrets(text: str, url: str, *secrets: str, longest: int = LONGEST_TEXT) -> str:
    """A text, cut to `longest`, in which every part of a channel's URL that may be secret, and every further secret, is hidden."""
    text = text.replace(url, masked(url))
    for secret in sorted(_secrets(url) | {each for each in secrets if each}, key=len, reverse=True):
        text = re.sub(re.escape(secret), HIDDEN, text, flags=re.IGNORECASE)
    text = _URL.sub(lambda found: masked(found[0]), text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _parts(url: str) -> tuple[str, str, str]:
    """Scheme, the host that may be shown, and all the rest."""
    scheme, separator, rest = url.strip().partition("://")
    if not separator or not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*", scheme):
        return "", "", url.strip()
    scheme = scheme.lower()
    if scheme.removesuffix("s") not in _HOST_IS_NO_SECRET:
        return scheme, "", rest
    authority = re.split(r"[/?#]", rest, maxsplit=1)[0]
    user, _, host = authority.rpartition("@")
    return scheme, host, f"{user} {rest[len(authority) :]}"


def _secrets(url: str) -> set[str]:
    """Pieces of a URL that may be secret, as written and decoded. A password counts at any length, other pieces from
    four characters on: shorter ones are words and would tear holes into every sentence.
    """
    _, host, rest = _parts(url)
    pieces = set(re.split(r"[\s/?&#]+", rest))  # whole pieces first: user:password, key=value
    pieces |= {part for piece in pieces for part in re.split(r"[:=@,;+]+", piece)}
    pieces |= {decoded for piece in pieces for decoded in (unquote(piece), unquote_plus(piece))}
    names = {match[1] for match in re.finditer(r"[?&]([^=&]+)=", url)}  # of parameters: to, mode, format
    found = {piece for piece in pieces if len(piece) >= 4} - names - {host, host.partition(":")[0]}
    password = re.search(r"://[^/?#]*?:([^/?#]*)@", url)
    return found | ({password[1], unquote(password[1])} - {""} if password else set())
