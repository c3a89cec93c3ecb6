"""Elements whose text and attributes the socket keeps current: `{% live "b" card.utilization class="…" %}`."""

from __future__ import annotations

from django import template
from django.template import Context
from django.utils.safestring import SafeString

from monitor.live.elements import attributes_html, element, live_attributes_html
from monitor.live.pieces import Part, Value

register = template.Library()


@register.simple_tag(takes_context=True)
def live(context: Context, tag: str, piece: Value | Part, **attributes: object) -> SafeString:
    """The whole element with its first content. Attributes are written with underscores: `aria_label="Power"`.

    An attribute that is None or empty is left out, and so is the id of a value without a name. In an outline, a slot for it.
    """
    given = attributes_html(
        [(name.replace("_", "-"), each) for name, each in attributes.items() if each not in (None, "")]
    )
    outline = context.get("outline") if piece.name else None
    html = element(tag, piece, given) if outline is None else outline.slot(piece, tag, given)
    return SafeString(html)  # each part is escaped there  # nosec


@register.simple_tag(takes_context=True)
def live_attributes(context: Context, value: Value) -> SafeString:
    """The id and live attributes of an element that the template writes itself: `<a {% live_attributes tile.state %}>`."""
    outline = context.get("outline")
    return SafeString(live_attributes_html(value) if outline is None else outline.slot(value, None))  # escaped  # nosec


@register.filter
def meter_step(bound: float | None, margin: float) -> float | None:
    """A bound of a `<meter>` that much lower; None stays None."""
    return None if bound is None else bound - margin
