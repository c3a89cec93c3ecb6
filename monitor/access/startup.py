"""Startup of access control: warnings, the first admin account, and the removal of expired sessions."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.db import DatabaseError, connection

from monitor.access.bootstrap_admin import prepare
from monitor.access.last_use import last_use
from monitor.access.setup_link import SetupLink
from monitor.access.visitor import access

log = logging.getLogger(__name__)


def at_start(setup_link: SetupLink) -> None:
    """Called once, after migrations. Uses a thread, because startup can run in an event loop, where Django refuses database
    calls.
    """
    rule = access()
    if rule.login == "nobody" and rule.is_exposed:
        log.warning("GPU_MONITOR_AUTH=none: anyone who can reach this server can view the dashboard without logging in")
    if settings.DEBUG and rule.is_exposed:
        log.warning(
            "GPU_MONITOR_DEBUG is on: anyone who can reach this server can see its settings and source on error pages"
        )
    with ThreadPoolExecutor(1, thread_name_prefix="first administrator") as pool:
        pool.submit(_prepare, setup_link).result()
    last_use().start()


def _prepare(setup_link: SetupLink) -> None:
    try:
        prepare(settings.GPU_MONITOR, setup_link, needs_login=access().login == "everybody")
        forget_old_sessions()
    finally:
        connection.close()


def forget_old_sessions() -> None:
    """Delete expired sessions, which Django leaves in the database."""
    try:
        SessionStore.clear_expired()
    except DatabaseError as error:
        log.warning("cannot delete expired sessions: %s", error)
