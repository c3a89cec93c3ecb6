"""Makes text from outside safe wherever it is shown: no control characters, no changes of direction, limited length.

The user who starts a process chooses its name, and the author of a recording everything in it. Each output escapes for
HTML, JSON or YAML itself; this is for outputs without escaping: terminals, logs, mail subjects, eyes.
"""

from __future__ import annotations

import operator
import re
from typing import Any, TypeVar

import msgspec

LONGEST = 4200
"""Characters. A command line is cut at 4096 bytes where it is read; nothing else from a driver is nearly as long."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""Control characters, line separators, and marks that change the direction of the text."""
_SURROGATE = re.compile(r"[\ud800-\udfff]")
"""Lone surrogates, which Python makes of invalid UTF-8 and no encoder accepts."""
_UNPRINTABLE = re.compile(f"{_CONTROL.pattern}|{_SURROGATE.pattern}")
T = TypeVar("T")


def plain(text: str) -> str:
    """On one line, with a space for each control character, cut at LONGEST."""
    if text.isprintable() and len(text) <= LONGEST:
        return text
    made = _SURROGATE.sub("\ufffd", _CONTROL.sub(" ", text))
    text = text if made == text else made.strip()
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def with_plain_texts(value: T) -> T:
    """The same struct, tuple or dict with every text in it plain; the same object if they are already.

    Called at each tick and for each reading of another host: with 8 GPUs and their processes it takes 0.07 ms, because the whole is
    looked at as JSON first. Walking through it takes 0.6 ms.
    """
    if _is_plain(value):
        return value
    made: Any = _plain(value)
    return made  # type: ignore[no-any-return]


_encode = msgspec.json.Encoder().encode
_HARMLESS = bytes(code for code in range(0x20, 0x7F) if code != ord("\\"))
_HARMFUL = re.compile(
    rb"[\x00-\x1f\\\x7f]|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]|\xef\xbb\xbf"
)
"""_CONTROL in UTF-8. In JSON, a backslash escapes a control character once escaped quotes and backslashes are replaced."""
_WINDOW = LONGEST // 2


def _is_plain(value: object) -> bool:
    """False if a text may not be plain."""
    try:
        encoded = _encode(value)
    except UnicodeEncodeError:  # a lone surrogate
        return False
    if b"\\" in encoded:  # looking first takes a hundredth of replacing nothing
        encoded = encoded.replace(b"\\\\", b"__").replace(b'\\"', b"__")
    # A text that is too long has no quote in a whole window.
    is_long = any(encoded.find(b'"', at, at + _WINDOW) < 0 for at in range(0, len(encoded) - _WINDOW, _WINDOW))
    return not is_long and _HARMFUL.search(encoded.translate(None, _HARMLESS)) is None


def _plain(value: Any) -> Any:
    kind = type(value)
    if kind is str:
        return plain(value)
    if kind is dict:
        if "".join([*value, *value.values()]).isprintable() and all(len(text) <= LONGEST for text in value.values()):
            return value
        return {plain(name): plain(text) for name, text in value.items()}
    if kind is tuple:
        given = [_plain(each) for each in value]
        return value if all(map(operator.is_, given, value)) else tuple(given)
    if not isinstance(value, msgspec.Struct):
        return value
    changed = {}
    for name in kind.__struct_fields__:
        field = getattr(value, name)
        if field is None or type(field) in _NUMBERS:
            continue
        made = _plain(field)
        if made is not field:
            changed[name] = made
    return msgspec.structs.replace(value, **changed) if changed else value


_NUMBERS = frozenset({int, float, bool})


def visible(text: str) -> str:
    """With control characters written out (`\\x1b`), for logs and terminals: none is hidden, and none takes effect."""
    if text.isprintable():
        return text
    return _UNPRINTABLE.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
