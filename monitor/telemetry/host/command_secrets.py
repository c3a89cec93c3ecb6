"""Hides secrets in command lines before they leave the sampler: everyone on the host could see them, not everyone on the network.

Users pass passwords and tokens as arguments, against every advice. What looks like one is replaced; a name that only looks like
one's costs a value. Every step looks at each character a fixed number of times.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence

from monitor.logs.lines import HIDDEN

_SPACES = re.compile(r"(\s+)")
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")
"""The words of HF_TOKEN, --hf-token and hfToken."""
_BEFORE_A_NAME = re.compile(r"[?&;,(\[{\"'`/@|]")
_QUOTES = "\"'`([{"
_SECRET_WORDS = frozenset({"password", "passwd", "passphrase", "passcode", "pwd", "secret", "secrets", "token", "apikey", "pat",
                           "credential", "credentials", "authorization", "cookie", "auth", "bearer", "pass",
                           "requirepass"})  # fmt: skip
_SECRET_PARTS = ("password", "passwd", "passphrase", "secret", "apikey", "accesskey", "privatekey", "credential")
"""Also within a word: PGPASSWORD, clientsecret."""
_SECRET_ENDS = ("token", "pwd")
"""Also at the end of a word: hftoken."""
_KEYS_OF = frozenset({"api", "access", "secret", "private", "account", "auth", "encryption", "signing", "master", "license",
                      "ssh", "openai", "anthropic", "wandb", "hf", "azure", "aws", "service"})  # fmt: skip
"""Before `key`: WANDB_API_KEY, --access-key."""
_NOT_A_SECRET = frozenset({"file", "path", "dir", "folder", "id", "ids", "type", "name", "length", "len", "count", "size",
                           "budget", "limit", "num", "url", "uri", "mode", "method", "env"})  # fmt: skip
"""The last word of a name whose value is about a secret: --token-file."""
_TOKEN_STARTS = ("sk-", "hf_", "ghp_", "gho_", "ghu_", "ghs_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "xapp-", "AKIA", "ASIA",
                 "AIza", "ya29.", "eyJ", "nvapi-", "dckr_pat_", "npm_", "pypi-", "whsec_", "gpumon_", "r8_")  # fmt: skip
"""How tokens of well-known services begin."""
_LEAST_TOKEN = 20
_USER_OPTIONS = frozenset({"-u", "-U", "--user", "--proxy-user"})
"""Of curl and others: user:password."""
_SCHEMES = frozenset({"bearer", "basic", "token", "digest", "negotiate"})
"""Of an Authorization header; what follows is the secret."""


def hide_in_arguments(arguments: Sequence[str]) -> str:
    """The command line of these arguments, with spaces between them. A secret that contains spaces is hidden as a whole."""
    shown = []
    before = ""
    for argument in arguments:
        name, equals, _ = argument.partition("=")
        if before == "-c":  # of a shell: a command line in itself
            shown.append(argument)
        elif equals and not _SPACES.search(name) and _names_a_secret(name):
            shown.append(f"{name}={HIDDEN}")
        elif before.startswith("-") and "=" not in before and _names_a_secret(before) and not argument.startswith("-"):
            shown.append(HIDDEN)
        else:
            shown.append(argument)
        before = argument
    return hide_secrets(" ".join(shown))


@functools.lru_cache(maxsize=4096)
def hide_secrets(command: str) -> str:
    """The command line with each secret replaced. The same text comes at every tick, so results are kept."""
    shown = []
    is_secret_next = False
    before = closing = ""
    for piece in _SPACES.split(command):
        if closing:  # within a quoted secret with spaces
            if closing in piece:
                shown.append(piece[piece.index(closing) :])
                closing = ""
            continue
        if not piece or piece.isspace():
            shown.append(piece)
            continue
        if is_secret_next and piece.strip(_QUOTES).lower().rstrip(":") in _SCHEMES:
            shown.append(piece)
        elif is_secret_next and not piece.startswith("-"):
            is_secret_next = False
            text, closing = _replaced(piece)
            shown.append(text)
        elif before in _USER_OPTIONS and _is_user_and_password(piece):
            shown.append(f"{piece[: piece.index(':') + 1]}{HIDDEN}")
        else:
            text, is_secret_next, closing = _piece(piece)
            shown.append(text)
        before = piece
    return "".join(shown)


def _piece(piece: str) -> tuple[str, bool, str]:
    """The piece without its secret; whether the next piece is one; the quote that ends a secret of several pieces."""
    start = 0
    for at, character in enumerate(piece):
        if character not in "=:":
            continue
        if _names_a_secret(piece[start:at]) and not piece.startswith("://", at):
            value = piece[at + 1 :].lstrip("\"'")
            if not value:
                return piece, True, ""  # Authorization: and "password":
            if value.lower() in _SCHEMES:
                return piece, True, ""
            text, closing = _replaced(piece[at + 1 :])
            return piece[: at + 1] + text, False, closing
        start = at + 1
    if _hides_a_user(piece):
        return _without_userinfo(piece), False, ""
    if _is_token(piece[start:]):
        return piece[:start] + _replaced(piece[start:])[0], False, ""
    bare = piece.strip(_QUOTES + ",")
    is_option = bare.startswith("-") and _names_a_secret(bare)
    return piece, is_option or bare.lower() == "bearer", ""


def _replaced(value: str) -> tuple[str, str]:
    """What stands for a value, with the quotes around it, and the quote that is still to come."""
    quote = value[:1] if value[:1] in ("'", '"') else ""
    end = value.find(quote, 1) if quote else -1
    if end > 0:
        return f"{quote}{HIDDEN}{value[end:]}", ""
    if not quote:
        tail = value.rstrip("\"'`)]},;")
        return HIDDEN + value[len(tail) :], ""
    return quote + HIDDEN, quote


def _names_a_secret(name: str) -> bool:
    """Whether a value of this name is a secret. Only the last part of a longer text counts: of `http://host/?token`, `token`."""
    name = _BEFORE_A_NAME.split(name.rstrip(_QUOTES))[-1]
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words or words[-1] in _NOT_A_SECRET:
        return False
    if len(words) > 1 and words[-1] in ("key", "keys") and not _KEYS_OF.isdisjoint(words[:-1]):
        return True
    joined = "".join(words)
    return (
        not _SECRET_WORDS.isdisjoint(words)
        or any(part in joined for part in _SECRET_PARTS)
        or any(word.endswith(_SECRET_ENDS) for word in words)
    )


def _is_user_and_password(piece: str) -> bool:
    user, _, password = piece.partition(":")
    is_docker_run = user.isdigit() and password.isdigit()  # -u 1000:1000
    return bool(user and password) and "@" not in piece and not is_docker_run


def _hides_a_user(piece: str) -> bool:
    at = piece.rfind("@")
    if at < 0 or piece.startswith("sha256:", at + 1):
        return False
    scheme = piece.find("://")
    user = piece[scheme + 3 if 0 <= scheme < at else 0 : at]
    return ":" in user or (0 <= scheme < at and piece[:scheme].lower().endswith(("http", "https")))


def _without_userinfo(piece: str) -> str:
    """`scheme://user:***@host`. A name without a password, as in https://TOKEN@host, is replaced as well."""
    at = piece.rfind("@")
    scheme = piece.find("://")
    start = scheme + 3 if 0 <= scheme < at else 0
    user, colon, _ = piece[start:at].partition(":")
    return f"{piece[:start]}{user + colon if colon else ''}{HIDDEN}{piece[at:]}"


def _is_token(value: str) -> bool:
    value = value.strip("\"'`,;")
    return len(value) >= _LEAST_TOKEN and value.startswith(_TOKEN_STARTS) and any(map(str.isdigit, value))
