"""`manage.py serve`: migrate the database and serve on HOST and PORT until SIGTERM or Ctrl-C."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time
from collections import Counter
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.module_loading import import_string

from monitor.config.model import Config
from monitor.runtime.process import runtime
from monitor.server.hangup import end_with_terminal
from monitor.server.startup import CannotStart, prepare_server
from monitor.server.systemd import READY, STOPPING, Systemd
from monitor.server.watchdog import stop_for_terminal, watch
from monitor.telemetry.providers.selection import LABELS
from monitor.telemetry.schema import Snapshot

log = logging.getLogger(__name__)

MAX_MESSAGE_BYTES = 64 * 1024
"""The limit for a message from a WebSocket client; a longer one closes the socket. Ours send a few words."""
HTTP_SECONDS = 120
"""The time limit for a response. The slowest, testing a channel, takes at most 30 s."""
LOOK_SECONDS = 0.1
ANNOUNCE_SECONDS = 3.0
"""How long the address waits for the first reading."""
NO_GPU = (
    "no GPU found, so only the host is shown; the reasons and how to fix them: .venv/bin/python manage.py doctor "
    "(installed: gpumon doctor)"
)
OTHER_PORT = (
    "If another program has the port, such as a gpumon that already runs, choose another one with GPU_MONITOR_PORT; "
    "GPU_MONITOR_HOST must be an address of this host."
)


class Command(BaseCommand):
    """Prints the GPUs it found, then the address."""

    help = "Serve the dashboard on GPU_MONITOR_HOST and GPU_MONITOR_PORT."

    def handle(self, *_args: Any, **_options: Any) -> None:
        host, port = settings.GPU_MONITOR.host, settings.GPU_MONITOR.port
        # Until the reactor installs its handler: without one, the first process of a container ignores SIGTERM.
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        end_with_terminal()
        signal.signal(signal.SIGTSTP, stop_for_terminal)
        try:
            prepare_server()
        except CannotStart as error:
            raise CommandError(f"gpumon: {error}") from error
        self.prepared()
        # Imported here, because it installs daphne's reactor, which no other command needs.
        from daphne.endpoints import build_endpoint_description_strings

        from monitor.server.daphne import Server

        systemd = Systemd.taken_from(os.environ)  # before the first child starts: none must inherit the socket
        failures: list[str] = []

        def ready() -> None:
            from twisted.internet import reactor

            systemd.notify(READY)
            # zope's interfaces have no self
            reactor.addSystemEventTrigger("before", "shutdown", systemd.notify, STOPPING)  # type: ignore[arg-type]
            # Later, because the event loop is not running yet.
            reactor.callLater(0, self._signal_watchdog, systemd)  # type: ignore[arg-type]
            self.announce(time.monotonic() + ANNOUNCE_SECONDS)

        class ListeningServer(Server):
            """Reports a port that it cannot have as an error of the command, not as a line in the log."""

            def listen_error(self, failure: Any) -> None:
                failures.append(failure.getErrorMessage())
                self.stop()

        ListeningServer(
            application=import_string(settings.ASGI_APPLICATION),
            endpoints=build_endpoint_description_strings(host, port),
            server_name="gpumon",
            ready_callable=ready,
            http_timeout=HTTP_SECONDS,
            application_close_timeout=2,
            websocket_max_message_size=MAX_MESSAGE_BYTES,
            websocket_max_frame_size=MAX_MESSAGE_BYTES,
        ).run()
        if failures:
            raise CommandError(f"gpumon: cannot listen on {host} port {port}: {failures[0]} {OTHER_PORT}")

    def prepared(self) -> None:
        """Called when the database is ready, before anything is served. The demo creates its account here."""

    def _signal_watchdog(self, systemd: Systemd) -> None:
        self._watchdog = asyncio.ensure_future(watch(systemd, runtime().pulse()))

    def announce(self, address_at: float | None) -> None:
        """Print which GPUs were found, then the address, so that it is easy to find. Later changes are in the log.

        `address_at` (monotonic): when to print the address even if the driver has not responded; None once it is printed.
        """
        from twisted.internet import reactor

        line = gpus_found(runtime().hub.latest)
        if line is not None:
            self._say(f"gpumon: {line}")
        if address_at is not None and (line is not None or time.monotonic() >= address_at):
            self._say(f"gpumon on {address_of(settings.GPU_MONITOR)}")
            address_at = None
        if line is None:
            reactor.callLater(LOOK_SECONDS, self.announce, address_at)  # type: ignore[arg-type]

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def address_of(config: Config) -> str:
    """The URL of the dashboard on this host."""
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"http://{host}:{config.port}{config.base_path}"


def gpus_found(snapshot: Snapshot | None) -> str | None:
    """The GPUs and their provider, or that there are none; None while neither is known."""
    if snapshot is None:
        return None
    if snapshot.sampled_at is not None:
        count, names = len(snapshot.gpus), Counter(gpu.name for gpu in snapshot.gpus)
        listed = ", ".join(f"{many} × {name}" if many > 1 else name for name, many in names.items())
        gpus = f"GPU{'' if count == 1 else 's'}"
        if snapshot.is_simulated:
            return f"{count} simulated {gpus}: {listed}"
        return f"{count} {gpus} via {LABELS.get(snapshot.provider or '', 'no provider')}: {listed}"
    if snapshot.providers and not any(report.is_chosen for report in snapshot.providers):
        return NO_GPU
    return None
