"""The alert engine's attempts to reach the database, and what cannot be done meanwhile."""

from __future__ import annotations

import logging
from collections.abc import Callable

from django.db import DatabaseError, InterfaceError, connection

from monitor.database.engine import engine_of

log = logging.getLogger(__name__)

RETRY_SECONDS = 1.0
DATABASE_WAIT_SECONDS = 0.5
"""How long the engine's thread waits for the database at a time: meanwhile it evaluates nothing."""


class DatabaseAttempts:
    """Used in the engine's thread."""

    def __init__(self, problems: dict[str, str], monotonic: Callable[[], float]) -> None:
        """`problems`: receives what cannot be done, and why."""
        self._problems, self._monotonic = problems, monotonic
        self.retry_at = 0.0
        """Before this time, by the monotonic clock, nothing is tried."""

    def reaches(self, problem: str, do: Callable[[], None]) -> bool:
        """Do it and return whether it worked. After a failure, wait RETRY_SECONDS first. `problem` is logged once."""
        if self._monotonic() < self.retry_at:
            return False
        try:
            self.wait_little()
            do()
        except (DatabaseError, InterfaceError) as error:
            connection.close()
            self.retry_at = self._monotonic() + RETRY_SECONDS
            if problem not in self._problems:
                log.warning("%s (%s)", problem, error)
            self._problems[problem] = str(error)
            return False
        if self._problems.pop(problem, None) is not None:
            log.info("recovered: %s", problem)
        return True

    def wait_little(self) -> None:
        """Wait a short time for the database. Django's own setting is for requests, which have nothing else to do."""
        engine_of(connection).limit_waits(DATABASE_WAIT_SECONDS)
