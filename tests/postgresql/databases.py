"""Connections of gpumon's engine to databases of the test's own."""

from __future__ import annotations

from typing import Any

from django.db import connections

from monitor.config.database_url import parse
from monitor.config.databases import postgresql
from monitor.postgresql.base import DatabaseWrapper


def connection_to(url: str) -> Any:
    """Not yet connected. The test closes it."""
    return DatabaseWrapper({**connections["default"].settings_dict, **postgresql(parse(url))}, alias="another")


def ask(connection: Any, statement: str) -> list[Any]:
    """The rows of a statement."""
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return list(cursor.fetchall())
