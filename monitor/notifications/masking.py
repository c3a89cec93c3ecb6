"""Hide the secrets of channel URLs, in the URL itself and in other texts. Knows no Django.

Texts come from receivers, so every pattern takes time in proportion to the text.
"""

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
_URL = re.compile(
    # A run of the characters of a scheme is tried from its first one only, and taken whole (`*+`). What may stand before
    # the scheme within it is kept: `1.https://…`, `-https://…`.
    r"(?<![a-z0-9+.-])(?P<before>(?:[0-9]*+[+.-])*+)(?P<url>[a-z0-9+.-]++://[^\s'\"<>]+)",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_AUTHORITY = re.compile(r"://(?=([^/?#]*))")
_PIECES = re.compile(r"[\s/?&#]+")
_PARTS = re.compile(r"[:=@,;+]+")


def masked(url: str) -> str:
    """A channel's URL to show: the scheme, with the server's name where that is no secret. https://example.com/***"""
    scheme, host, _ = _parts(url)
    if not scheme:
        return HIDDEN
    return f"{scheme}://{host}/{HIDDEN}" if host else f"{scheme}://{HIDDEN}"


def without_secrets(text: str, url: str, *secrets: str, longest: int = LONGEST_TEXT) -> str:
    """The text with every further secret, and every part of a channel's URL that may be one, hidden; then cut to `longest`."""
    text = text.replace(url, masked(url))
    for secret in sorted(_secrets(url) | {each for each in secrets if each}, key=len, reverse=True):
        text = re.compile(re.escape(secret), re.IGNORECASE).sub(HIDDEN, text)
    text = _URL.sub(lambda found: found["before"] + masked(found["url"]), text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _parts(url: str) -> tuple[str, str, str]:
    """Scheme, the host that may be shown, and all the rest."""
    scheme, separator, rest = url.strip().partition("://")
    if not separator or not _SCHEME.fullmatch(scheme):
        return "", "", url.strip()
    scheme = scheme.lower()
    if scheme.removesuffix("s") not in _HOST_IS_NO_SECRET:
        return scheme, "", rest
    authority = _AUTHORITY.findall(f"://{rest}")[0]
    user, _, host = authority.rpartition("@")
    return scheme, host, f"{user} {rest[len(authority) :]}"


def _secrets(url: str) -> set[str]:
    """Pieces of a URL that may be secret, as written and decoded. A password counts at any length, other pieces from
    four characters on: shorter ones are words and would tear holes into every sentence.
    """
    _, host, rest = _parts(url)
    pieces = set(_PIECES.split(rest))  # whole pieces first: user:password, key=value
    pieces |= {part for piece in pieces for part in _PARTS.split(piece)}
    pieces |= {decoded for piece in pieces for decoded in (unquote(piece), unquote_plus(piece))}
    found = {piece for piece in pieces if len(piece) >= 4} - _parameters(url) - {host, host.partition(":")[0]}
    passwords = {user.rpartition("@")[0].partition(":")[2] for user in _AUTHORITY.findall(url)}
    return found | {each for password in passwords for each in (password, unquote(password))} - {""}


def _parameters(url: str) -> set[str]:
    """The names of a URL's parameters: to, mode, format."""
    before_equals = url.split("=")[:-1]
    return {text.rpartition("&")[2] if "&" in text else text.partition("?")[2] for text in before_equals}
