"""Collects what is live on a page while its models are built: each value and part is named, kept and handed back."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol

from django.template.loader import get_template

from monitor.formats import Form
from monitor.live.pieces import Part, Value

NOT_KNOWN = "not known"


class Explains(Protocol):
    """A struct of the schema that says why its metrics are unknown."""

    @property
    def unavailable(self) -> Mapping[str, str]: ...


class LivePieces:
    """The values and parts of one page at one snapshot."""

    def __init__(self) -> None:
        self.values: list[Value] = []
        self.parts: list[Part] = []

    def text(self, name: str, text: str, *attributes: tuple[str, str]) -> Value:
        """A text that is known."""
        value = Value(name, text, attributes)
        self.values.append(value)
        return value

    def dash(self, name: str, reason: str) -> Value:
        """What stands where a value is unknown: "—" with the reason."""
        return self.text(name, "—", ("data-unknown", ""), ("title", reason))

    def reading(self, name: str, source: Explains, metric: str, form: Form | Callable[[Any], str]) -> Value:
        """A metric in its format, or why there is none. A Form gives the number alone: its unit stands beside it."""
        given = getattr(source, metric)
        if given is None:
            return self.dash(name, source.unavailable.get(metric, NOT_KNOWN))
        return self.text(name, form.number(given) if isinstance(form, Form) else form(given))

    def meter(self, name: str, given: float | None) -> Value:
        """The value of a `<meter>`; one that is unknown is not drawn."""
        if given is None:
            return self.text(name, "", ("value", "0"), ("data-unknown", ""))
        return self.text(name, "", ("value", f"{given:.0f}"))

    def state(self, name: str, **states: str) -> Value:
        """Attributes of an element that holds others: `data_state="lost"` is `data-state`."""
        return self.text(name, "", *((key.replace("_", "-"), value) for key, value in states.items()))

    def part(
        self,
        name: str,
        key: Hashable,
        template: str,
        context: Mapping[str, Any],
        *,
        is_around: bool = False,
        is_rows: bool = False,
    ) -> Part:
        """The content of an element, drawn by a template only when somebody needs it.

        `is_around`: other parts are in it, so it comes before them.
        """
        part = Part(name, key, lambda: get_template(template).render(dict(context)).strip(), is_rows)
        self.parts.insert(0 if is_around else len(self.parts), part)
        return part
