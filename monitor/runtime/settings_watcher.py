"""The stage that applies changed settings: those saved in the admin, by this process or another."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from django.db import connection

from monitor.config.model import Config
from monitor.database.changes import Changes
from monitor.runtime.effective_config import EffectiveConfig
from monitor.telemetry.schema import Snapshot

log = logging.getLogger(__name__)

POLL_SECONDS = 2.0
"""Interval between looks at the database, with one small query if it may have changed."""
START_WAIT_SECONDS = 1.0
"""How long the start waits for the admin's settings. If the database answers later, they are applied then."""


class SettingsWatcher:
    """Reads the admin's settings in a thread of its own and applies them where they have changed."""

    name = "settings"

    def __init__(
        self,
        settings: EffectiveConfig,
        apply: Callable[[Config], None],
        *,
        poll_seconds: float = POLL_SECONDS,
        start_wait_seconds: float = START_WAIT_SECONDS,
    ) -> None:
        self._settings = settings
        self._apply = apply
        self._poll_seconds = poll_seconds
        self._start_wait_seconds = start_wait_seconds
        self._changes = Changes()
        self._fault: str | None = None
        self._has_looked = threading.Event()
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="settings", daemon=True)

    def start(self) -> None:
        """Start the thread and wait for its first look, so that the first reading is already made with the admin's settings."""
        self._thread.start()
        self._has_looked.wait(self._start_wait_seconds)

    def take(self, snapshot: Snapshot) -> None:
        """Settings do not depend on readings."""

    def stop(self, seconds: float = 1.0) -> None:
        """Returns when the thread has ended or the time is up: there is nothing to save."""
        self._is_stopping.set()
        self._thread.join(seconds)

    @property
    def problem(self) -> str | None:
        return self._fault or self._settings.problem

    def _run(self) -> None:
        try:
            while not self._is_stopping.is_set():
                self._look()
                self._has_looked.set()
                self._is_stopping.wait(self._poll_seconds)
        finally:
            connection.close()

    def _look(self) -> None:
        try:
            if not self._changes.may_exist() and self.problem is None:
                return
            self._settings.look(self._apply)
        except Exception as error:
            if self._fault is None:
                log.exception("changed settings could not be applied; retrying every %g s", self._poll_seconds)
            self._fault = f"changed settings could not be applied ({type(error).__name__}: {error})"
        else:
            self._fault = None
        if self.problem is None:
            self._changes.note_read()
        else:
            connection.close()  # the next look connects again
