"""Filters for texts: `{{ text|code }}` shows text between backticks as code, `{{ process|why:"user" }}` says why a metric is
unknown.
"""

from __future__ import annotations

import re

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

from monitor.web.components.live_pieces import NOT_KNOWN, Explains

register = template.Library()
_TICKED = re.compile(r"`([^`]+)`")


@register.filter
def code(text: str | None) -> SafeString:
    """For texts that the log and doctor print too, with backticks."""
    return mark_safe(_TICKED.sub(r"<code>\1</code>", escape(text or "")))  # noqa: S308 - escaped before  # nosec


@register.filter
def why(source: Explains, metric: str) -> str:
    """The reason that the schema gives."""
    return source.unavailable.get(metric, NOT_KNOWN)
