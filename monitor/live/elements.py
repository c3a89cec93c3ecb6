"""The HTML of live elements, and outlines: the HTML of a part without the values in it.

A template is rendered once for a structure. For later snapshots the values are filled into its outline, which takes a twentieth of
the time.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from html import escape
from typing import NamedTuple

from monitor.live.pieces import Part, Value

_MEANINGFUL_WHEN_EMPTY = frozenset({"data-unknown"})
_SLOT = re.compile("<\0([0-9]+)>")
"""No escaped text contains that. To `{% spaceless %}` it is a tag, like the element that takes its place."""


def element(tag: str, piece: Value | Part, given: str = "") -> str:
    """The whole element with its content. `given`: more attributes, as HTML."""
    if isinstance(piece, Part):
        own, content = f' data-key="{piece.mark}"', piece.draw()  # rendered by a template, which escapes its values
    else:
        shown = [pair for pair in piece.attributes if pair[1] or pair[0] in _MEANINGFUL_WHEN_EMPTY]
        own, content = attributes_html(shown), escape(piece.text)
    named = f' id="{escape(piece.name)}"' if piece.name else ""
    return f"<{tag}{named}{given}{own}>{content}</{tag}>"


def live_attributes_html(value: Value) -> str:
    """The id and live attributes of an element that a template writes itself."""
    return f'id="{escape(value.name)}"{_often_the_same(value.attributes)}'


@functools.lru_cache(maxsize=1024)
def _often_the_same(attributes: tuple[tuple[str, str], ...]) -> str:
    """On a page of all hosts, thousands of GPUs have a few states."""
    return attributes_html(attributes)


def attributes_html(attributes: Iterable[tuple[str, object]]) -> str:
    """Each attribute after a space."""
    return "".join([f' {name}="{escape(str(value))}"' for name, value in attributes])


class _Slot(NamedTuple):
    name: str
    """Of the piece."""
    tag: str | None
    """None: only its attributes."""
    given: str


class Outline:
    """A part's HTML with slots for its live elements. The template tags call `slot` while it is rendered."""

    def __init__(self) -> None:
        self._slots: list[_Slot] = []
        self._first = ""
        self._rest: list[tuple[_Slot, str]] = []

    def slot(self, piece: Value | Part, tag: str | None, given: str = "") -> str:
        """What the template shows in place of the element or, without a tag, of its attributes."""
        self._slots.append(_Slot(piece.name, tag, given))
        return f"<\0{len(self._slots) - 1}>"

    def close(self, html: str) -> None:
        """Keep what the template has rendered."""
        self._first, *rest = _SLOT.split(html)
        self._rest = [(self._slots[int(number)], text) for number, text in zip(rest[::2], rest[1::2], strict=True)]

    def filled(self, pieces: Mapping[str, Value | Part]) -> str:
        """The HTML with these pieces, by name."""
        chunks = [self._first]
        for (name, tag, given), text in self._rest:
            piece = pieces[name]
            if tag is not None:
                chunks.append(element(tag, piece, given))
            elif isinstance(piece, Value):
                chunks.append(live_attributes_html(piece))
            chunks.append(text)
        return "".join(chunks)


class Outlines:
    """The outlines used last. Their keys hold all that they show. Used in any thread."""

    def __init__(self, most: int = 32) -> None:
        self._most = most
        self._by_key: dict[Hashable, Outline] = {}

    def outline(self, key: Hashable, render: Callable[[Outline], str]) -> Outline:
        """The one with this key, rendered if it is not kept."""
        outline = self._by_key.pop(key, None)
        if outline is None:
            outline = Outline()
            outline.close(render(outline))
            for oldest in [*self._by_key][: len(self._by_key) - self._most + 1]:
                self._by_key.pop(oldest, None)
        self._by_key[key] = outline
        return outline
