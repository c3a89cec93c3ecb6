"""What a server says of access when it starts, the first administrator that it makes, and the sessions that it forgets."""

from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor

from django.conf import settings
from django.contrib.sessions.backends.db import SessionStore
from django.db import DatabaseError, connection

from monitor.access.bootstrap_admin import prepare
from monitor.access.setup_link import SetupLink
from monitor.access.visitor import access

log = logging.getLogger(__name__)


def at_start(setup_link: SetupLink) -> None:
    """Once a process, when the database is up to date. In a thread: the start may be in an event loop, which Django's
    database refuses.
    """
    rule = access()
    if rule.login == "nobody" and rule.is_exposed:
        log.warning("GPU_MONITOR_AUTH=none: whoever reaches this server sees the dashboard without logging in")
    if settings.DEBUG and rule.is_exposed:
        log.warning(
            "GPU_MONITOR_DEBUG is on: whoever reaches this server can see its settings and source on pages of errors"
        )
    with ThreadPoolExecutor(1, thread_name_prefix="first administrator") as pool:
        pool.submit(_prepare, setup_link).result()


def _prepare(setup_link: SetupLink) -> None:
    try:
        prepare(settings.GPU_MONITOR, setup_link, needs_login=access().login == "everybody")
        forget_old_sessions()
    finally:
        connection.close()


def forget_old_sessions() -> None:
    """Django leaves those that are over in the database. One that does not answer keeps them for longer."""
    try:
        SessionStore.clear_expired()
    except DatabaseError as error:
        log.warning("sessions that are over cannot be deleted now: %s", error)
