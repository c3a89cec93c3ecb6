"""Builds snapshots from what the samplers have sent so far, across their restarts."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable

from monitor.telemetry.gpu_use import IdleLimits
from monitor.telemetry.host.processes import without_commands
from monitor.telemetry.providers.selection import LABELS
from monitor.telemetry.sampler import wire
from monitor.telemetry.sampler.assessment import Assessment
from monitor.telemetry.sampler.roster import Roster
from monitor.telemetry.schema import Gpu, Reading, Snapshot, System
from monitor.telemetry.totals import total

log = logging.getLogger(__name__)


class SnapshotBuilder:
    """Used only by the supervisor's thread. Times called `at` are on its monotonic clock."""

    def __init__(self, host: str, idle: Callable[[], IdleLimits], *, host_id: str | None = None) -> None:
        """`idle`: the limits that decide whether a GPU counts as idle-held."""
        self._host = host
        self._host_id = host_id
        self._boot_id = secrets.token_hex(8)
        self._seq = 0
        self._roster = Roster()
        self._gpus: tuple[Gpu, ...] = ()
        self._assessment = Assessment(idle)
        self._reading: Reading | None = None
        self._reading_at = 0.0
        self.selected = wire.Selected(provider=None)
        """The provider in use or, if none works now, the last one: its name stays with its readings."""
        self.has_selection = False
        """A sampler has tried the providers, successfully or not."""

    @property
    def has_reading(self) -> bool:
        """Whether there was a reading."""
        return self._reading is not None

    @property
    def has_provider(self) -> bool:
        """Whether a provider was chosen when they were last tried."""
        return any(report.is_chosen for report in self.selected.reports)

    def age_seconds(self, at: float) -> float | None:
        """Age of the last reading; None before the first."""
        return None if self._reading is None else at - self._reading_at

    def take_reading(self, reading: Reading, gpus: tuple[Gpu, ...], at: float) -> None:
        """Add a reading; `gpus` are its GPUs with what can be shown of them."""
        self._reading, self._reading_at = reading, at
        self._gpus = self._roster.update(gpus, reading.sampled_at)
        self._assessment.note(self._gpus, at)

    def take_selection(self, selected: wire.Selected) -> None:
        """Add a new sampler's selection of a provider, and log it if it changed."""
        if selected.provider is not None and selected.provider != self.selected.provider:
            self._roster.forget()
        if selected.reports != self.selected.reports:
            for report in selected.reports:
                if report.is_chosen:
                    log.info("reading GPUs via %s", LABELS.get(report.name, report.name))
                else:
                    log.warning("%s: %s %s", report.name, report.reason, report.fix or "")
            for notice in selected.notices:
                log.warning("%s %s", notice.text, notice.fix or "")
        provider = selected.provider or (self.selected.provider if self._reading else None)
        simulated = selected.is_simulated if selected.provider else self.selected.is_simulated
        self.selected = wire.Selected(
            provider=provider, is_simulated=simulated, reports=selected.reports, notices=selected.notices
        )
        self.has_selection = True

    def hide_commands(self, show_commands: str) -> None:
        """Apply a changed Options.show_commands to the readings already received."""
        self._gpus = without_commands(self._gpus, show_commands)

    def sampler_is_gone(self) -> None:
        """Prepare for the readings of the next sampler."""
        self._roster.restarted()

    def snapshot(
        self, time: float, at: float, *, stale_reason: str | None, interval_seconds: float, system: System | None
    ) -> Snapshot:
        """The next snapshot. `time` is Unix time."""
        self._seq += 1
        reading = self._reading
        # Simulated GPUs, and those of a recording, do not wait for the processors of this host.
        of_their_host = None if self.selected.is_simulated else system
        return Snapshot(
            host=self._host,
            host_id=self._host_id,
            boot_id=self._boot_id,
            seq=self._seq,
            time=time,
            sampled_at=reading.sampled_at if reading else None,
            stale=stale_reason is not None,
            age_seconds=self.age_seconds(at),
            stale_reason=stale_reason,
            provider=self.selected.provider,
            is_simulated=self.selected.is_simulated,
            driver_version=reading.driver_version if reading else None,
            cuda_version=reading.cuda_version if reading else None,
            poll_interval_seconds=interval_seconds,
            gpus=self._assessment.added_to(self._gpus, of_their_host, at),
            totals=total(self._gpus),
            system=system,
            providers=self.selected.reports,
            notices=(*reading.notices, *self._roster.notices) if reading else self.selected.notices,
            unavailable=reading.unavailable if reading else {},
        )
