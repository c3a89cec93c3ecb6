"""Elements whose text and attributes the socket keeps current: `{% live "b" card.utilization class="…" %}`."""

from __future__ import annotations

import html
from collections.abc import Iterable

from django import template
from django.utils.safestring import SafeString

from monitor.live.pieces import Part, Value

register = template.Library()

_MEANINGFUL_WHEN_EMPTY = frozenset({"data-unknown"})


@register.simple_tag
def live(tag: str, piece: Value | Part, **attributes: object) -> SafeString:
    """The whole element with its first content. Attributes are written with underscores: `aria_label="Power"`.

    An attribute that is None or empty is left out, and so is the id of a value without a name.
    """
    own: tuple[tuple[str, str], ...]
    if isinstance(piece, Part):
        own = (("data-key", piece.mark),)
        content = piece.draw()  # rendered by a template, which escapes its values
    else:
        own = piece.attributes
        content = html.escape(piece.text)
    given = [(name.replace("_", "-"), value) for name, value in attributes.items() if value not in (None, "")]
    shown = [pair for pair in own if pair[1] or pair[0] in _MEANINGFUL_WHEN_EMPTY]
    named = [("id", piece.name)] if piece.name else []
    return SafeString(f"<{tag}{_as_html([*named, *given, *shown])}>{content}</{tag}>")  # each part is escaped above  # nosec


@register.simple_tag
def live_attributes(value: Value) -> SafeString:
    """The id and live attributes of an element that the template writes itself: `<a {% live_attributes tile.state %}>`."""
    return SafeString(_as_html([("id", value.name), *value.attributes]).lstrip())  # escaped there  # nosec


def _as_html(attributes: Iterable[tuple[str, object]]) -> str:
    """Each attribute after a space. Not by `format_html`, whose proxies cost half of the page's rendering."""
    return "".join([f' {name}="{html.escape(str(value))}"' for name, value in attributes])


@register.filter
def meter_step(bound: float | None, margin: float) -> float | None:
    """A bound of a `<meter>` that much lower; None stays None."""
    return None if bound is None else bound - margin
