"""The child process: asks one provider on a fixed grid of time and writes frames, so that only it can hang or crash.

Run as `python -m monitor.telemetry.sampler` by the supervisor. Its stdin carries Options as JSON, one a line; the end
of stdin ends it. Frames leave on the descriptor that was stdout.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from typing import BinaryIO

import msgspec

from monitor.telemetry import wire
from monitor.telemetry.processes import ProcessTable
from monitor.telemetry.providers import make, select
from monitor.telemetry.providers.base import Options, Provider, ProviderFailed, ProviderUnavailable
from monitor.telemetry.schema import Reading
from monitor.telemetry.sleep import IdleWatch, find_gpus

log = logging.getLogger(__name__)

_GRACE_SECONDS = 1.0
"""How long a call into the driver may go on after the end was asked for."""
EXIT_NO_PROVIDER = 3


class Orders:
    """The supervisor's orders: a thread reads them from stdin, so they arrive while the driver hangs."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.options: Options = msgspec.json.decode(stream.readline(), type=Options)
        self.has_ended = False
        self.changed = threading.Event()
        """Set with new options and with the end: whoever waits for the next tick wakes."""
        threading.Thread(target=self._listen, name="orders", daemon=True).start()

    def _listen(self) -> None:
        for line in self._stream:
            self.options = msgspec.json.decode(line, type=Options)
            self.changed.set()
        self.has_ended = True
        self.changed.set()
        time.sleep(_GRACE_SECONDS)
        os._exit(0)  # the main thread is inside the driver: nothing but the process' end gets it out


class Sampler:
    """One provider, asked tick by tick, its processes completed by what the host knows of them."""

    def __init__(self, provider: Provider, options: Options) -> None:
        self._provider = provider
        self._processes = None if provider.is_simulated else ProcessTable(show_commands=options.show_commands)
        self._idle = None if provider.is_simulated else IdleWatch(options.let_gpus_sleep)
        self._root = options.root

    def tick(self, options: Options, now: float) -> Reading | wire.LetGo:
        """One reading, or the wish to end so that idle GPUs can sleep. Raises ProviderFailed."""
        reading = self._provider.read(now)
        if self._processes is not None:
            gpus = self._processes.describe(reading.gpus, now)
            notices = (*reading.notices, *self._processes.notices())
            reading = msgspec.structs.replace(reading, gpus=gpus, notices=notices)
        return reading


def run(orders: Orders, out: BinaryIO) -> int:
    """Select a provider and write its readings until told to end. Returns the exit status."""

    def write(frame: wire.Frame) -> None:
        out.write(wire.encode(frame))
        out.flush()

    options = orders.options
    selection = select(options)
    provider = selection.provider
    write(
        wire.Selected(
            provider=provider.name if provider else None,
            is_simulated=provider.is_simulated if provider else False,
            reports=selection.reports,
        )
    )
    if provider is None:
        return EXIT_NO_PROVIDER
    try:
        sampler = Sampler(provider, options)
        due = time.monotonic()
        while not orders.has_ended:
            if orders.options is not options:
                before, options = options, orders.options
                if before.interval_seconds != options.interval_seconds:
                    due = time.monotonic()
                    if provider.streams_at_interval:
                        provider.close()
                        provider = make(provider.name, options)
                        provider.open()
                        sampler = Sampler(provider, options)
            if (rest := due - time.monotonic()) > 0:
                orders.changed.wait(rest)
                orders.changed.clear()
                continue
            frame = sampler.tick(options, time.time())
            write(frame)
            if isinstance(frame, wire.LetGo):
                return 0
            due = next_due(due, options.interval_seconds, time.monotonic())
    except (ProviderFailed, ProviderUnavailable) as failure:
        log.warning("%s: %s", provider.name, failure)
        write(wire.Failed(reason=failure.reason, fix=failure.fix))
        return 1
    finally:
        provider.close()
    return 0


def next_due(due: float, interval: float, now: float) -> float:
    """The next point of the grid that `due` lies on: no drift, and ticks that were missed are skipped, not queued."""
    late = max(0.0, now - due)
    return due + interval * (int(late / interval) + 1)


def main() -> int:
    """Set up the process: ends with its parent, lets no library print among the frames."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is the server's to hear
    logging.basicConfig(level=os.environ.get("GPU_MONITOR_LOG_LEVEL", "INFO").upper(), stream=sys.stderr,
                        format="%(levelname)s sampler %(name)s: %(message)s")  # fmt: skip
    frames = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        return run(Orders(sys.stdin.buffer), frames)
    except BrokenPipeError:
        return 0  # the server is gone


if __name__ == "__main__":
    # Daemon threads may be inside the driver: leave without waiting for them.
    status = main()
    sys.stderr.flush()
    os._exit(status)
