"""The parent's side of the sampler: starts it, turns its readings into snapshots, and goes on while it hangs or crashes.

One thread owns everything here; other threads leave orders for it and read `status`.
"""

from __future__ import annotations

import logging
import os
import selectors
import threading
import time
from collections.abc import Callable, Sequence

import msgspec

from monitor.telemetry.host.processes import without_commands
from monitor.telemetry.options import Options
from monitor.telemetry.sampler import wire
from monitor.telemetry.sampler.process import COMMAND, Child, how_it_ended
from monitor.telemetry.sampler.snapshot_builder import Heard
from monitor.telemetry.schema import Reading, Snapshot, System

log = logging.getLogger(__name__)

LOOK_AGAIN_SECONDS = 30.0
"""After no provider was found, they are tried again so often: a driver installed later just appears."""
LONGEST_BACK_OFF_SECONDS = 30.0
HEALTHY_AFTER_SECONDS = 60.0
"""A sampler that lived so long starts the back-off over."""
START_LIMIT_SECONDS = 20.0
"""A first reading may take longer than later ones: initializing eight GPUs without persistence mode takes seconds."""
_LATE_SHARE = 0.5
"""A reading late by this share of the interval is not waited for: a snapshot goes out with the last one."""


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """How the readings come about, for health and doctor."""

    sampler_pid: int | None = None
    restarts: int = 0
    abandoned: int = 0
    """Samplers in uninterruptible sleep that could not even be killed."""
    problem: str | None = None
    """Why there are no fresh readings; None while all is well."""
    clamped_count: int = 0


class Supervisor:
    """Runs from `start` to `stop` and hands every Snapshot to `publish`, in its own thread."""

    def __init__(
        self,
        options: Options,
        publish: Callable[[Snapshot], None],
        *,
        host: str,
        timeout_seconds: float = 5.0,
        system: Callable[[float], System] | None = None,
        command: Sequence[str] = COMMAND,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        look_again_seconds: float = LOOK_AGAIN_SECONDS,
    ) -> None:
        self._options = options
        self._publish = publish
        self._timeout = timeout_seconds
        self._system = system
        self._command = command
        self._clock, self._monotonic = clock, monotonic
        self._look_again = look_again_seconds
        self.status = Status()
        self._thread = threading.Thread(target=self._run, name="telemetry", daemon=True)
        self._wake_reader, self._wake_writer = os.pipe()
        os.set_blocking(self._wake_writer, False)
        self._orders: list[Options] = []
        self._orders_lock = threading.Lock()
        self._is_stopping = False
        self._has_ended = False

        self._child: Child | None = None
        self._frames = wire.FrameReader()
        self._start_at: float | None = None
        self._failures = 0
        self._is_start_wanted = False
        """The sampler was asked to end so that one with other options takes its place."""
        self._unattached: tuple[str, ...] = ()
        self._heard = Heard(host)
        self._heard_at = 0.0
        self._emitted_at = 0.0
        self._problem: str | None = None

    # ── From other threads ────────────────────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Start the thread, and with it the sampler."""
        self._thread.start()

    def stop(self, seconds: float = 3.0) -> None:
        """End the sampler and the thread; returns when both are gone or the time is up."""
        self._is_stopping = True
        self._wake()
        self._thread.join(seconds)

    def set_options(self, options: Options) -> None:
        """Apply other options, without another sampler where the provider can. That somebody looks is `set_watched`'s to say."""
        self._order(lambda given: msgspec.structs.replace(options, is_watched=given.is_watched))

    @property
    def options(self) -> Options:
        """The options in force."""
        with self._orders_lock:
            return self._orders[-1] if self._orders else self._options

    def set_watched(self, is_watched: bool) -> None:
        """Say whether somebody looks: an idle GPU may sleep only while nobody does."""
        self._order(lambda given: msgspec.structs.replace(given, is_watched=is_watched))

    def set_system(self, system: Callable[[float], System] | None) -> None:
        """Read the host's own metrics from now on by this, or with None no more."""
        self._system = system

    def _order(self, change: Callable[[Options], Options]) -> None:
        with self._orders_lock:
            self._orders.append(change(self._orders[-1] if self._orders else self._options))
        self._wake()

    def _wake(self) -> None:
        with self._orders_lock:
            if self._has_ended:
                return
            try:
                os.write(self._wake_writer, b".")
            except BlockingIOError:
                return  # the pipe is full of wakes already

    # ── The thread ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        self._start_at = self._emitted_at = self._monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_reader, selectors.EVENT_READ)
            watched: Child | None = None
            while not self._is_stopping:
                if self._child is not watched:
                    if watched is not None:
                        selector.unregister(watched)
                        watched.release()
                    watched = self._child
                    if watched is not None:
                        selector.register(watched, selectors.EVENT_READ)
                wait = max(0.0, self._next_deadline() - self._monotonic())
                for key, _ in selector.select(wait):
                    if key.fileobj is self._child:
                        self._receive()
                    elif key.fd == self._wake_reader:
                        os.read(self._wake_reader, 4096)
                self._obey()
                self._look_after_child()
                self._emit_if_due()
        self._end()

    def _next_deadline(self) -> float:
        now = self._monotonic()
        deadlines = [self._emit_at()]
        if self._child is None:
            deadlines.append(self._start_at if self._start_at is not None else now + self._look_again)
        elif self._child.is_ending:
            deadlines.append(self._child.press(now) or now)
        else:
            deadlines.append(self._limit())
        return min(deadlines)

    def _limit(self) -> float:
        """When the sampler should have been heard at the latest (monotonic)."""
        assert self._child is not None
        if self._heard_at < self._child.started_at:
            return self._child.started_at + max(START_LIMIT_SECONDS, self._timeout)
        return self._heard_at + self._options.interval_seconds + self._timeout

    def _obey(self) -> None:
        with self._orders_lock:
            orders, self._orders = self._orders, []
            if orders:
                before, self._options = self._options, orders[-1]
        if not orders:
            return
        # What was read before must not show for longer what a setting has just hidden.
        self._heard.hide_commands(self._options.show_commands)
        apart = {"interval_seconds": 0.0, "is_watched": False, "log_level": ""}
        if msgspec.structs.replace(before, **apart) == msgspec.structs.replace(self._options, **apart):
            if self._child is not None:
                self._child.order(self._options)
            return
        # Another provider, another file: only a fresh sampler takes that up, and whoever asked for it waits for no back-off.
        self._failures = 0
        if self._child is None:
            self._start_at = self._monotonic()
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
            for frame in self._frames.feed(data):
                self._hear(frame)
        except wire.WireError as error:
            self._trouble(f"The sampler wrote something that is no reading: {error}.")
            self._child.ask_to_end(self._monotonic())

    def _hear(self, frame: wire.Frame) -> None:
        if isinstance(frame, Reading):
            self._heard_at = self._monotonic()
            gpus = frame.gpus
            if self._is_start_wanted:  # what a sampler of other options had still under way
                gpus = without_commands(gpus, self._options.show_commands)
            self._heard.take_reading(frame, gpus, self._heard_at)
            self._problem = None
            self._note(problem=None, clamped_count=frame.clamped_count)
            self._emit()
        elif isinstance(frame, wire.Selected):
            if frame.provider is None:
                self._trouble("No provider answers.")
            self._heard.take_selection(frame)
            if frame.provider is None:
                self._emit()
        elif isinstance(frame, wire.Failed):
            self._trouble(frame.reason if frame.fix is None else f"{frame.reason} {frame.fix}")
        else:
            log.info("a fresh sampler leaves these GPUs to sleep: %s", ", ".join(frame.unattached) or "none")
            self._unattached = frame.unattached

    def _look_after_child(self) -> None:
        now = self._monotonic()
        if self._child is None:
            if self._start_at is not None and now >= self._start_at:
                self._start_child(now)
            return
        if not self._child.is_ending and now >= self._limit():
            waited = now - max(self._heard_at, self._child.started_at)
            self._trouble(f"The driver has not answered for {waited:.0f} s; a fresh process will ask it.")
            self._child.ask_to_end(now)
        if self._child.is_ending:
            again = self._child.press(now)
            status = self._child.exit_status()
            if status is not None:
                self._ended(status)
            elif again is None:
                log.error("sampler %d cannot be killed: it waits inside the driver and is left behind", self._child.pid)
                self._note(abandoned=self.status.abandoned + 1)
                self._gone(now)

    def _start_child(self, now: float) -> None:
        self._frames = wire.FrameReader()
        self._start_at = None
        try:
            before = {"unattached": self._unattached, "provider_before": self._heard.selected.provider}
            options = msgspec.structs.replace(self._options, **before)
            self._child = Child(options, started_at=now, command=self._command)
        except OSError as error:
            self._trouble(f"The sampler could not be started: {error}.")
            self._gone(now)
            return
        self._note(sampler_pid=self._child.pid)

    def _ended(self, status: int) -> None:
        assert self._child is not None
        now = self._monotonic()
        if status != 0 and self._problem is None:
            self._trouble(f"The sampler {how_it_ended(status)}.")
        self._gone(now)

    def _gone(self, now: float) -> None:
        """Plan the next start: at once after a good life, else with back-off; later where there is no provider."""
        child, self._child = self._child, None
        lived = now - child.started_at if child else 0.0
        if lived >= HEALTHY_AFTER_SECONDS:
            self._failures = 0
        if self._is_start_wanted:
            self._is_start_wanted = False
            delay = 0.0
        elif self._heard.has_selection and not self._heard.has_provider:
            delay = self._look_again
        else:
            delay = min(LONGEST_BACK_OFF_SECONDS, 2.0 ** (self._failures - 1)) if self._failures else 0.0
            self._failures += self._problem is not None
            self._note(restarts=self.status.restarts + 1)
        self._start_at = now + delay
        self._heard.sampler_is_gone()
        self._note(sampler_pid=None)

    def _trouble(self, problem: str) -> None:
        self._problem = problem
        self._note(problem=problem)
        log.warning("%s", problem)
        self._emit()

    def _note(self, **changes: object) -> None:
        self.status = msgspec.structs.replace(self.status, **changes)

    def _end(self) -> None:
        if self._child is not None:
            self._child.ask_to_end(self._monotonic())
            while self._child.exit_status() is None:
                again = self._child.press(self._monotonic())
                if again is None:
                    break
                self._child.wait(max(0.01, again - self._monotonic()))
            self._child.release()
        with self._orders_lock:
            self._has_ended = True
            os.close(self._wake_reader)
            os.close(self._wake_writer)

    # ── Snapshots ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def _emit_at(self) -> float:
        """When the next snapshot goes out, reading or not."""
        is_expecting = self._heard.has_reading and self._problem is None
        return self._emitted_at + self._options.interval_seconds * (1 + _LATE_SHARE if is_expecting else 1)

    def _emit_if_due(self) -> None:
        if self._monotonic() >= self._emit_at():
            self._emit()

    def _emit(self) -> None:
        self._emitted_at = now = self._monotonic()
        time, system = self._clock(), self._system  # once: another thread may switch the host's metrics off
        self._publish(
            self._heard.snapshot(
                time,
                now,
                stale_reason=self._stale_reason(now),
                interval_seconds=self._options.interval_seconds,
                system=system(time) if system else None,
            )
        )

    def _stale_reason(self, now: float) -> str | None:
        """Why the readings are older than they should be, None while they are not."""
        age = self._heard.age_seconds(now)
        if age is not None:
            is_late = age > self._options.interval_seconds + self._timeout
            return self._problem or ("The driver has not answered in time." if is_late else None)
        if self._child is None or self._heard.has_selection:
            return None  # nothing was read yet because there is nothing to read
        waited = now - self._child.started_at
        return f"The driver has not answered for {waited:.0f} s since the start." if waited > self._timeout else None
