"""Connections of gpumon's engine to databases of the test's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.db import connections

from monitor.sqlite.base import DatabaseWrapper


def connection_to(path: Path) -> Any:
    """Not yet connected. The test closes it."""
    settings = {**connections["default"].settings_dict, "NAME": str(path), "OPTIONS": {"timeout": 0}}
    return DatabaseWrapper(settings, alias="another")


def execute(connection: Any, statement: str) -> list[Any]:
    """The rows of a statement."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())
