"""What must be so for this process to open another connection to PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable

_requirements: list[Callable[[], None]] = []


def require(requirement: Callable[[], None]) -> None:
    """From now on, call this with each new connection, in any thread. It raises psycopg.OperationalError to refuse it."""
    _requirements.append(requirement)


def check() -> None:
    """Raises psycopg.OperationalError if the process may not connect now."""
    for requirement in _requirements:
        requirement()
