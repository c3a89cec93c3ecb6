"""`{% htmx_script "hx-ws" %}`: htmx and its extensions as kept in static/vendor/htmx/, under hashed names."""

from __future__ import annotations

from django import template
from django.templatetags.static import static
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

register = template.Library()


@register.simple_tag
def htmx_script(*extensions: str) -> SafeString:
    """Script elements for htmx and the named extensions, in that order."""
    files = ((static(f"vendor/htmx/{name}.min.js"),) for name in ("htmx", *extensions))
    return format_html_join("\n", '<script src="{}" defer></script>', files)
