"""Mutations of inputs: of bytes, of lines, of the texts between tags, and of the values in a document."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from typing import Any

Mutation = Callable[[bytes, random.Random, Sequence[bytes]], bytes]
"""The input, what decides, and the whole corpus, to take parts from."""

MOST_BYTES = 1 << 18
"""An input that has grown beyond this is cut."""
PIECES = (
    b"", b"\x00", b"\xff", b"\xc3\x28", b"\xed\xa0\x80", b"\r\n", b"\n", b"\\", b'"', b"'", b"<", b">", b"&", b"]", b"[", b"{",
    b"}", b",", b":", b";", b"=", b"%", b"%00", b"+", b" ", b"\x1b[31m", "\u202e".encode(), "\u2028".encode(), "٣".encode(),
    "²".encode(), b"null", b"true", b"NaN", b"Infinity", b"N/A", b"[N/A]", b"ERR!", b"\\ud800", b"]]>", b"<!--", b"<![CDATA[",
    b"&#0;", b"&lt;",
)  # fmt: skip
NUMBERS = (
    b"0", b"-0", b"-1", b"1e999", b"-1e308", b"5e-324", b"0.1", b"9" * 400, b"9" * 5000, b"2147483648", b"4294967295",
    b"9007199254740993", b"9223372036854775808", b"18446744073709551615", b"18446744073709551616", b"00012", b"1_000", b"0x1F",
    b"101", b"253402300800", b"-62135596801",
)  # fmt: skip
TEXTS = (
    "", " ", "a", "GPU-0", "x" * 5000, "\x00\x1b[31m", "\u202eabc", "<script>'\"", "{{7*7}}%s", "\U0001f600", "../../x", "N/A",
    "1", "-1", "nan", "٣", "²", "\r\nX: y",
)  # fmt: skip
LEAVES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 101, 2**31, 2**53 + 1, 2**63 - 1, 2**64 - 1, -(2**63), 0.0, -0.0, 1e308, -1e308, 5e-324, 0.5,
    1.79e9, 253_402_300_800.0, float("nan"), float("inf"), [], {}, [[]], [None], {"": None},
)  # fmt: skip
_NUMBER = re.compile(rb"\d+(?:\.\d+)?")
_BETWEEN_TAGS = re.compile(rb">([^<>\n]*)</")


def _span(data: bytes, chance: random.Random) -> tuple[int, int]:
    """A part of the input, mostly a short one."""
    start = chance.randint(0, len(data))
    return start, min(len(data), start + chance.choice((0, 1, 2, 4, 16, 64, 1024, 1 << 16)))


def change_byte(data: bytes, chance: random.Random, _corpus: Sequence[bytes]) -> bytes:
    """One byte is another."""
    if not data:
        return bytes([chance.randrange(256)])
    at = chance.randrange(len(data))
    return data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :]


def remove(data: bytes, chance: random.Random, _corpus: Sequence[bytes]) -> bytes:
    """A part is missing."""
    start, end = _span(data, chance)
    return data[:start] + data[end:]


def repeat(data: bytes, chance: random.Random, _corpus: Sequence[bytes]) -> bytes:
    """A part is there several times."""
    start, end = _span(data, chance)
    return (data[:start] + data[start:end] * chance.choice((2, 3, 50)) + data[end:])[:MOST_BYTES]


def insert(data: bytes, chance: random.Random, _corpus: Sequence[bytes]) -> bytes:
    """Something odd stands in place of a part."""
    start, end = _span(data, chance)
    return data[:start] + chance.choice(PIECES) * chance.choice((1, 1, 1, 100)) + data[chance.choice((start, end)) :]


def splice(data: bytes, chance: random.Random, corpus: Sequence[bytes]) -> bytes:
    """It goes on like another input."""
    other = chance.choice(corpus)
    return data[: chance.randint(0, len(data))] + other[chance.randint(0, len(other)) :]


def change_number(data: bytes, chance: random.Random, _corpus: Sequence[bytes]) -> bytes:
    """A number is another one."""
    found = [*_NUMBER.finditer(data)]
    if not found:
        return data + chance.choice(NUMBERS)
    number = chance.choice(found)
    return data[: number.start()] + chance.choice(NUMBERS) + data[number.end() :]


def change_text_between_tags(data: bytes, chance: random.Random, _corpus: Sequence[bytes]) -> bytes:
    """A text between two tags is another one."""
    found = [*_BETWEEN_TAGS.finditer(data)]
    if not found:
        return data
    text = chance.choice(found)
    instead = chance.choice((chance.choice(TEXTS).encode(), chance.choice(PIECES), chance.choice(NUMBERS)))
    return data[: text.start(1)] + instead + data[text.end(1) :]


def change_lines(data: bytes, chance: random.Random, _corpus: Sequence[bytes]) -> bytes:
    """Some lines are missing, there twice, or elsewhere."""
    lines = data.splitlines(keepends=True)
    start = chance.randint(0, len(lines))
    end = start + chance.choice((1, 1, 2, 10, 100))
    some = lines[start:end]
    kept = lines[:start] + lines[end:]
    at = chance.randint(0, len(kept))
    return b"".join(chance.choice((kept, [*lines[:end], *some, *lines[end:]], [*kept[:at], *some, *kept[at:]])))[
        :MOST_BYTES
    ]


OF_BYTES: tuple[Mutation, ...] = (change_byte, remove, repeat, insert, splice, change_number)
OF_TEXT: tuple[Mutation, ...] = (*OF_BYTES, change_lines)


def change_value(value: Any, chance: random.Random) -> Any:
    """A value somewhere in a document is another one, is missing, is there twice, or stands at another place."""
    places = [*_places(value)]
    if not places:
        return chance.choice(LEAVES)
    holder, key = chance.choice(places)
    kind = chance.randrange(6)
    if kind == 0:
        del holder[key]
    elif kind == 1 and isinstance(holder, list):
        holder[key:key] = [holder[key]] * chance.choice((1, 2, 40))
    elif kind == 2:
        other, name = chance.choice(places)
        holder[key] = [other[name]]  # never itself: a document that contains itself has no bytes
    elif kind == 3 and isinstance(holder, dict):
        holder[chance.choice(TEXTS)] = holder[key]
    else:
        holder[key] = chance.choice((chance.choice(LEAVES), chance.choice(TEXTS)))
    return value


def _places(value: Any) -> Any:
    """Every value inside a document: what holds it, and its key or index there."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in inside:
        yield value, key
        yield from _places(each)


def of_values(load: Callable[[bytes], Any], dump: Callable[[Any], bytes]) -> Mutation:
    """The mutation of the values in documents of a format. An input that is none, after other mutations, stays as it is."""

    def change(data: bytes, chance: random.Random, _corpus: Sequence[bytes]) -> bytes:
        try:
            return dump(change_value(load(data), chance))
        except (ValueError, TypeError, RecursionError, OverflowError):
            return data

    return change
