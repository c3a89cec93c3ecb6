"""The filter of the page of hosts: `tag:lab free>1 -model:h100`. All terms must match."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from monitor.web.hosts.facts import STATES, HostFacts

LONGEST = 300
"""Characters of a filter."""
_TERM = re.compile(r'(?P<not>-?)(?:(?P<field>[^\s:<>="]*)(?P<op>>=|<=|[:<>=]))?(?P<value>"[^"]*"?|[^\s"]*)(?:\s+|$)')
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,6})?")
_COMPARE: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le, "=": operator.eq, ":": operator.eq,
}  # fmt: skip


class BadFilter(ValueError):
    """The text says what is not understood, where, and what is."""


def _contains(texts: Sequence[str], wanted: str) -> bool:
    return any(wanted in text.casefold() for text in texts)


TEXTS: Mapping[str, Callable[[HostFacts, str], bool]] = {
    "host": lambda host, wanted: wanted in host.name.casefold(),
    "tag": lambda host, wanted: wanted in [tag.casefold() for tag in host.tags],
    "model": lambda host, wanted: _contains(host.models, wanted),
    "driver": lambda host, wanted: (host.summary.driver_version or "").casefold().startswith(wanted),
    "state": lambda host, wanted: host.state == wanted,
}
"""Fields with `:`, from a text in lower case. `tag` and `state` must be equal; `driver` begins with it; the others contain it."""
NUMBERS: Mapping[str, Callable[[HostFacts], float | None]] = {
    "gpus": lambda host: host.gpu_count,
    "busy": lambda host: host.used("busy"),
    "idle": lambda host: host.used("held"),
    "free": lambda host: host.free_count,
    "lost": lambda host: host.used("lost"),
    "utilization": lambda host: host.utilization_percent,
    "memory": lambda host: host.memory_percent,
    "hottest": lambda host: host.hottest_celsius,
    "power": lambda host: host.power_watts,
    "alerts": lambda host: host.alert_count,
    "age": lambda host: host.summary.age_seconds,
}
"""Fields to compare with a number. An unknown one matches nothing."""


class Term(NamedTuple):
    """One condition."""

    matches: Callable[[HostFacts], bool]
    is_negated: bool


class HostFilter:
    """A parsed filter."""

    def __init__(self, text: str) -> None:
        """Raises BadFilter."""
        if len(text) > LONGEST:
            raise BadFilter(f"The filter has {len(text)} characters; it may have {LONGEST}.")
        self.terms: list[Term] = []
        at = len(text) - len(text.lstrip())
        while at < len(text):
            found = _TERM.match(text, at)
            if found is None:
                raise BadFilter(
                    f"Character {at + 1} of the filter, {text[at]!r}, is out of place: write quotes around a text."
                )
            self.terms.append(_term(found))
            at = found.end()

    def matches(self, host: HostFacts) -> bool:
        """Whether the host meets every term."""
        return all(term.matches(host) is not term.is_negated for term in self.terms)


def _term(found: re.Match[str]) -> Term:
    field, sign, value = found["field"], found["op"], found["value"].strip('"')
    written, is_negated = found[0].strip(), bool(found["not"])
    if sign is None:
        word = value.casefold()
        if not word:
            raise BadFilter(f"{_place(found, written)} is empty: write a word, or a field such as tag:lab.")
        return Term(lambda host: TEXTS["host"](host, word) or TEXTS["tag"](host, word), is_negated)
    name = field.casefold()
    if name in TEXTS:
        if sign != ":":
            raise BadFilter(f"{_place(found, written)}: {name} is a text; write {name}:{value or '…'}.")
        if name == "state" and value not in STATES:
            raise BadFilter(f"{_place(found, written)}: state is one of {', '.join(STATES)}.")
        of_text, wanted = TEXTS[name], value.casefold()
        return Term(lambda host: of_text(host, wanted), is_negated)
    if name not in NUMBERS:
        known = f"{', '.join(TEXTS)} with a text, and {', '.join(NUMBERS)} with a number"
        raise BadFilter(f"{_place(found, written)}: there is no field {field!r}. Fields are {known}.")
    if _NUMBER.fullmatch(value) is None:
        raise BadFilter(f"{_place(found, written)}: {name} is compared with a number, such as {name}>1.")
    of_number, compare, number = NUMBERS[name], _COMPARE[sign], float(value)

    def matches(host: HostFacts) -> bool:
        known = of_number(host)
        return known is not None and compare(known, number)

    return Term(matches, is_negated)


def _place(found: re.Match[str], written: str) -> str:
    return f"In the filter, {written[:60]!r} at character {found.start() + 1}"
