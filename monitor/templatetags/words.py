"""`{{ text|code }}`: what stands between backticks in our own words, as `<code>`."""

from __future__ import annotations

import re

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

register = template.Library()
_TICKED = re.compile(r"`([^`]+)`")


@register.filter
def code(text: str | None) -> SafeString:
    """The same words the log and doctor print, where backticks have to do."""
    return mark_safe(_TICKED.sub(r"<code>\1</code>", escape(text or "")))  # noqa: S308 - escaped before
