"""Elements whose text and attributes the socket keeps current: `{% live "b" card.utilization class="…" %}`."""

from __future__ import annotations

from collections.abc import Iterable

from django import template
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString, mark_safe

from monitor.live.pieces import Part, Value

register = template.Library()

_MEANINGFUL_WHEN_EMPTY = frozenset({"data-unknown"})


@register.simple_tag
def live(tag: str, piece: Value | Part, **attributes: object) -> SafeString:
    """The whole element with its first content. Attributes are written with underscores: `aria_label="Power"`.

    An attribute that is None or empty is left out, and so is the id of a value without a name.
    """
    own: tuple[tuple[str, str], ...]
    content: str
    if isinstance(piece, Part):
        own = (("data-key", piece.mark),)
        content = mark_safe(piece.draw())  # noqa: S308 - rendered by a template, which escapes its values  # nosec
    else:
        own = piece.attributes
        content = piece.text
    given = [(name.replace("_", "-"), value) for name, value in attributes.items() if value not in (None, "")]
    shown = [pair for pair in own if pair[1] or pair[0] in _MEANINGFUL_WHEN_EMPTY]
    named = [("id", piece.name)] if piece.name else []
    written = _as_html([*named, *given, *shown])
    return format_html("<{}{}{}>{}</{}>", tag, " " if written else "", written, content, tag)


@register.simple_tag
def live_attributes(value: Value) -> SafeString:
    """The id and live attributes of an element that the template writes itself: `<a {% live_attributes tile.state %}>`."""
    return _as_html([("id", value.name), *value.attributes])


def _as_html(attributes: Iterable[tuple[str, object]]) -> SafeString:
    return format_html_join(" ", '{}="{}"', attributes)


@register.filter
def meter_step(bound: float | None, margin: float) -> float | None:
    """A bound of a `<meter>` that much lower; None stays None."""
    return None if bound is None else bound - margin
