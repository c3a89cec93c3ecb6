"""Alert rules as YAML: what a file says, checked whole before any of it is taken, and rules written as such a file.

Fields are named as in the model AlertRule; those that are as in a new rule are left out. GPUs go by UUID, channels by name.
"""

from __future__ import annotations

import datetime as dt
import difflib
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import yaml

from monitor.alerts import quiet_hours
from monitor.alerts.rule_rows import given_of
from monitor.models import AlertRule
from monitor.rules.making import BadRule, Rule
from monitor.rules.metrics import metrics

VERSION = 1
_HEAD = "# Alert rules of gpumon: docs/alerts.md says what each field takes.\n"
_LARGEST_WHOLE = 2_147_483_647
_LONGEST_UUID = 96
_SURROGATE = re.compile(r"[\ud800-\udfff]")
Make = Callable[[Mapping[str, Any]], Rule]
"""`rules.make` with the settings' limits for idle holding."""


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no text: put it between quotes")
    longest = getattr(AlertRule._meta.get_field(name), "max_length", None)
    if longest and len(value) > longest:
        raise ValueError(f"{len(value)} characters are too long: it takes {longest}")
    if "\0" in value:
        raise ValueError("holds a null character, which no database keeps")
    if _SURROGATE.search(value):
        raise ValueError("holds half a character (\\ud800 to \\udfff), which no database keeps")
    return value


def _name(name: str, value: Any) -> str:
    text = _text(name, value)
    if text != text.strip():
        raise ValueError("begins or ends with a space")
    return text


def _choice(name: str, value: Any) -> str:
    """Which ones there are is `rules.make`'s to say; where a rule has always one, none is a mistake."""
    if value == "":
        raise ValueError("is empty: name one, or leave the field out")
    return _text(name, value)


def _numbers(name: str, value: Any) -> str:
    """Numbers between commas: a single one looks to YAML like a number."""
    return _text(name, str(value) if isinstance(value, int) and not isinstance(value, bool) else value)


def _quiet_hours(name: str, value: Any) -> str:
    quiet_hours.parse(_text(name, value))
    return str(value)


def _flag(_name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def _number(_name: str, value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) or not isinstance(value, int | float) else float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is no number (1000 or 1.0e+3; YAML takes 1e3 for a text)")
    return number + 0.0  # no database keeps the sign of a zero


def _number_or_none(name: str, value: Any) -> float | None:
    return None if value is None else _number(name, value)


def _whole(_name: str, value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST_WHOLE:
        raise ValueError(f"{value!r} is no whole number from 0 to {_LARGEST_WHOLE}")
    return value


def _whole_or_none(name: str, value: Any) -> int | None:
    return None if value is None else _whole(name, value)


def _list(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) and each and "\0" not in each for each in value):
        raise ValueError(f"{value!r} is no list of {'UUIDs' if name == 'gpus' else 'names'}: [first, second]")
    if too_long := [each for each in value if len(each) > _LONGEST_UUID and name == "gpus"]:
        raise ValueError(f"{too_long[0]!r} is no UUID: it has more than {_LONGEST_UUID} characters")
    return tuple(sorted(set(value)))


def _moment(_name: str, value: Any) -> dt.datetime | None:
    if value is None:
        return None
    moment = value
    if isinstance(value, str):
        try:
            moment = dt.datetime.fromisoformat(value)
        except ValueError:
            moment = None
    if not isinstance(moment, dt.datetime) or moment.tzinfo is None:
        raise ValueError(f"{str(value)!r} is no time with its zone, such as 2030-01-31 18:00:00+00:00")
    # The first and the last year are not whole in every zone, and the admin shows it in the server's.
    if not dt.MINYEAR < moment.year < dt.MAXYEAR:
        raise ValueError(f"{str(value)!r} is out of range: years go from 2 to 9998")
    return moment.astimezone(dt.UTC)


_READ: dict[str, Callable[[str, Any], Any]] = {
    "name": _name,
    "is_enabled": _flag,
    "severity": _choice,
    "kind": _choice,
    "metric": _text,
    "comparator": _text,
    "threshold": _number_or_none,
    "clear_threshold": _number_or_none,
    "relative_to": _text,
    "throttle": _text,
    "ignored_xids": _numbers,
    "held_memory_mib": _whole_or_none,
    "for_seconds": _number_or_none,
    "clear_for_seconds": _number,
    "gpus": _list,
    "gpu_indexes": _numbers,
    "gpu_name_pattern": _text,
    "host_pattern": _text,
    "mig": _choice,
    "muted_until": _moment,
    "quiet_hours": _quiet_hours,
    "remind_every_minutes": _whole,
    "channels": _list,
}
FIELDS = tuple(_READ)
"""What a rule of a file may have, in the order that it is written."""
COLUMNS = tuple(name for name, read_one in _READ.items() if read_one is not _list)
"""Those that are columns of the rule's own row."""


class BadFile(Exception):
    """The file is not taken. `problems`: each names the rule, the field, what is wrong and what is allowed."""

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Entry(NamedTuple):
    """One rule of a file."""

    row: AlertRule
    """Not saved, without its relations."""
    gpus: tuple[str, ...]
    """UUIDs, in order."""
    channels: tuple[str, ...]
    """Names, in order."""

    def given(self) -> dict[str, Any]:
        """As `rules.make` takes it."""
        return {**given_of(self.row), "gpus": list(self.gpus)}

    def said(self) -> dict[str, Any]:
        """As it is written: without what is as in a new rule."""
        new = AlertRule()
        values = {name: getattr(self.row, name) for name in COLUMNS}
        said = {name: value for name, value in values.items() if value != getattr(new, name) or name == "kind"}
        said |= {name: [*getattr(self, name)] for name in ("gpus", "channels") if getattr(self, name)}
        return {name: said[name] for name in FIELDS if name in said}


def written(entries: Iterable[Entry]) -> str:
    """The rules as a file that `read` takes."""
    rules = [entry.said() for entry in entries]
    document = {"gpumon_rules": VERSION, "rules": rules}
    return _HEAD + yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=math.inf)


def read(text: str, make: Make) -> list[Entry]:
    """The rules of a file. Raises BadFile with everything that is wrong in it."""
    try:
        # A SafeLoader that also refuses a key given twice: it makes plain values alone.
        document = yaml.load(text, Loader=_Loader)  # noqa: S506  # nosec
    except yaml.YAMLError as error:
        raise BadFile([f"not YAML: {' '.join(str(error).split())}"]) from error
    except RecursionError as error:
        raise BadFile(["not YAML that can be read: lists or fields lie too deep within each other"]) from error
    problems: list[str] = []
    entries: list[Entry] = []
    for number, said in enumerate(_rules_of(document), 1):
        name = said.get("name") if isinstance(said, dict) else None
        where = f"rule {number}" + (f" “{name}”" if isinstance(name, str) and name else "")
        found: dict[str, str] = {}
        entry = _entry(said, found, make)
        if entry is not None and any(entry.row.name == other.row.name for other in entries):
            found["name"] = "there is another rule of this name in the file"
        problems += [
            f"{where}, {field}: {problem}" if field else f"{where}: {problem}" for field, problem in found.items()
        ]
        if entry is not None:
            entries.append(entry)
    if problems:
        raise BadFile(problems)
    return entries


def _rules_of(document: Any) -> list[Any]:
    if not isinstance(document, dict) or "gpumon_rules" not in document:
        raise BadFile([f"no file of alert rules: it has to begin with `gpumon_rules: {VERSION}` and `rules:`"])
    if document["gpumon_rules"] != VERSION:
        raise BadFile([f"gpumon_rules: {document['gpumon_rules']!r} is another version; this program reads {VERSION}"])
    if unknown := [key for key in document if key not in ("gpumon_rules", "rules")]:
        raise BadFile([f"{key!r} is unknown at the top; {_nearest(key, ('rules',))}" for key in unknown])
    rules = document.get("rules")
    if not isinstance(rules, list):
        raise BadFile(["rules: has to be a list, each rule behind a dash (`- name: …`)"])
    return rules


def _entry(said: Any, problems: dict[str, str], make: Make) -> Entry | None:
    """A rule with its problems by field; None where there is no telling what it is."""
    if not isinstance(said, dict):
        problems[""] = "is no rule: it has to be fields and their values (`name: …`)"
        return None
    values: dict[str, Any] = {}
    for key, value in said.items():
        if key not in FIELDS:
            problems[str(key)] = f"there is no such field; {_nearest(key, FIELDS)}"
            continue
        try:
            values[key] = _READ[key](key, value)
        except ValueError as error:
            problems[key] = str(error)
    if not values.get("name") and "name" not in problems:
        problems["name"] = "needed: each rule has one of its own"
    entry = Entry(
        AlertRule(**{name: value for name, value in values.items() if name in COLUMNS}),
        values.get("gpus", ()),
        values.get("channels", ()),
    )
    if not problems:
        try:
            make(entry.given())
        except BadRule as error:
            problems.update(error.problems)
            if "metric" in problems and entry.row.metric not in ("", *metrics()):
                problems["metric"] += f" ({_nearest(entry.row.metric, metrics())})"
    return entry


def _nearest(key: Any, known: Iterable[str]) -> str:
    known = [*known]
    near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
    return f"the nearest is {near[0]!r}" if near else f"there are {', '.join(known)}"


class _Loader(yaml.SafeLoader):
    """Refuses what YAML's own loader takes or stumbles at: a key given twice, of which it takes the last; what looks like a date or
    number and is none; and aliases, of which a file of a thousand bytes makes a value that fills the memory.
    """

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # the stubs lack its types
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not taken: write it out", mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError) as error:
            problem = f"{node.value!r} is no {node.tag.rpartition(':')[2]}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode):
                if key_node.value in seen:
                    problem = f"{key_node.value!r} is given twice"
                    raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
                seen.add(key_node.value)
        return super().construct_mapping(node, deep=deep)


class _Dumper(yaml.SafeDumper):
    """Puts texts with line breaks of any kind between double quotes: PyYAML writes some of them so that they read otherwise. Writes
    no aliases, which are not read.
    """

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _quoted_where_needed(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_Dumper.add_representer(str, _quoted_where_needed)
