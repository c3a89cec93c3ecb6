"""The settings in force: what the start said, with the administrator's row over the defaults, looked at again when asked."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError, InterfaceError

from monitor.config.model import PREFIX, Config
from monitor.config.overrides import SET_IN_ADMIN, layered
from monitor.models import SiteSettings

log = logging.getLogger(__name__)


class InForce:
    """One for each process. Any thread may read `config`, and `look`."""

    def __init__(self, startup: Config) -> None:
        self.config = startup
        """The settings in force as of the last look: at first those of the start."""
        self.startup = startup
        """What environment, `.env` and defaults say, without the admin."""
        self._row: dict[str, Any] = {}
        self._problem: str | None = None
        self._lock = threading.Lock()

    def look(self, changed: Callable[[Config], None] | None = None) -> bool:
        """Read the row, which is one query; where it is another than before, take it up and call `changed`.

        A database that does not answer leaves in force what is, which is logged once, and is asked again by the next look.
        Blocks as long as the database does (see DATABASES in the settings).
        """
        with self._lock:
            row = self._read()
            if row is None or row == self._row:
                return False
            self._row = row
            self._take_up(row)
            if changed is not None:
                changed(self.config)
            return True

    def _read(self) -> dict[str, Any] | None:
        """The values of the row, none where there is no row; None where the database does not answer."""
        try:
            # Values and not a model: its other columns are none of ours, and a bad one must not be in the way.
            row = SiteSettings.objects.filter(pk=1).values(*SET_IN_ADMIN).first()
        except (DatabaseError, InterfaceError) as error:
            if str(error) != self._problem:
                self._problem = str(error)
                log.warning("the settings of the admin cannot be read now (%s): those in force stay", error)
            return None
        if self._problem is not None:
            self._problem = None
            log.info("the settings of the admin can be read again")
        return dict(row or {})

    def _take_up(self, row: dict[str, Any]) -> None:
        before = self.config
        self.config, refused = layered(self.startup, row)
        for name, words in refused.items():
            log.warning("%s (set in the admin); %r is in force", words, getattr(self.config, name))
        for name in SET_IN_ADMIN:
            value = getattr(self.config, name)
            if value != getattr(before, name):
                log.info("%s%s is now %s (%s)", PREFIX, name.upper(), value, self.config.source_of(name))
