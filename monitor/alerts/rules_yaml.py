"""Alert rules as YAML: reads and validates a whole file, or writes rules as such a file.

Fields are named as in the model AlertRule, which also validates them. Fields with the value of a new rule are omitted.
GPUs are given by UUID, channels by name.
"""

from __future__ import annotations

import datetime as dt
import difflib
import math
import re
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import yaml
from django.core.exceptions import ValidationError
from django.db import models

from monitor.models import AlertRule, SeenGpu

VERSION = 1
_HEAD = "# Alert rules of gpumon. docs/alerts.md describes the fields.\n"
_SURROGATE = re.compile(r"[\ud800-\udfff]")
_NUMBER_LISTS = ("ignored_xids", "gpu_indexes")
"""Texts that YAML reads as a number if they are a single one."""


def _text(field: models.Field[Any, Any], value: Any) -> str:
    if field.name in _NUMBER_LISTS and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not text: put it in quotes")
    if "\0" in value or _SURROGATE.search(value):
        raise ValueError("contains a null or surrogate character, which databases cannot store")
    return value


def _flag(_field: models.Field[Any, Any], value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{value!r} is neither true nor false")
    return value


def _number(field: models.Field[Any, Any], value: Any) -> float | None:
    if value is None and field.null:
        return None
    try:
        number = math.nan if isinstance(value, bool) or not isinstance(value, int | float) else float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{value!r} is not a number (1000 or 1.0e+3; YAML reads 1e3 as text)")
    return number + 0.0  # databases do not keep the sign of a zero


def _whole(field: models.Field[Any, Any], value: Any) -> int | None:
    if value is None and field.null:
        return None
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is not a whole number")
    return value


def _moment(_field: models.Field[Any, Any], value: Any) -> dt.datetime | None:
    if value is None:
        return None
    moment = value
    if isinstance(value, str):
        try:
            moment = dt.datetime.fromisoformat(value)
        except ValueError:
            moment = None
    if not isinstance(moment, dt.datetime) or moment.tzinfo is None:
        raise ValueError(f"{str(value)!r} is not a time with its zone, such as 2030-01-31 18:00:00+00:00")
    try:
        return moment.astimezone(dt.UTC)
    except OverflowError:
        return moment  # in the first or the last year, which the model rejects


def _list(field: models.Field[Any, Any], value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) and each and "\0" not in each for each in value):
        raise ValueError(f"{value!r} is not a list of {'UUIDs' if field.name == 'gpus' else 'names'}: [first, second]")
    if field.name == "gpus":
        for each in value:
            _validate_uuid(each)
    return tuple(sorted(set(value)))


def _validate_uuid(uuid: str) -> None:
    try:
        SeenGpu._meta.get_field("uuid").run_validators(uuid)
    except ValidationError as error:
        raise ValueError(f"{uuid!r} is not a UUID: {' '.join(error.messages)}") from error


_READ_TYPE: dict[type[Any], Callable[[Any, Any], Any]] = {
    models.CharField: _text,
    models.TextField: _text,
    models.BooleanField: _flag,
    models.FloatField: _number,
    models.PositiveIntegerField: _whole,
    models.DateTimeField: _moment,
    models.ManyToManyField: _list,
}
_RENAMED: dict[Any, str] = {"host_pattern": "hosts"}
"""Names of fields in the files of earlier versions."""
_MODEL_FIELDS = {
    field.name: field
    for field in sorted((*AlertRule._meta.fields, *AlertRule._meta.many_to_many))
    if field.editable and not field.primary_key
}
FIELDS = tuple(_MODEL_FIELDS)
"""The fields of a rule in a file, in the order they are written."""
COLUMNS = tuple(name for name, field in _MODEL_FIELDS.items() if not field.many_to_many)
"""Those that are columns of the rule's row."""


class BadFile(Exception):
    """An invalid file. Each of `problems` names the rule, the field, what is wrong and what is valid."""

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
        """The fields that `rules.validation` takes."""
        return {**self.row.given(), "gpus": list(self.gpus)}

    def said(self) -> dict[str, Any]:
        """The fields to write: those that differ from a new rule."""
        new = AlertRule()
        values = {name: getattr(self.row, name) for name in COLUMNS}
        said = {name: value for name, value in values.items() if value != getattr(new, name) or name == "kind"}
        said |= {name: [*getattr(self, name)] for name in ("gpus", "channels") if getattr(self, name)}
        return {name: said[name] for name in FIELDS if name in said}


def written(entries: Iterable[Entry]) -> str:
    """The rules as a file that `read` accepts."""
    rules = [entry.said() for entry in entries]
    document = {"gpumon_rules": VERSION, "rules": rules}
    return _HEAD + yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=math.inf)


def read(text: str) -> list[Entry]:
    """The rules of a file. Raises BadFile with every problem in it."""
    try:
        # A SafeLoader that also rejects duplicate keys: it makes plain values only.
        document = yaml.load(text, Loader=_Loader)  # noqa: S506  # nosec
    except yaml.YAMLError as error:
        raise BadFile([f"not YAML: {' '.join(str(error).split())}"]) from error
    except RecursionError as error:
        raise BadFile(["not readable YAML: lists or fields are nested too deep"]) from error
    problems: list[str] = []
    entries: list[Entry] = []
    for number, said in enumerate(_rules_of(document), 1):
        name = said.get("name") if isinstance(said, dict) else None
        where = f"rule {number}" + (f" “{name}”" if isinstance(name, str) and name else "")
        found: dict[str, str] = {}
        entry = _entry(said, found)
        if entry is not None and any(entry.row.name == other.row.name for other in entries):
            found["name"] = "another rule in the file has this name"
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
        raise BadFile([f"not a file of alert rules: it must begin with `gpumon_rules: {VERSION}` and `rules:`"])
    if document["gpumon_rules"] != VERSION:
        raise BadFile(
            [f"gpumon_rules: {document['gpumon_rules']!r} is an unsupported version; this program reads {VERSION}"]
        )
    if unknown := [key for key in document if key not in ("gpumon_rules", "rules")]:
        raise BadFile([f"{key!r} is not a top-level field; {_nearest(key, ('rules',))}" for key in unknown])
    rules = document.get("rules")
    if not isinstance(rules, list):
        raise BadFile(["rules: must be a list, each rule after a dash (`- name: …`)"])
    return rules


def _entry(said: Any, problems: dict[str, str]) -> Entry | None:
    """A rule and its problems by field; None if it is not a mapping."""
    if not isinstance(said, dict):
        problems[""] = "not a rule: it must consist of fields and their values (`name: …`)"
        return None
    values: dict[str, Any] = {}
    for written_key, value in said.items():
        key: Any = _RENAMED.get(written_key, written_key)
        if key in values:
            problems[str(key)] = "given twice, also by its former name"
            continue
        field = _MODEL_FIELDS.get(key)
        if field is None:
            problems[str(key)] = f"there is no such field; {_nearest(key, FIELDS)}"
            continue
        try:
            values[key] = _READ_TYPE[type(field)](field, value)
        except ValueError as error:
            problems[key] = str(error)
    gpus, channels = values.pop("gpus", ()), values.pop("channels", ())
    row = AlertRule(**values)
    if not problems:
        try:
            row.clean_fields()
        except ValidationError as error:
            problems.update({name: " ".join(messages) for name, messages in error.message_dict.items()})
    return Entry(row, gpus, channels)


def _nearest(key: Any, known: Iterable[str]) -> str:
    known = [*known]
    near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
    return f"the nearest is {near[0]!r}" if near else f"there are {', '.join(known)}"


class _Loader(yaml.SafeLoader):
    """Rejects what the base loader accepts or fails on: duplicate keys, invalid dates and numbers, and aliases, with which a
    file of a thousand bytes can fill the memory.
    """

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]  # the stubs lack its types
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not supported: repeat the value", mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError) as error:
            problem = f"{node.value!r} is not a valid {node.tag.rpartition(':')[2]}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode):
                if key_node.value in seen:
                    problem = f"{key_node.value!r} is a duplicate key"
                    raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
                seen.add(key_node.value)
        return super().construct_mapping(node, deep=deep)


class _Dumper(yaml.SafeDumper):
    """Puts texts with line breaks of any kind in double quotes, since PyYAML writes some so that they read differently. Writes
    no aliases, which the loader rejects.
    """

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def _quoted_where_needed(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')


_Dumper.add_representer(str, _quoted_where_needed)
