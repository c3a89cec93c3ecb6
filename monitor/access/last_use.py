"""Records in the background when tokens and read-only links were last used, and renews sessions by use.

A request with a token or a session only reads. A write on its path would wait for SQLite's write lock, for as long as another
process holds it.
"""

from __future__ import annotations

import atexit
import functools
import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection, transaction
from django.db.models import Q

from monitor.database.engine import engine_of
from monitor.models import ApiToken, ViewLink

USE_EVERY = timedelta(minutes=1)
SESSION_EVERY = timedelta(days=1)
"""How often the use of a token or link, and of a session, is written at most."""
GATHER_SECONDS = 1.0
"""From the first use until it is written, together with those that follow it."""
RETRY_SECONDS = 10.0
LOCK_SECONDS = 0.0
"""How long to wait for another program's lock."""
log = logging.getLogger(__name__)

Credential = ApiToken | ViewLink
Uses = Mapping[tuple[type[Credential], int], datetime]
Renewals = Mapping[str, datetime]


class LastUse:
    """What is not written yet. Used from any thread; `start` begins the writing."""

    def __init__(
        self,
        write: Callable[[Uses, Renewals], None] | None = None,
        *,
        gather_seconds: float = GATHER_SECONDS,
        retry_seconds: float = RETRY_SECONDS,
    ) -> None:
        """`write` takes the time of the last use by the model and primary key, and by the session's key."""
        self._write = write or write_uses
        self._gather_seconds = gather_seconds
        self._retry_seconds = retry_seconds
        self._lock = threading.Lock()
        self._used: dict[tuple[type[Credential], int], datetime] = {}
        self._sessions: dict[str, datetime] = {}
        self._renewed: dict[str, datetime] = {}
        self._woken = threading.Event()
        self._is_stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._failures = 0

    def used(self, credential: Credential, now: datetime) -> None:
        """Note the use of a token or link, unless one is recorded that is less than a minute old."""
        key = type(credential), credential.pk
        with self._lock:
            before = self._used.get(key, credential.last_used_at)
            if before is None or now - before >= USE_EVERY:
                self._used[key] = now
                self._woken.set()

    def session_used(self, session_key: str, now: datetime) -> bool:
        """Renew the session, unless that was done less than a day ago. Returns whether its cookie has to be renewed too."""
        with self._lock:
            before = self._renewed.get(session_key)
            if before is not None and now - before < SESSION_EVERY:
                return False
            self._renewed[session_key] = self._sessions[session_key] = now
            self._woken.set()
            return True

    def write_pending(self) -> bool:
        """Write what was noted. Returns False, and keeps it, if the database cannot be written now."""
        with self._lock:
            used, self._used = self._used, {}
            sessions, self._sessions = self._sessions, {}
            self._renewed = {key: at for key, at in self._renewed.items() if _is_recent(at, sessions)}
        if not used and not sessions:
            return True
        try:
            self._write(used, sessions)
        except DatabaseError as error:
            with self._lock:
                self._used = used | self._used
                self._sessions = sessions | self._sessions
            self._failures += 1
            if self._failures == 2:  # another writer may just have had the lock
                log.warning("cannot record the last use of tokens, links and sessions, trying again: %s", error)
            return False
        if self._failures >= 2:
            log.info("the last use of tokens, links and sessions is recorded again")
        self._failures = 0
        return True

    def start(self) -> None:
        """Write in a thread from now on, until `stop` or Python's exit."""
        self._thread = threading.Thread(target=self._run, name="last use", daemon=True)
        self._thread.start()
        atexit.register(self.stop)

    def stop(self) -> None:
        """Write once more, and end the thread."""
        atexit.unregister(self.stop)
        self._is_stopping.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join(1.0)

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            self._woken.wait()
            self._woken.clear()
            self._is_stopping.wait(self._gather_seconds)
            while not self.write_pending() and not self._is_stopping.wait(self._retry_seconds):
                pass


def _is_recent(at: datetime, used: Renewals) -> bool:
    return not used or max(used.values()) - at < SESSION_EVERY


def write_uses(used: Uses, sessions: Renewals) -> None:
    """Write all in one transaction. Raises DatabaseError at once if another process has the lock."""
    try:
        engine_of(connection).limit_waits(LOCK_SECONDS)
        with transaction.atomic():
            for (model, pk), at in used.items():
                older = Q(last_used_at__isnull=True) | Q(last_used_at__lt=at)
                model.objects.filter(older, pk=pk).update(last_used_at=at)
            for session_key, at in sessions.items():
                ends = at + timedelta(seconds=settings.SESSION_COOKIE_AGE)
                Session.objects.filter(session_key=session_key, expire_date__gt=at).update(expire_date=ends)
    finally:
        connection.close()  # the next batch connects again: the file may have been replaced by then


@functools.cache
def last_use() -> LastUse:
    """The one of this process."""
    return LastUse()
