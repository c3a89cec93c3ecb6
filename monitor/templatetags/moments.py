"""`{% moment event.fired_at %}`: a time as an element that the browser shows in the viewer's zone, with UTC as its tooltip."""

from __future__ import annotations

from datetime import UTC, datetime

from django import template
from django.utils import timezone
from django.utils.dateformat import format as formatted
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

FORMS = {"full": "j M Y, H:i:s", "time": "H:i:s", "short": "H:i"}
"""As in static/js/times.js. The browser adds the day to the shorter ones if it is not today."""


@register.simple_tag
def moment(at: datetime, form: str = "full") -> SafeString:
    """The time in the current zone, which is the viewer's or else the server's, and its name."""
    return format_html(
        '<time datetime="{}" data-form="{}" title="{} UTC">{}</time>',
        at.astimezone(UTC).isoformat(timespec="milliseconds"),
        form,
        formatted(at.astimezone(UTC), FORMS["full"]),
        formatted(timezone.localtime(at), f"{FORMS[form]} T"),
    )
