"""The effective settings: those of the start, with the admin's over the defaults."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, InterfaceError

from monitor.config.declarations import PREFIX
from monitor.config.model import Config
from monitor.config.overrides import layered
from monitor.history.pruning import Retention
from monitor.history.recorder import HistorySettings
from monitor.models import SiteSettings
from monitor.notifications.reports.settings import ReportSettings
from monitor.usage.ledger import LedgerSettings
from monitor.usage.reports import prices_of

log = logging.getLogger(__name__)
_BYTES_PER_MIB = 1 << 20


class EffectiveConfig:
    """Any thread may read `config` and call `look`."""

    def __init__(self, startup: Config) -> None:
        self.config = startup
        """The effective settings as of the last look; before the first one, those of the start."""
        self.startup = startup
        """The settings from environment, `.env` and defaults, without the admin."""
        self.was_read = False
        """Whether the admin's settings have been read at least once."""
        self.problem: str | None = None
        """Why the admin's settings cannot be read now."""
        self._row: dict[str, Any] = {}
        self._lock = threading.Lock()

    def look(self, changed: Callable[[Config], None] | None = None) -> bool:
        """Read the admin's settings with one query; if they have changed, use them and call `changed`. Says whether they had.

        If the database is unavailable, the effective settings stay, one line is logged, and the next look tries again.
        Blocks as long as the database does (see DATABASES in Django's settings). If `changed` raises, the next look calls it again.
        """
        with self._lock:
            row = self._read()
            if row is None:
                return False
            is_changed = row != self._row
            if is_changed:
                self._take_up(row)
                if changed is not None:
                    changed(self.config)
                self._row = row
            self.was_read = True
            return is_changed

    def _read(self) -> dict[str, Any] | None:
        """The values of the row, empty if there is no row; None if the database is unavailable."""
        try:
            # The column and not the model: a bad value in another column must not be in the way.
            row = SiteSettings.objects.filter(pk=1).values_list("overrides", flat=True).first()
            reason = None if row is None or isinstance(row, dict) else "not a JSON object"
        except (DatabaseError, InterfaceError) as error:
            reason = str(error)
        if reason is not None:
            problem = f"the admin's settings cannot be read ({reason})"
            if problem != self.problem:
                self.problem = problem
                log.warning("%s; the current settings stay in effect", problem)
            return None
        if self.problem is not None:
            self.problem = None
            log.info("recovered: the admin's settings can be read")
        return dict(row or {})

    def _take_up(self, row: dict[str, Any]) -> None:
        before = self.config
        self.config, refused = layered(self.startup, row)
        for name, words in refused.items():
            log.warning("%s (set in the admin); using %r", words, getattr(self.config, name))
        for name in self.startup.set_in_admin():
            value = getattr(self.config, name)
            if value != getattr(before, name):
                log.info("%s%s is now %s (%s)", PREFIX, name.upper(), value, self.config.source_of(name))


def history_settings_of(config: Config) -> HistorySettings:
    """Whether readings are stored, and for how long."""
    days = config.history_seconds_days, config.history_minutes_days, config.history_quarters_days
    return HistorySettings(config.history, Retention(tuple(map(float, days)), config.history_max_mib * _BYTES_PER_MIB))


def ledger_settings_of(config: Config) -> LedgerSettings:
    """What the usage ledger needs to know."""
    return LedgerSettings(
        is_on=config.record_usage,
        idle_percent=float(config.idle_held_utilization_percent),
        days=float(config.usage_days),
        process_days=float(config.usage_process_days),
    )


def report_settings_of(config: Config) -> ReportSettings:
    """What the weekly reports need to know."""
    return ReportSettings(prices=prices_of(config), address=config.report_address)
