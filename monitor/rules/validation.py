"""Validates the fields of a rule and makes the Rule to evaluate. The admin, the YAML import and the engine all use it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

from monitor.rules.choices import COMPARE, SEVERITIES, THROTTLE_REASONS
from monitor.rules.host_selection import entries_of
from monitor.rules.kinds.base import Kind
from monitor.rules.kinds.registry import KINDS, fields_of_kinds
from monitor.rules.metrics import LIMITS
from monitor.rules.rule import Rule, Which
from monitor.sanitize import plain
from monitor.telemetry.gpu_use import IdleLimits

LONGEST_SECONDS = 30 * 86_400.0
_INDEXES = re.compile(r"(\d{1,4})(?:\s*-\s*(\d{1,4}))?")
_XID = re.compile(r"\d{1,5}")
_MOST_LISTED = 20
"""Of more choices than these, an error names the nearest only."""


class BadRule(ValueError):
    """An invalid rule: `problems` says for each field what is wrong and which values are valid."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {problem}" for field, problem in problems.items()))
        self.problems = dict(problems)


def indexes_of(text: str) -> frozenset[int]:
    """0,2-5 as numbers. Raises ValueError."""
    found: set[int] = set()
    for part in filter(None, (each.strip() for each in text.split(","))):
        match = _INDEXES.fullmatch(part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise ValueError(f"{part!r} is not a GPU index or range: separate them by commas, such as 0,2-5")
        found.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return frozenset(found)


def xids_of(text: str) -> frozenset[int]:
    """13, 31 as numbers. Raises ValueError."""
    parts = text.replace(",", " ").split()
    if bad := [part for part in parts if not _XID.fullmatch(part)]:
        raise ValueError(f"{bad[0]!r} is not an Xid: give whole numbers separated by commas, such as 13,31,43")
    return frozenset(map(int, parts))


def problems_of(given: Mapping[str, Any]) -> dict[str, str]:
    """What is wrong with an AlertRule's fields (`gpus` as UUIDs), by field; empty if the rule is valid."""
    kind = KINDS.get(given.get("kind", ""))
    if kind is None:
        return {"kind": not_one_of(given.get("kind"), KINDS)}
    problems = _fields_problems(kind, given) | _choice_problems(kind, given)
    if not problems:
        problems |= kind.problems(given)
    for name in ("for_seconds", "clear_for_seconds"):
        seconds = given.get(name) or 0.0
        if not 0 <= seconds <= LONGEST_SECONDS:
            problems[name] = f"{seconds:g} s is out of range: 0 to {LONGEST_SECONDS:.0f} s (30 days)"
    if given.get("for_seconds") and kind.is_instant:
        problems["for_seconds"] = (
            f"“{kind.label}” lasts for one reading only: leave the field empty, or the rule never fires"
        )
    readers: dict[str, Callable[[str], object]] = {
        "gpu_indexes": indexes_of,
        "ignored_xids": xids_of,
        "hosts": entries_of,
    }
    for name, read in readers.items():
        try:
            read(given.get(name) or "")
        except ValueError as error:
            problems[name] = str(error)
    return problems


def make(given: Mapping[str, Any], idle: IdleLimits) -> Rule:
    """The rule that an AlertRule's fields (`gpus` as UUIDs) describe. Raises BadRule.

    `idle`: the site's settings for idle memory, for rules that leave these fields empty.
    """
    if problems := problems_of(given):
        raise BadRule(problems)
    kind = KINDS[given["kind"]]
    values: dict[str, Any] = {
        name: given[name]
        for name in ("metric", "comparator", "threshold", "clear_threshold", "relative_to", "throttle")
        if given.get(name) not in (None, "")
    }
    if "threshold" not in kind.needs:
        values["threshold"] = 1.0  # its column is 1 where the condition is met, or a count
    for name in ("for_seconds", "clear_for_seconds"):
        values[name] = float(given.get(name) or 0.0)
    return Rule(
        id=given.get("id") or 0,
        name=plain(given["name"]),  # as it goes to pages, logs and messages
        kind=kind.name,
        severity=given.get("severity") or "warning",
        ignored_xids=xids_of(given.get("ignored_xids") or ""),
        which=Which(
            uuids=frozenset(given.get("gpus", ())),
            indexes=indexes_of(given.get("gpu_indexes") or ""),
            name_pattern=given.get("gpu_name_pattern") or "",
            hosts=given.get("hosts") or "",
            mig=given.get("mig") or "any",
        ),
        **values | kind.values(given, idle),
    )


def _fields_problems(kind: Kind, given: Mapping[str, Any]) -> dict[str, str]:
    """Fields that the kind needs and that are empty, and fields that it does not use and that are not."""
    problems = {}
    for name in fields_of_kinds():
        is_empty = given.get(name) in (None, "")
        if name in kind.needs and is_empty:
            problems[name] = f"required for “{kind.label}”"
        elif name not in kind.needs + kind.takes and not is_empty:
            problems[name] = f"not used by “{kind.label}”: leave it empty"
    return problems


def _choice_problems(kind: Kind, given: Mapping[str, Any]) -> dict[str, str]:
    choices: dict[str, Collection[str]] = {
        "severity": SEVERITIES,
        "mig": ("any", "only", "without"),
        "comparator": COMPARE,
        "metric": kind.metric_keys(),
        "relative_to": LIMITS,
        "throttle": (*THROTTLE_REASONS, "any"),
    }
    never_empty = ("severity", "mig")
    used = {*never_empty, *kind.needs, *kind.takes}
    return {
        name: not_one_of(given[name], allowed)
        for name, allowed in choices.items()
        if name in used
        and given.get(name) is not None
        and (given[name] or name in never_empty)
        and given[name] not in allowed
    }


def not_one_of(value: object, allowed: Collection[str]) -> str:
    """'x' is not one of a, b, c; or the nearest of many."""
    if len(allowed) <= _MOST_LISTED:
        return f"{value!r} is not one of {', '.join(allowed)}"
    near = difflib.get_close_matches(str(value), allowed, n=1, cutoff=0.7)
    return f"{value!r} is unknown" + (f"; the nearest is {near[0]!r}" if near else "")
