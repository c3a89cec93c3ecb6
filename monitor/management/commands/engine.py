"""`manage.py engine`: judge and record the hosts of a hub of several processes, until SIGTERM or Ctrl-C."""

from __future__ import annotations

import logging
import os
import threading
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from monitor.server.end_signals import set_at_the_end
from monitor.server.startup import CannotStart, prepare_server
from monitor.server.systemd import READY, STOPPING, Systemd

log = logging.getLogger(__name__)


class Command(BaseCommand):
    """Serves no page. Several can run: they share the hosts, and take over from one that dies."""

    help = "Judge and record the hosts of a hub of several processes (GPU_MONITOR_REDIS_URL)."
    requires_system_checks = ()

    def handle(self, *_args: Any, **_options: Any) -> None:
        if settings.GPU_MONITOR.redis_url is None:
            raise CommandError(
                "gpumon engine: GPU_MONITOR_REDIS_URL is not set. A hub of one process judges and records its hosts itself"
            )
        # Imported here, because only a hub of several processes has the packages redis and psycopg.
        from monitor.runtime.engine import EngineRuntime, name_connections

        stopping = threading.Event()
        set_at_the_end(stopping)
        systemd = Systemd.taken_from(os.environ)
        try:
            prepare_server()
        except CannotStart as error:
            raise CommandError(f"gpumon engine: {error}") from error
        name_connections()
        systemd.notify(READY)
        EngineRuntime(settings.GPU_MONITOR).run(stopping)
        systemd.notify(STOPPING)
