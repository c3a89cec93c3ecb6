"""Validates what a server sends against the JSON Schema that it publishes."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator


def check(content: Any, published: dict[str, Any], name: str = "Snapshot") -> None:
    """Assert that the value is valid and has no field that the schema does not name. JSON Schema itself allows unnamed fields."""
    closed = {
        key: definition | ({"additionalProperties": False} if "properties" in definition else {})
        for key, definition in published["$defs"].items()
    }
    Draft202012Validator({**published, "$ref": f"#/$defs/{name}", "$defs": closed}).validate(content)
