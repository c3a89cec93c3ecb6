"""Mask the secrets of channel URLs, in the URL itself and in other texts. Django-free.

Texts come from receivers, so every pattern takes time in proportion to the text.
"""

from __future__ import annotations

import re
from urllib.parse import unquote, unquote_plus

HIDDEN = "***"
LONGEST_TEXT = 500
"""Characters. Some services answer errors with whole pages."""
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
"""Schemes, each also with an s for TLS, whose URLs begin with a server's name. In other schemes that can be a token."""
_URL = re.compile(
    # A run of scheme characters is tried from its first character only, and matched whole (`*+`). Characters before the
    # scheme are kept: `1.https://…`, `-https://…`.
    r"(?<![a-z0-9+.-])(?P<before>(?:[0-9]*+[+.-])*+)(?P<url>[a-z0-9+.-]++://[^\s'\"<>]+)",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")
_AUTHORITY = re.compile(r"://(?=([^/?#]*))")
_PIECES = re.compile(r"[\s/?&#]+")
_PARTS = re.compile(r"[:=@,;+]+")


def masked(url: str) -> str:
    """A channel's URL for display: the scheme, and the server's name unless it is secret. https://example.com/***"""
    scheme, host, _ = _parts(url)
    if not scheme:
        return HIDDEN
    return f"{scheme}://{host}/{HIDDEN}" if host else f"{scheme}://{HIDDEN}"


def without_secrets(text: str, url: str, *secrets: str, longest: int = LONGEST_TEXT) -> str:
    """The text with `secrets` and every part of the URL that can be secret masked, then truncated to `longest`."""
    text = text.replace(url, masked(url))
    for secret in sorted(_secrets(url) | {each for each in secrets if each}, key=len, reverse=True):
        text = re.compile(re.escape(secret), re.IGNORECASE).sub(HIDDEN, text)
    text = _URL.sub(lambda found: found["before"] + masked(found["url"]), text)
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _parts(url: str) -> tuple[str, str, str]:
    """Scheme, host (empty if it can be secret), and the rest."""
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
    """Parts of a URL that can be secret, as written and decoded. Passwords of any length; other parts of at least four
    characters, because shorter ones are common words.
    """
    _, host, rest = _parts(url)
    pieces = set(_PIECES.split(rest))  # whole pieces first: user:password, key=value
    pieces |= {part for piece in pieces for part in _PARTS.split(piece)}
    pieces |= {decoded for piece in pieces for decoded in (unquote(piece), unquote_plus(piece))}
    found = {piece for piece in pieces if len(piece) >= 4} - _parameters(url) - {host, host.partition(":")[0]}
    passwords = {user.rpartition("@")[0].partition(":")[2] for user in _AUTHORITY.findall(url)}
    return found | {each for password in passwords for each in (password, unquote(password))} - {""}


def _parameters(url: str) -> set[str]:
    """The names of a URL's parameters, such as to, mode and format."""
    before_equals = url.split("=")[:-1]
    return {text.rpartition("&")[2] if "&" in text else text.partition("?")[2] for text in before_equals}
