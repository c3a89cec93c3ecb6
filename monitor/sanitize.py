"""Text from outside made harmless for every place it is shown in: no control characters, no turned directions, no endless length.

Whoever starts a process chooses its name, and whoever makes a recording everything in it. Escaping for HTML, JSON or YAML
is each exit's own; what is done here is for those that have no escaping: terminals, logs, subjects of mails, eyes.
"""

from __future__ import annotations

import operator
import re
from typing import Any, TypeVar

import msgspec

LONGEST = 4200
"""Characters. A command line is cut at 4096 bytes where it is read; nothing else from a driver is nearly as long."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""Control characters, line separators, and the marks that turn the direction of the text around them."""
_SURROGATE = re.compile(r"[\ud800-\udfff]")
"""Halves of characters, which Python makes of broken UTF-8 and no encoder takes."""
_UNPRINTABLE = re.compile(f"{_CONTROL.pattern}|{_SURROGATE.pattern}")
T = TypeVar("T")


def plain(text: str) -> str:
    """On one line, with a space for each control character, and cut where it is endless."""
    if text.isprintable() and len(text) <= LONGEST:
        return text
    text = _SURROGATE.sub("\ufffd", _CONTROL.sub(" ", text)).strip()
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def with_plain_texts(value: T) -> T:
    """The same struct, tuple or dict with every text in it plain; where all are, itself. At each tick: a fifth of a millisecond."""
    made: Any = _plain(value)
    return made  # type: ignore[no-any-return]


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
    """With control characters written out (`\\x1b`), for logs and terminals: nothing is hidden, and nothing obeyed."""
    if text.isprintable():
        return text
    return _UNPRINTABLE.sub(_written_out, text)


def _written_out(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
