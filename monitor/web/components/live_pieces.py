"""Collects the live values and parts of a page while its models are built."""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol

from django.template.loader import get_template
from django.urls import get_script_prefix

from monitor.formats import Form
from monitor.live.elements import Outline, Outlines
from monitor.live.pieces import Part, Value

NOT_KNOWN = "unknown"
_OUTLINES = Outlines()
"""Of all pages, as the templates themselves."""


@functools.cache
def _attribute(name: str) -> str:
    return name.replace("_", "-")


class Explains(Protocol):
    """A struct of the schema with reasons for its unknown metrics."""

    @property
    def unavailable(self) -> Mapping[str, str]: ...


class LivePieces:
    """The values and parts of one page at one snapshot."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self.parts: list[Part] = []

    def text(self, name: str, text: str, *attributes: tuple[str, str]) -> Value:
        """A text, with attributes that change with it."""
        value = Value(name, text, attributes)
        self.values.append(value)
        return value

    def dash(self, name: str, reason: str) -> Value:
        """A dash for an unknown value, with the reason as tooltip."""
        return self.text(name, "—", ("data-unknown", ""), ("title", reason))

    def reading(
        self,
        name: str,
        source: Explains,
        metric: str,
        form: Form | Callable[[Any], str],
    ) -> Value:
        """A metric in its format, or a dash with the reason. A Form formats only the number; the template shows its unit."""
        given = getattr(source, metric)
        if given is None:
            return self.dash(name, source.unavailable.get(metric, NOT_KNOWN))
        return self.text(name, form.number(given) if isinstance(form, Form) else form(given))

    def meter(self, name: str, given: float | None) -> Value:
        """The value of a `<meter>`; an unknown one is not drawn."""
        if given is None:
            return self.text(name, "", ("value", "0"), ("data-unknown", ""))
        return self.text(name, "", ("value", f"{given:.0f}"))

    def state(self, name: str, **states: str) -> Value:
        """Attributes of an element around others: `data_state="lost"` sets data-state."""
        return self.text(name, "", *[(_attribute(key), value) for key, value in states.items()])

    def part(
        self,
        name: str,
        key: Hashable,
        template: str,
        context: Mapping[str, Any],
        *,
        is_around: bool = False,
        is_rows: bool = False,
        outline_key: Hashable = None,
    ) -> Part:
        """The content of an element, rendered by a template on demand.

        `is_around`: it contains other parts, so it comes before them. `outline_key`: if given, the template is rendered once for
        this and the part's key, which together hold all that it shows but live pieces, and addresses' prefix.
        """

        def render(**more: Outline) -> str:
            return get_template(template).render({**context, **more}).strip()

        def draw() -> str:
            pieces: dict[str, Value | Part] = {value.name: value for value in self.values}
            pieces |= {part.name: part for part in self.parts}
            if len(pieces) < len(self.values) + len(self.parts):  # two with one name, such as a PID listed twice
                return render()
            shown = (template, key, outline_key, get_script_prefix())
            return _OUTLINES.outline(shown, lambda outline: render(outline=outline)).filled(pieces)

        # Without an outline, the part does not hold the pieces that hold it: the page of many hosts would be freed by full garbage
        # collections only, which stop the event loop.
        part = Part(name, key, render if outline_key is None else draw, is_rows)
        self.parts.insert(0 if is_around else len(self.parts), part)
        return part
