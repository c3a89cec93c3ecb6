"""A rule as it is judged: immutable, complete and checked. The admin, the import and the engine all make it here."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from monitor.rules.choices import COMPARE, KINDS, SEVERITIES, THROTTLE_REASONS, Comparator, Kind, Mig
from monitor.rules.metrics import COUNTERS, LIMITS, metrics
from monitor.sanitize import plain
from monitor.telemetry.schema import Gpu, Severity

LONGEST_SECONDS = 30 * 86_400.0
_INDEXES = re.compile(r"(\d{1,4})(?:\s*-\s*(\d{1,4}))?")
_XID = re.compile(r"\d{1,5}")
_OF_KINDS = sorted({name for kind in KINDS.values() for name in kind.needs + kind.takes})
"""The fields that only some kinds have a use for."""


class BadRule(ValueError):
    """A rule that makes no sense: `problems` says for each field what is wrong and what it takes."""

    def __init__(self, problems: Mapping[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {problem}" for field, problem in problems.items()))
        self.problems = dict(problems)


class Which(msgspec.Struct, frozen=True, kw_only=True):
    """Which GPUs a rule is about: those that fit everything that is given."""

    uuids: frozenset[str] = frozenset()
    indexes: frozenset[int] = frozenset()
    name_pattern: str = ""
    """With * and ? as in file names, in any case: *A100*."""
    host_pattern: str = ""
    mig: Mig = "any"

    def fits_host(self, host: str) -> bool:
        """Whether the rule is about this host at all."""
        return not self.host_pattern or fnmatchcase(host.lower(), self.host_pattern.lower())

    def fits(self, gpu: Gpu) -> bool:
        """Whether it is about this GPU of a host that fits."""
        return (
            (not self.uuids or gpu.uuid in self.uuids)
            and (not self.indexes or gpu.index in self.indexes)
            and (not self.name_pattern or fnmatchcase(gpu.name.lower(), self.name_pattern.lower()))
            and (self.mig == "any" or (gpu.mig_mode is True) == (self.mig == "only"))
        )


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule."""

    id: int
    name: str
    kind: Kind
    severity: Severity = "warning"
    metric: str = ""
    comparator: Comparator = ">="
    threshold: float = 0.0
    """In the metric's unit; with `relative_to` the distance from that limit."""
    clear_threshold: float | None = None
    """It clears only on the far side of this one; None: as soon as the threshold is not passed."""
    relative_to: str = ""
    """A limit that the GPU states of itself, by the schema's name."""
    throttle: str = ""
    ignored_xids: frozenset[int] = frozenset()
    held_memory_bytes: float = 0.0
    idle_percent: float = 0.0
    """The highest utilization that counts as doing next to nothing, as for the cards of the pages."""
    for_seconds: float = 0.0
    clear_for_seconds: float = 0.0
    which: Which = Which()

    @property
    def clears_at(self) -> float:
        """The threshold on the way back."""
        return self.threshold if self.clear_threshold is None else self.clear_threshold


def indexes_of(text: str) -> frozenset[int]:
    """0,2-5 as numbers. Raises ValueError."""
    found: set[int] = set()
    for part in filter(None, (each.strip() for each in text.split(","))):
        match = _INDEXES.fullmatch(part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise ValueError(f"{part!r} is no GPU index: indexes and ranges go between commas, such as 0,2-5")
        found.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return frozenset(found)


def xids_of(text: str) -> frozenset[int]:
    """13, 31 as numbers. Raises ValueError."""
    parts = text.replace(",", " ").split()
    if bad := [part for part in parts if not _XID.fullmatch(part)]:
        raise ValueError(f"{bad[0]!r} is no Xid: codes are whole numbers between commas, such as 13,31,43")
    return frozenset(map(int, parts))


def make(given: Mapping[str, Any], *, held_memory_mib: float, held_percent: float, held_minutes: float) -> Rule:
    """A rule of an AlertRule's fields (`gpus` as UUIDs). Raises BadRule.

    What a rule about idle holding leaves empty is as the settings have it: the last three arguments.
    """
    problems: dict[str, str] = {}
    kind = given.get("kind", "")
    if kind not in KINDS:
        raise BadRule({"kind": f"{kind!r} is none; there are {', '.join(KINDS)}"})
    _check_fields(kind, given, problems)
    values: dict[str, Any] = {
        name: given[name]
        for name in ("metric", "comparator", "threshold", "clear_threshold", "relative_to", "throttle")
        if given.get(name) not in (None, "")
    }
    for_seconds = given.get("for_seconds")
    for name in ("for_seconds", "clear_for_seconds"):
        seconds = given.get(name) or 0.0
        if not 0 <= seconds <= LONGEST_SECONDS:
            problems[name] = f"{seconds:g} s is out of range: it takes 0 to {LONGEST_SECONDS:.0f} s (30 days)"
        values[name] = float(seconds)
    if for_seconds and KINDS[kind].is_of_a_moment:
        problems["for_seconds"] = (
            f"“{KINDS[kind].label}” is over with the next reading: leave it empty, or it never fires"
        )
    if kind == "idle_held":
        values["idle_percent"] = values.pop("threshold", held_percent)
        if for_seconds is None:
            values["for_seconds"] = 60.0 * held_minutes
    if kind in ("idle_held", "process_gone"):
        mib = given.get("held_memory_mib")
        values["held_memory_bytes"] = float((held_memory_mib if mib is None else mib) * (1 << 20))
    if kind != "threshold":
        values["comparator"] = ">="
    if kind not in ("threshold", "stale", "rise", "several_users"):
        values["threshold"] = 1.0
    which: dict[str, Any] = {"uuids": frozenset(given.get("gpus", ()))}
    for name, field, read in (("indexes", "gpu_indexes", indexes_of), ("ignored", "ignored_xids", xids_of)):
        try:
            which[name] = read(given.get(field) or "")
        except ValueError as error:
            problems[field] = str(error)
    if problems:
        raise BadRule(problems)
    ignored = which.pop("ignored")
    which.update(
        name_pattern=given.get("gpu_name_pattern") or "",
        host_pattern=given.get("host_pattern") or "",
        mig=given.get("mig") or "any",
    )
    return Rule(
        id=given.get("id") or 0,
        name=plain(given["name"]),  # as it goes to pages, logs and messages
        kind=kind,
        severity=given.get("severity") or "warning",
        ignored_xids=ignored,
        which=Which(**which),
        **values,
    )


def _check_fields(kind: str, given: Mapping[str, Any], problems: dict[str, str]) -> None:
    """What the kind needs is there and makes sense; what is of no use to it is empty."""
    of_kind = KINDS[kind]
    for name in _OF_KINDS:
        is_empty = given.get(name) in (None, "")
        if name in of_kind.needs and is_empty:
            problems[name] = f"needed for “{of_kind.label}”"
        elif name not in of_kind.needs + of_kind.takes and not is_empty:
            problems[name] = f"of no use to “{of_kind.label}”: leave it empty"
    choices: dict[str, Callable[[], Any]] = {
        "severity": lambda: SEVERITIES,
        "comparator": lambda: COMPARE,
        "metric": lambda: COUNTERS if kind == "rise" else metrics(),
        "relative_to": lambda: LIMITS,
        "throttle": lambda: (*THROTTLE_REASONS, "any"),
        "mig": lambda: ("any", "only", "without"),
    }
    for name, allowed in choices.items():
        value = given.get(name)
        if value not in (None, "") and name not in problems and value not in allowed():
            problems[name] = f"{value!r} is none; there are {', '.join(allowed())}"
    if problems:
        return
    if given.get("relative_to") and not str(given.get("metric", "")).startswith("gpu."):
        problems["relative_to"] = "only a metric of a GPU can be compared with the GPU's own limit"
    threshold, clear = given.get("threshold"), given.get("clear_threshold")
    if threshold is not None and clear is not None:
        upward = str(given["comparator"]).startswith(">")
        if clear > threshold if upward else clear < threshold:
            problems["clear_threshold"] = (
                f"{clear:g} is on the wrong side: it has to be {'at or below' if upward else 'at or above'} "
                f"the threshold of {threshold:g}, so that the alert can end"
            )
    if kind in ("rise", "several_users", "stale") and threshold is not None and threshold <= 0:
        problems["threshold"] = f"{threshold:g} is too low: it has to be above 0"
