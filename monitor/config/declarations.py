"""How a setting is declared, and what is read from that: allowed values, admin form, .env.example, documentation."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import BaseModel, Field

PREFIX = "GPU_MONITOR_"
GROUPS = (
    "Readings",
    "Idle-held GPUs",
    "Alerts",
    "History",
    "Usage",
    "Live feed",
    "Prometheus",
    "Fleet",
    "Other pages",
    "Server",
    "Access",
)
"""In the order in which they are listed; others follow."""


def setting(
    default: Any,
    description: str,
    *,
    group: str,
    default_text: str = "",
    admin_label: str | None = None,
    is_internal: bool = False,
    ge: float | None = None,
    le: float | None = None,
) -> Any:
    """A field of the settings model. It needs nothing besides: form, .env.example and documentation follow from it.

    `description`: one sentence. `default_text`: the default in words, if the value itself says too little.
    `is_internal`: on a server that others can reach, only administrators see the value.
    `admin_label`: for a setting that administrators can change while the server runs, its label in the form.
    """
    return Field(
        default,
        description=description,
        ge=ge,
        le=le,
        json_schema_extra={
            "group": group,
            "default_text": default_text,
            "admin_label": admin_label,
            "is_internal": is_internal,
        },
    )


class Declaration(NamedTuple):
    """What the model says about one setting."""

    name: str
    description: str
    group: str
    default: Any
    default_text: str
    admin_label: str | None
    """None: administrators cannot set it."""
    is_secret: bool
    """Its value is never shown."""
    is_internal: bool
    """On a server that others can reach, only administrators see the value."""
    kind: str
    """As in JSON Schema: integer, number, boolean, string or array."""
    choices: tuple[str, ...]
    minimum: float | None
    maximum: float | None

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return PREFIX + self.name.upper()

    @property
    def is_number(self) -> bool:
        return self.kind in {"integer", "number"}

    @property
    def allowed(self) -> str:
        """The range or the choices, or an empty string if only a validator knows them."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        if self.is_number:
            kind = "a whole number" if self.kind == "integer" else "a number"
            return f"{kind} from {self.minimum:g} to {self.maximum:g}"
        return "true or false" if self.kind == "boolean" else ""

    @property
    def written_default(self) -> str:
        """The default as an environment variable, or an empty string if nothing is set or it depends on the host."""
        if self.default in (None, (), "") or isinstance(self.default, Path):
            return ""
        if isinstance(self.default, bool):
            return str(self.default).lower()
        if isinstance(self.default, tuple):
            return ",".join(self.default)
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)


@functools.cache
def declarations(model: type[BaseModel]) -> dict[str, Declaration]:
    """Every setting of this model by name, by groups and in its order."""
    schemas: dict[str, Any] = model.model_json_schema()["properties"]
    declared = [_declaration(name, schemas[name], field.default) for name, field in model.model_fields.items()]
    places = {group: place for place, group in enumerate(GROUPS)}
    return {each.name: each for each in sorted(declared, key=lambda each: places.get(each.group, len(GROUPS)))}


def _declaration(name: str, schema: dict[str, Any], default: Any) -> Declaration:
    value = next((part for part in schema.get("anyOf", ()) if part.get("type") != "null"), schema)
    return Declaration(
        name=name,
        description=schema["description"],
        group=schema["group"],
        default=default,
        default_text=schema["default_text"],
        admin_label=schema["admin_label"],
        is_secret=value.get("writeOnly", False),
        is_internal=schema["is_internal"],
        kind=value["type"],
        choices=tuple(value.get("enum", ())),
        minimum=value.get("minimum"),
        maximum=value.get("maximum"),
    )
