"""`{% live "b" card.utilization class="…" %}`: the element that a live value or part stands in, named for the socket."""

from __future__ import annotations

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from monitor.live.frames import Part, Value

register = template.Library()

_ALWAYS = frozenset({"data-unknown"})
"""Attributes that say something without a value."""


@register.simple_tag
def live(tag: str, piece: Value | Part, **attributes: object) -> SafeString:
    """The whole element with its first content. Attributes are written with underscores: `aria_label="Power"`.

    An attribute that is None or empty is left out.
    """
    own: tuple[tuple[str, str], ...]
    content: str
    if isinstance(piece, Part):
        own = (("data-key", piece.mark),)
        content = mark_safe(piece.draw())  # noqa: S308 - drawn by a template, which has escaped what it was given  # nosec
    else:
        own = piece.attributes
        content = piece.text
    given = [(name.replace("_", "-"), value) for name, value in attributes.items() if value not in (None, "")]
    shown = [pair for pair in own if pair[1] or pair[0] in _ALWAYS]
    return format_html(
        '<{} id="{}"{}>{}</{}>',
        tag,
        piece.name,
        format_html_join("", ' {}="{}"', [*given, *shown]),
        content,
        tag,
    )


@register.filter
def meter_step(bound: float | None, margin: float) -> float | None:
    """A bound of a `<meter>` that much lower; None stays None."""
    return None if bound is None else bound - margin
