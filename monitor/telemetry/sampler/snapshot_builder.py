"""What the samplers have said so far, across their restarts, and the Snapshot that can be made of it at any moment."""

from __future__ import annotations

import logging

from monitor.telemetry.host.processes import without_commands
from monitor.telemetry.sampler import wire
from monitor.telemetry.sampler.roster import Roster
from monitor.telemetry.schema import Gpu, Reading, Snapshot, System
from monitor.telemetry.totals import total

log = logging.getLogger(__name__)


class Heard:
    """Used by the supervisor's thread alone. Times called `at` are on its monotonic clock."""

    def __init__(self, host: str) -> None:
        self._host = host
        self._seq = 0
        self._roster = Roster()
        self._gpus: tuple[Gpu, ...] = ()
        self._reading: Reading | None = None
        self._reading_at = 0.0
        self.selected = wire.Selected(provider=None)
        """The provider in use or, where none answers now, the last one: its name stays with its readings."""
        self.has_selection = False
        """Some sampler has tried the providers, whatever came of it."""

    @property
    def has_reading(self) -> bool:
        """There is something to show."""
        return self._reading is not None

    @property
    def has_provider(self) -> bool:
        """One of the providers was chosen when they were last tried."""
        return any(report.is_chosen for report in self.selected.reports)

    def age_seconds(self, at: float) -> float | None:
        """How old the last reading is; None before the first."""
        return None if self._reading is None else at - self._reading_at

    def take_reading(self, reading: Reading, gpus: tuple[Gpu, ...], at: float) -> None:
        """The next reading; `gpus` are its GPUs as they may be shown."""
        self._reading, self._reading_at = reading, at
        self._gpus = self._roster.update(gpus, reading.sampled_at)

    def take_selection(self, selected: wire.Selected) -> None:
        """Which provider a fresh sampler reads. What is new of it goes into the log."""
        if selected.provider is not None and selected.provider != self.selected.provider:
            self._roster.forget()
        if selected.reports != self.selected.reports:
            for report in selected.reports:
                if report.is_chosen:
                    log.info("reading GPUs by %s", report.name)
                else:
                    log.warning("%s: %s %s", report.name, report.reason, report.fix or "")
        provider = selected.provider or (self.selected.provider if self._reading else None)
        simulated = selected.is_simulated if selected.provider else self.selected.is_simulated
        self.selected = wire.Selected(provider=provider, is_simulated=simulated, reports=selected.reports)
        self.has_selection = True

    def hide_commands(self, show_commands: str) -> None:
        """Take out of what is known already what a setting has just hidden: see Options.show_commands."""
        self._gpus = without_commands(self._gpus, show_commands)

    def sampler_is_gone(self) -> None:
        """What the next one does not find was not there in between, either."""
        self._roster.restarted()

    def snapshot(
        self, time: float, at: float, *, stale_reason: str | None, interval_seconds: float, system: System | None
    ) -> Snapshot:
        """Everything as it is known now, under the next number. `time` is Unix time."""
        self._seq += 1
        reading = self._reading
        return Snapshot(
            host=self._host,
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
            gpus=self._gpus,
            totals=total(self._gpus),
            system=system,
            providers=self.selected.reports,
            notices=reading.notices if reading else (),
        )
