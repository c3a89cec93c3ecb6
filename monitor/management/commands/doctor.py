"""`manage.py doctor`: what was found on this host, what was skipped and why, and how to fix it."""

from __future__ import annotations

import logging
import queue
import socket
import time
from typing import Any

import msgspec
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, InterfaceError, connection

from monitor.config.sampling import sampler_options
from monitor.database.engine import engine_of
from monitor.runtime.effective_config import EffectiveConfig
from monitor.sanitize import visible
from monitor.telemetry.diagnosis import Finding, examine
from monitor.telemetry.options import Options
from monitor.telemetry.providers.selection import LABELS
from monitor.telemetry.sampler.supervisor import START_LIMIT_SECONDS, Supervisor
from monitor.telemetry.schema import Snapshot

_FIRST_ANSWER_TIMEOUTS = 6
"""The first answer takes longer: as many times the sampler's timeout, 30 s by default."""
MARKS = {"good": "✓", "note": "·", "bad": "✗"}


def _database() -> Finding:
    """Whether PostgreSQL answers. SQLite's files need no check: the start creates them."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT version()")
            (version,) = cursor.fetchone()
    except (DatabaseError, InterfaceError) as error:
        return Finding("bad", f"{engine_of(connection).explain(error)}.", "docs/postgresql.md says how to set it up.")
    finally:
        connection.close()
    return Finding("good", f"The database answers: {version.partition(' on ')[0]}.")


class Command(BaseCommand):
    """Examines files first, then tries every provider through the same child process as the server."""

    help = "List what was found, what was skipped and why, and how to fix it."
    requires_system_checks = ()

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the findings; exit status 1 if no provider works."""
        self.stdout.write(f"gpumon doctor on {socket.gethostname()}\n\nThis host")
        for finding in examine():
            self._print(finding)
        if settings.GPU_MONITOR.database_address is not None:
            self._print(_database())
        self.stdout.write("\nProviders, in the order in which they are tried")
        snapshot, problem = self._snapshot()
        for report in snapshot.providers if snapshot else ():
            text = f"{report.name}: in use." if report.is_chosen else f"{report.name}: {report.reason}"
            self._print(Finding("good" if report.is_chosen else "note", text, report.fix))
        if snapshot is None or snapshot.sampled_at is None:
            self._print(Finding("bad", problem or "No provider works, so gpumon can show only the host itself.",
                               "`make demo` (installed: `gpumon demo`) shows simulated GPUs."))  # fmt: skip
            raise SystemExit(1)
        self._print_gpus(snapshot)

    def _options(self) -> Options:
        """The server's options with a quiet log, which would repeat the findings between them. DEBUG keeps it."""
        if settings.GPU_MONITOR.log_level != "DEBUG":
            logging.getLogger("monitor").setLevel(logging.ERROR)
        effective = EffectiveConfig(settings.GPU_MONITOR)
        effective.look()
        options = sampler_options(effective.config)
        if effective.config.log_level == "DEBUG":
            return options
        return msgspec.structs.replace(options, log_level="ERROR")

    def _snapshot(self) -> tuple[Snapshot | None, str | None]:
        """The first snapshot with readings or reasons, and the problem until then."""
        snapshots: queue.SimpleQueue[Snapshot] = queue.SimpleQueue()
        timeout = settings.GPU_MONITOR.sampler_timeout_ms / 1000
        supervisor = Supervisor(self._options(), snapshots.put, host=socket.gethostname(), timeout_seconds=timeout)
        supervisor.start()
        give_up_at = time.monotonic() + _FIRST_ANSWER_TIMEOUTS * timeout
        try:
            while True:
                snapshot = snapshots.get(timeout=START_LIMIT_SECONDS + 5)
                is_late = snapshot.stale and time.monotonic() >= give_up_at
                if snapshot.sampled_at is not None or snapshot.providers or is_late:
                    if snapshot.sampled_at is None and any(report.is_chosen for report in snapshot.providers):
                        continue  # the provider is open; its first reading follows
                    return snapshot, snapshot.stale_reason
        except queue.Empty:
            return None, supervisor.status.problem
        finally:
            supervisor.stop()

    def _print_gpus(self, snapshot: Snapshot) -> None:
        source = LABELS.get(snapshot.provider or "", "")
        driver = f", driver {snapshot.driver_version}" if snapshot.driver_version else ""
        self.stdout.write(f"\nGPUs, read via {source}{driver}")
        for gpu in snapshot.gpus:
            self._print(Finding("good" if gpu.state == "ok" else "bad" if gpu.state == "lost" else "note",
                               f"{gpu.index}: {gpu.name}, {gpu.uuid}, {gpu.pci_bus_id or 'PCI address unknown'}"
                               + ("" if gpu.state == "ok" else f" ({gpu.state})")))  # fmt: skip
            missing = sorted(gpu.unavailable.items(), key=lambda item: item[1])
            reasons: dict[str, list[str]] = {}
            for metric, reason in missing:
                reasons.setdefault(reason, []).append(metric)
            for reason, metrics in reasons.items():
                self.stdout.write(f"      {reason}: {', '.join(metrics)}")
        for notice in snapshot.notices:
            self._print(Finding("note", notice.text, notice.fix))

    def _print(self, finding: Finding) -> None:
        self.stdout.write(f"  {MARKS[finding.level]} {visible(finding.text)}")
        if finding.fix:
            self.stdout.write(f"    → {visible(finding.fix)}")
