"""The parent's side of the sampler: starts it, turns its readings into snapshots, and continues while it hangs or crashes.

One thread owns everything here; other threads set options and read `status`.
"""

from __future__ import annotations

import logging
import selectors
import threading
import time
from collections.abc import Callable, Sequence

import msgspec

from monitor.logs.lasting_problem import LastingProblem
from monitor.telemetry.gpu_use import IdleLimits
from monitor.telemetry.host.processes import without_commands
from monitor.telemetry.options import Options
from monitor.telemetry.sampler import wire
from monitor.telemetry.sampler.own_error import own_error
from monitor.telemetry.sampler.pending_options import PendingOptions
from monitor.telemetry.sampler.process import COMMAND, Child, how_it_ended
from monitor.telemetry.sampler.restart_schedule import LOOK_AGAIN_SECONDS, RestartSchedule
from monitor.telemetry.sampler.snapshot_builder import SnapshotBuilder
from monitor.telemetry.sampler.status import Status
from monitor.telemetry.schema import Reading, Snapshot, System

log = logging.getLogger(__name__)

START_LIMIT_SECONDS = 60.0
"""The first reading can take longer: without persistence mode, each GPU takes seconds to initialize, and several
providers can be tried."""
_NO_SOURCE = "No data source responds."
_LATE_SHARE = 0.5
"""If a reading is late by this share of the interval, a snapshot is published with the previous one."""


class Supervisor:
    """Runs from `start` to `stop` and calls `publish` with every Snapshot, in its own thread."""

    def __init__(
        self,
        options: Options,
        publish: Callable[[Snapshot], None],
        *,
        host: str,
        host_id: str | None = None,
        timeout_seconds: float = 5.0,
        system: Callable[[float], System] | None = None,
        command: Sequence[str] = COMMAND,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        look_again_seconds: float = LOOK_AGAIN_SECONDS,
        idle: Callable[[], IdleLimits] = IdleLimits,
    ) -> None:
        self._options = options
        self._publish = publish
        self._timeout = timeout_seconds
        self._system = system
        self._command = command
        self._clock, self._monotonic = clock, monotonic
        self._schedule = RestartSchedule(look_again_seconds)
        self.status = Status()
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        self._pending = PendingOptions(options)
        self._is_stopping = False

        self._child: Child | None = None
        self._messages = wire.MessageReader()
        self._is_start_wanted = False
        """The sampler was asked to exit so that one with other options replaces it."""
        self._unattached: tuple[str, ...] = ()
        self._builder = SnapshotBuilder(host, idle, host_id=host_id)
        self._heard_at = 0.0
        self._emitted_at = 0.0
        self._problem: str | None = None
        self._lasting = LastingProblem(log, monotonic=monotonic)
        self._skipped: str | None = None
        """Why the sampler has sent no reading since the last one, though it works."""

    # ── From other threads ────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Start the thread, which starts the sampler."""
        self._thread.start()

    def stop(self, seconds: float = 3.0) -> None:
        """End the sampler and the thread; returns when both have ended, or after `seconds`."""
        self._is_stopping = True
        self._pending.wake()
        self._thread.join(seconds)

    @property
    def is_running(self) -> bool:
        """Whether the thread is alive."""
        return self._thread.is_alive()

    def set_options(self, options: Options) -> None:
        """Apply other options, in the same sampler if possible. `is_watched` is set by `set_watched` only."""
        self._pending.change(lambda newest: msgspec.structs.replace(options, is_watched=newest.is_watched))

    @property
    def options(self) -> Options:
        """The options set last."""
        return self._pending.newest

    def set_watched(self, is_watched: bool) -> None:
        """Set whether there are viewers: idle GPUs can sleep only while there are none."""
        self._pending.change(lambda newest: msgspec.structs.replace(newest, is_watched=is_watched))

    def set_system(self, system: Callable[[float], System] | None) -> None:
        """Read system metrics with this function from now on; None: do not read them."""
        self._system = system

    # ── The thread ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        self._emitted_at = self._monotonic()
        self._schedule.at_once(self._emitted_at)
        with selectors.DefaultSelector() as selector:
            selector.register(self._pending, selectors.EVENT_READ)
            watched: Child | None = None
            while not self._is_stopping:
                if self._child is not watched:
                    if watched is not None:
                        selector.unregister(watched)
                        watched.release()
                    watched = self._child
                    if watched is not None:
                        selector.register(watched, selectors.EVENT_READ)
                try:
                    self._turn(selector)
                except Exception as error:  # noqa: BLE001 - `_survive` logs it
                    self._survive(error)
        self._end()
        if watched is not None:
            watched.release()  # if it ended in the last turn, nobody else does

    def _turn(self, selector: selectors.BaseSelector) -> None:
        """Wait for the next event or deadline, and deal with it."""
        wait = max(0.0, self._next_deadline() - self._monotonic())
        for key, _ in selector.select(wait):
            if key.fileobj is self._child:
                self._receive()
            elif key.fileobj is self._pending:
                self._pending.drain()
        self._apply_options()
        self._look_after_child()
        self._emit_if_due()

    def _survive(self, error: Exception) -> None:
        """Report an error of gpumon in this thread, on which every reading depends, and continue at the next interval."""
        reason = own_error(error)
        if self._problem != reason:
            log.error("%s", reason, exc_info=error)
        self._problem = reason
        self._note(problem=reason)
        self._emitted_at = self._monotonic()

    def _next_deadline(self) -> float:
        now = self._monotonic()
        if self._child is None:
            start_at = self._schedule.start_at
            return self._emit_at() if start_at is None else min(self._emit_at(), start_at)
        return min(self._emit_at(), (self._child.press(now) or now) if self._child.is_ending else self._limit())

    def _limit(self) -> float:
        """When the sampler must have sent something (monotonic)."""
        assert self._child is not None
        if self._heard_at < self._child.started_at:
            return self._child.started_at + max(START_LIMIT_SECONDS, 3 * self._timeout) + self._options.interval_seconds
        return self._heard_at + self._options.interval_seconds + self._timeout

    def _apply_options(self) -> None:
        options = self._pending.take()
        if options is None:
            return
        before, self._options = self._options, options
        # Apply a changed privacy setting to readings already held.
        self._builder.hide_commands(options.show_commands)
        same = {"interval_seconds": 0.0, "is_watched": False, "log_level": ""}  # a running sampler applies these
        if msgspec.structs.replace(before, **same) == msgspec.structs.replace(self._options, **same):
            if self._child is not None:
                self._child.order(self._options)
            return
        # Anything else, such as another provider, needs a new sampler, without waiting for the back-off.
        if self._child is None:
            self._schedule.at_once(self._monotonic())
        else:
            self._is_start_wanted = True
            self._child.ask_to_end(self._monotonic())

    # ── The child ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _receive(self) -> None:
        assert self._child is not None
        data = self._child.receive()
        if not data:
            self._child.ask_to_end(self._monotonic())
            status = self._child.wait(0.2)
            if status is not None:
                self._ended(status)
            return
        try:
            for message in self._messages.feed(data):
                self._receive_message(message)
        except wire.WireError as error:
            self._trouble(f"The sampler sent an invalid message: {error}.")
            self._child.ask_to_end(self._monotonic())

    def _receive_message(self, message: wire.Message) -> None:
        if isinstance(message, Reading):
            self._heard_at = self._monotonic()
            gpus = message.gpus
            if self._is_start_wanted:  # sent before a sampler with other options replaces this one
                gpus = without_commands(gpus, self._options.show_commands)
            self._builder.take_reading(message, gpus, self._heard_at)
            self._problem = self._skipped = None
            self._lasting.is_over("the sampler sends readings again")
            self._note(problem=None, clamped_count=message.clamped_count, readings=self.status.readings + 1)
            self._emit()
        elif isinstance(message, wire.Selected):
            if message.provider is None and self._problem != _NO_SOURCE:  # it looks again every 30 s
                self._trouble(_NO_SOURCE)
            self._builder.take_selection(message)
            if message.provider is None:
                self._emit()
        elif isinstance(message, wire.Skipped):
            self._heard_at = self._monotonic()
            self._skipped = message.reason  # the sampler logs it
            self._note(problem=message.reason)
            self._emit()
        elif isinstance(message, wire.Failed):
            self._trouble(message.reason if message.fix is None else f"{message.reason} {message.fix}")
        else:
            log.info(
                "a new sampler starts, and leaves these GPUs asleep: %s",
                ", ".join(message.unattached) or "none",
            )
            self._unattached = message.unattached

    def _look_after_child(self) -> None:
        now = self._monotonic()
        if self._child is None:
            if self._schedule.is_due(now):
                self._start_child(now)
            return
        self._child.send_rest()
        if not self._child.is_ending and now >= self._limit():
            waited = now - max(self._heard_at, self._child.started_at)
            self._trouble(f"The driver has not answered for {waited:.0f} s; a new process will call it.")
            self._child.ask_to_end(now)
        if self._child.is_ending:
            again = self._child.press(now)
            status = self._child.exit_status()
            if status is not None:
                self._ended(status)
            elif again is None:
                log.error("sampler %d waits inside the driver, cannot be killed and is left behind", self._child.pid)
                self._note(abandoned=self.status.abandoned + 1)
                self._gone(now)

    def _start_child(self, now: float) -> None:
        self._messages = wire.MessageReader()
        self._schedule.started()
        try:
            options = msgspec.structs.replace(
                self._options,
                timeout_seconds=self._timeout,
                unattached=self._unattached,
                provider_before=self._builder.selected.provider,
            )
            self._child = Child(options, started_at=now, command=self._command)
        except OSError as error:
            self._trouble(f"Cannot start the sampler: {error}.")
            self._gone(now)
            return
        self._note(sampler_pid=self._child.pid)

    def _ended(self, status: int) -> None:
        assert self._child is not None
        now = self._monotonic()
        if status != 0 and self._problem is None:
            calls_driver = self._options.provider in (None, "pynvml")
            self._trouble(f"The sampler {how_it_ended(status, calls_driver=calls_driver)}.")
        self._gone(now)

    def _gone(self, now: float) -> None:
        """Schedule the next start: at once after a long life, else with back-off; later if there is no provider."""
        child, self._child = self._child, None
        if self._is_start_wanted:
            self._is_start_wanted = False
            self._schedule.at_once(now)
        elif self._builder.has_selection and not self._builder.has_provider:
            self._schedule.look_again(now)
        else:
            lived = now - child.started_at if child else 0.0
            self._schedule.after_end(now, lived_seconds=lived, has_failed=self._problem is not None)
            self._note(restarts=self.status.restarts + 1)
        self._builder.sampler_is_gone()
        self._note(sampler_pid=None)

    def _trouble(self, problem: str) -> None:
        self._problem = problem
        self._note(problem=problem)
        self._lasting.noticed(problem)
        self._emit()

    def _note(self, **changes: object) -> None:
        self.status = msgspec.structs.replace(self.status, **changes)

    def _end(self) -> None:
        if self._child is not None:
            self._child.end(self._monotonic)
        self._pending.close()

    # ── Snapshots ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _emit_at(self) -> float:
        """When the next snapshot is published, with or without a new reading."""
        is_expecting = self._builder.has_reading and self._problem is None
        return self._emitted_at + self._options.interval_seconds * (1 + _LATE_SHARE if is_expecting else 1)

    def _emit_if_due(self) -> None:
        if self._monotonic() >= self._emit_at():
            self._emit()

    def _emit(self) -> None:
        self._emitted_at = now = self._monotonic()
        time, system = self._clock(), self._system  # read once: another thread can set it to None
        self._publish(
            self._builder.snapshot(
                time,
                now,
                stale_reason=self._stale_reason(now),
                interval_seconds=self._options.interval_seconds,
                system=system(time) if system else None,
            )
        )

    def _stale_reason(self, now: float) -> str | None:
        """Why the readings are stale; None while they are not."""
        age = self._builder.age_seconds(now)
        if age is not None:
            is_late = age > self._options.interval_seconds + self._timeout
            return self._problem or ((self._skipped or "The driver has not answered in time.") if is_late else None)
        if self._skipped is not None:
            return self._skipped
        if self._child is None or self._builder.has_selection:
            return None  # there is no reading because there is nothing to read
        waited = now - self._child.started_at
        return f"The driver has not answered for {waited:.0f} s since the start." if waited > self._timeout else None
