"""Template tags of the pages: `live` marks and names what changes, `value` shows a reading or why there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django import template
from django.template.base import FilterExpression, NodeList, Parser, Token
from django.template.context import Context
from django.utils.html import conditional_escape, escape
from django.utils.safestring import SafeString, mark_safe

from monitor.live.frames import Piece
from monitor.web.formats import FORMATS, THIN, Text

register = template.Library()

COLLECTOR = "live_pieces"
"""Name in the context under which the pieces of a tick are collected; absent when a whole page is drawn."""


class Collector:
    """Gathers the live pieces while a template is rendered: what is around others comes before them."""

    def __init__(self) -> None:
        self.pieces: list[Piece] = []
        self._around: list[str] = []

    def collect(self, name: str, key: str | None, draw: Callable[[], str]) -> str:
        """Draw a piece and keep it; answers its HTML."""
        place = len(self.pieces)
        within = self._around[-1] if self._around else None
        self.pieces.append(Piece(name, "", "", within))
        self._around.append(name)
        html = draw()
        self._around.pop()
        self.pieces[place] = Piece(name, html, html if key is None else key, within)
        return html


class LiveNode(template.Node):
    """`{% live "dd" "id" class="…" key=… %}…{% endlive %}`: an element whose content is replaced when it changes.

    With `key`, it is replaced only when the key changes: for an element around other live pieces.
    """

    def __init__(
        self, tag: FilterExpression, name: FilterExpression, options: dict[str, FilterExpression], nodelist: NodeList
    ) -> None:
        self.tag, self.name, self.nodelist = tag, name, nodelist
        self.key = options.pop("key", None)
        self.attributes = options

    def render(self, context: Context) -> SafeString:
        name = str(self.name.resolve(context))
        collector: Collector | None = context.get(COLLECTOR)
        if collector is None:
            html: str = self.nodelist.render(context)
        else:
            key = None if self.key is None else str(self.key.resolve(context))
            html = collector.collect(name, key, lambda: self.nodelist.render(context))
            if not collector._around:
                return mark_safe("")
        tag = self.tag.resolve(context)
        attributes = "".join(
            f' {attribute}="{conditional_escape(value.resolve(context))}"'
            for attribute, value in self.attributes.items()
        )
        return mark_safe(f'<{tag} id="{escape(name)}"{attributes}>{html}</{tag}>')  # noqa: S308 - escaped above


@register.tag
def live(parser: Parser, token: Token) -> LiveNode:
    """See LiveNode."""
    _, tag, name, *rest = token.split_contents()
    options = {}
    for option in rest:
        attribute, _, value = option.partition("=")
        if not value:
            raise template.TemplateSyntaxError(f"live: {option!r} is not attribute=value")
        options[attribute] = parser.compile_filter(value)
    nodelist = parser.parse(("endlive",))
    parser.delete_first_token()
    return LiveNode(parser.compile_filter(tag), parser.compile_filter(name), options, nodelist)


class ValueNode(template.Node):
    """`{% value gpu power_watts watts %}`: the metric in its format; where it is unknown, "—" with the reason."""

    def __init__(self, source: FilterExpression, metric: str, form: Callable[[Any], Text], unit_tag: str) -> None:
        self.source, self.metric, self.form, self.unit_tag = source, metric, form, unit_tag

    def render(self, context: Context) -> SafeString:
        source = self.source.resolve(context)
        value = getattr(source, self.metric)
        if value is None:
            return dash(source.unavailable.get(self.metric, "not known"))
        number, unit = self.form(value)
        tail = f'<{self.unit_tag} class="unit">{unit}</{self.unit_tag}>' if unit else ""
        return mark_safe(f"{escape(number)}{tail}")  # noqa: S308 - escaped, and the units are ours


def dash(reason: str) -> SafeString:
    """What stands where a value is unknown."""
    return mark_safe(f'<span class="unknown" title="{escape(reason)}">—</span>')  # noqa: S308 - escaped


@register.tag
def value(parser: Parser, token: Token) -> ValueNode:
    """See ValueNode."""
    _, source, metric, form = token.split_contents()
    if form not in FORMATS:
        raise template.TemplateSyntaxError(f"value: there is no format {form!r}, only {', '.join(FORMATS)}")
    return ValueNode(parser.compile_filter(source), metric, FORMATS[form], "span")


@register.filter
def shown(given: Any, form: str) -> str:
    """A known value in one of the formats, as text: `{{ total|shown:"memory" }}`."""
    number, unit = FORMATS[form](given)
    return f"{number}{THIN}{unit}" if unit else number


@register.filter
def why_not(source: Any, metric: str) -> SafeString:
    """The dash for a metric that is unknown, with its reason."""
    return dash(source.unavailable.get(metric, "not known"))
