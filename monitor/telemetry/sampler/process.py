"""The sampler's process as its parent sees it: starts it, sends it options, asks it to exit, and kills it if it does not."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
from collections.abc import Callable, Sequence

import msgspec

from monitor.telemetry.options import Options
from monitor.telemetry.subprocesses import command_of, environment

log = logging.getLogger(__name__)

COMMAND: Sequence[str] = command_of("monitor.telemetry.sampler.loop")
TERM_AFTER_SECONDS = 1.3
"""The sampler exits by itself 1 s after the end of stdin, even inside the driver."""
KILL_AFTER_SECONDS = 1.8
ABANDON_AFTER_SECONDS = 2.6
"""A process in uninterruptible sleep survives SIGKILL until the driver returns; it is left behind."""


class Child:
    """One sampler process. Used only by the supervisor's thread."""

    def __init__(self, options: Options, *, started_at: float, command: Sequence[str] = COMMAND) -> None:
        """Start it. `started_at` is monotonic. Raises OSError."""
        self.started_at = started_at
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            bufsize=0,
            env=environment(),
            # A session of its own: signals reach it and the programs it starts together, and Ctrl-C does not.
            start_new_session=True,
        )
        self._ending_since: float | None = None
        self._sent: list[signal.Signals] = []
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        self._line = b""
        """What is left of the line being written."""
        self._next_line = b""
        self.order(options)

    @property
    def pid(self) -> int:
        """Its PID, which is also its process group."""
        return self._process.pid

    @property
    def is_ending(self) -> bool:
        """Whether it was asked to exit."""
        return self._ending_since is not None

    def fileno(self) -> int:
        """The pipe of its messages, for a selector."""
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    def receive(self) -> bytes:
        """What it has written; empty once it has closed the pipe."""
        return os.read(self.fileno(), 1 << 18)

    def order(self, options: Options) -> None:
        """Send new options. If it was asked to exit they are dropped: the next one starts with them.

        A sampler that does not read (stopped by a signal) is not waited for. Of options that it has not read, only the newest are
        sent once it does: `send_rest`.
        """
        self._next_line = msgspec.json.encode(options) + b"\n"
        self.send_rest()

    def send_rest(self) -> None:
        """Send what could not be sent before, as far as it can be sent now."""
        if self.is_ending:
            return
        assert self._process.stdin is not None
        try:
            while self._line or self._next_line:
                if not self._line:
                    self._line, self._next_line = self._next_line, b""
                sent = self._process.stdin.write(self._line)
                if not sent:
                    return  # the pipe is full
                self._line = self._line[sent:]
        except BrokenPipeError:
            log.debug("sampler %d ended before it received its options", self.pid)  # its end is handled when seen

    def ask_to_end(self, at: float) -> None:
        """Close its stdin: it exits by itself, between two calls into the driver if it can."""
        if self._ending_since is None:
            self._ending_since = at
            assert self._process.stdin is not None
            self._process.stdin.close()

    def press(self, at: float) -> float | None:
        """Escalate: SIGTERM, then SIGKILL, each once. Returns when to call this again; None after the last step."""
        if self._ending_since is None:
            return None
        since = at - self._ending_since
        if since < TERM_AFTER_SECONDS:
            return self._ending_since + TERM_AFTER_SECONDS
        self._send(signal.SIGTERM)
        if since < KILL_AFTER_SECONDS:
            return self._ending_since + KILL_AFTER_SECONDS
        self._send(signal.SIGKILL)
        if since < ABANDON_AFTER_SECONDS:
            return self._ending_since + ABANDON_AFTER_SECONDS
        return None

    def end(self, monotonic: Callable[[], float]) -> None:
        """Ask it to exit, wait until it has, and release it; after ABANDON_AFTER_SECONDS it is left behind."""
        self.ask_to_end(monotonic())
        while self.exit_status() is None and (again := self.press(monotonic())) is not None:
            self.wait(max(0.01, again - monotonic()))
        self.release()

    def exit_status(self) -> int | None:
        """Its exit status, negative for a signal; None while it lives."""
        return self._process.poll()

    def wait(self, seconds: float) -> int | None:
        """Its exit status; waits for it at most `seconds`."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def release(self) -> None:
        """Close our ends of the pipes. The programs it started end with it, see providers/stream.py."""
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def _send(self, what: signal.Signals) -> None:
        if what not in self._sent:
            self._sent.append(what)
            log.warning("sampler %d did not exit by itself: sending %s", self.pid, what.name)
            try:
                os.killpg(self.pid, what)
            except ProcessLookupError:
                return  # it has just exited


def how_it_ended(status: int, *, calls_driver: bool = True) -> str:
    """A description of an exit status. `calls_driver`: the driver's library runs in the process, and can crash it."""
    if status >= 0:
        return f"ended with exit status {status}"
    number = -status
    name = signal.Signals(number).name if number in signal.Signals.__members__.values() else f"signal {number}"
    return f"was ended by {name}" + (
        " (a crash inside the driver's library)" if number in _CRASHES and calls_driver else ""
    )


_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGILL, signal.SIGFPE, signal.SIGABRT}
