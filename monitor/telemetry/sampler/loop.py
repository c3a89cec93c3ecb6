"""The child process: reads one provider on a fixed time grid and writes messages, so that only it can hang or crash.

The supervisor runs it as `python -m monitor.telemetry.sampler.loop`. Its stdin carries Options as JSON, one per line; it exits
at the end of stdin. It writes messages to the descriptor that was stdout.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import msgspec

from monitor.logs.lines import lines_of
from monitor.logs.output import LineHandler, log_uncaught
from monitor.sanitize import with_plain_texts
from monitor.telemetry.diagnosis import examine, notices_of
from monitor.telemetry.host.processes import ProcessTable, without_command_secrets, without_commands
from monitor.telemetry.options import Options
from monitor.telemetry.providers.base import Provider, ProviderFailed
from monitor.telemetry.providers.selection import IN_ORDER, ON_REQUEST, select
from monitor.telemetry.sampler import wire
from monitor.telemetry.sampler.added_gpus import AddedGpus
from monitor.telemetry.sampler.gpu_sleep import IdleWatch, Sleepers, find_gpus
from monitor.telemetry.sampler.own_error import own_error
from monitor.telemetry.sampler.reading_encoder import ReadingEncoder
from monitor.telemetry.schema import ProviderReport, Reading

log = logging.getLogger(__name__)

_GRACE_SECONDS = 1.0
"""How long a call into the driver can last after the end of stdin."""
EXIT_NO_ORDERS = 2
EXIT_NO_PROVIDER = 3
EXIT_OWN_ERROR = 4
MOST_ERRORS_IN_A_ROW = 10
"""A single reading may fail because of an error in gpumon. After this many, a new process tries."""


class Orders:
    """Options from the supervisor. A thread reads them from stdin, so they arrive even while the driver hangs."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.options: Options = msgspec.json.decode(stream.readline(), type=Options)
        self.has_ended = False
        self.changed = threading.Event()
        """Set by new options and by the end of stdin; it wakes the wait for the next tick."""
        threading.Thread(target=self._listen, name="orders", daemon=True).start()

    def _listen(self) -> None:
        for line in self._stream:
            try:
                self.options = msgspec.json.decode(line, type=Options)
            except msgspec.MsgspecError as error:
                log.error("ignored invalid options on stdin: %s", error)
            self.changed.set()
        self.has_ended = True
        self.changed.set()
        time.sleep(_GRACE_SECONDS)
        os._exit(0)  # the main thread is inside the driver, and only the end of the process stops it


class Sampler:
    """Reads one provider at each tick, completes its processes with the host's facts, and adds GPUs asleep."""

    def __init__(self, provider: Provider | None, options: Options, sleepers: Sleepers) -> None:
        self._provider = provider
        self._show_commands = options.show_commands
        self._sleepers = sleepers
        is_real = provider is not None and not provider.is_simulated
        self._processes = _process_table(options) if is_real else None
        self._idle = IdleWatch(sleepers.sleepable if is_real else ())
        self._added = AddedGpus(Path(options.root))

    def tick(self, now: float, *, is_watched: bool, at: float | None = None) -> Reading | wire.StartOver:
        """One reading, or the reason to restart this process: GPUs that can sleep, or wake, or were added. Raises ProviderFailed.

        `now` is Unix time. `at` is of the monotonic clock by which the sampler waits: Unix time can be set.
        """
        at = now if at is None else at
        alone = self._sleepers.left_alone
        if alone and (woken := self._sleepers.woken(at, is_watched=is_watched)):
            return wire.StartOver(unattached=tuple(pci for pci in alone if pci not in woken))
        if self._provider is None:
            return Reading(sampled_at=now, gpus=self._sleepers.as_gpus(now))
        reading = self._provider.read(now)
        gpus = without_command_secrets(reading.gpus)
        if self._processes is None:
            return msgspec.structs.replace(reading, gpus=without_commands(gpus, self._show_commands))
        reading = with_plain_texts(msgspec.structs.replace(reading, gpus=gpus))
        gpus = self._processes.describe(reading.gpus, at)
        if idle := self._idle.to_release(gpus, at, is_watched=is_watched):
            return wire.StartOver(unattached=(*alone, *idle))
        notices = self._processes.notices()
        if alone:
            gpus = tuple(sorted((*gpus, *self._sleepers.as_gpus(now)), key=lambda gpu: gpu.index))
        if self._added.are_missing(gpus, at):
            return wire.StartOver(unattached=alone)
        return msgspec.structs.replace(reading, gpus=gpus, notices=(*reading.notices, *notices))


def _process_table(options: Options) -> ProcessTable:
    return ProcessTable(
        options.root,
        options.show_commands,
        container_socket=options.container_socket,
        job_mapping_dir=options.job_mapping_dir,
    )


def start(options: Options, write: Callable[[wire.Message], None]) -> tuple[Provider | None, Sampler | None]:
    """Select a provider and report it; if every GPU sleeps, none is opened. No sampler if nothing can be read."""
    is_on_request = options.provider in ON_REQUEST
    gpus = () if is_on_request else find_gpus(Path(options.root))
    sleepers = Sleepers(gpus, options.let_gpus_sleep, options.unattached, time.monotonic())
    if sleepers.are_all:
        name = options.provider or options.provider_before or IN_ORDER[0]
        report = ProviderReport(name=name, is_chosen=True, reason="Every GPU is asleep, so the driver is not queried.")
        write(wire.Selected(provider=name, reports=(report,)))
        return None, Sampler(None, options, sleepers)
    selection = select(msgspec.structs.replace(options, unattached=sleepers.left_alone))
    provider = selection.provider
    write(
        wire.Selected(
            provider=provider.name if provider else None,
            is_simulated=provider.is_simulated if provider else False,
            reports=selection.reports,
            notices=() if provider else notices_of(examine(Path(options.root))),
        )
    )
    return provider, Sampler(provider, options, sleepers) if provider else None


class Ticks:
    """The bytes of each tick's message. An error in gpumon costs one reading, not the sampler."""

    def __init__(self, sampler: Sampler) -> None:
        self._sampler = sampler
        self._encoder = ReadingEncoder()
        self._errors_in_a_row = 0
        self.is_last = False
        """The process ends after the last message."""

    def message(self, now: float, *, is_watched: bool, at: float | None = None) -> bytes:
        """See Sampler.tick. Raises ProviderFailed, and after MOST_ERRORS_IN_A_ROW the error itself."""
        try:
            message = self._sampler.tick(now, is_watched=is_watched, at=at)
            self.is_last = isinstance(message, wire.StartOver)
            data = self._encoder.encode(message) if isinstance(message, Reading) else wire.encode(message)
        except ProviderFailed:
            raise
        except Exception as error:
            self._errors_in_a_row += 1
            if self._errors_in_a_row >= MOST_ERRORS_IN_A_ROW:
                raise
            if self._errors_in_a_row == 1:
                log.exception("a reading is skipped")
            return wire.encode(wire.Skipped(reason=own_error(error)))
        self._errors_in_a_row = 0
        return data


def run(orders: Orders, out: BinaryIO) -> int:
    """Write readings until stdin ends. Returns the exit status."""

    def send(data: bytes) -> None:
        out.write(data)
        out.flush()

    def write(message: wire.Message) -> None:
        send(wire.encode(message))

    options = orders.options
    for handler in logging.getLogger().handlers:
        handler.setFormatter(lines_of(options.log_format, part="sampler"))
    logging.getLogger().setLevel(options.log_level)
    provider, sampler = start(options, write)
    if sampler is None:
        return EXIT_NO_PROVIDER
    ticks = Ticks(sampler)
    try:
        due = time.monotonic()
        while not orders.has_ended:
            if orders.options is not options:
                before, options = options, orders.options
                logging.getLogger().setLevel(options.log_level)
                if before.interval_seconds != options.interval_seconds:
                    if provider is not None and provider.streams_at_interval:
                        return 0  # its interval is fixed when it is opened: the next process opens it
                    due = time.monotonic()
            if (rest := due - time.monotonic()) > 0:
                orders.changed.wait(rest)
                orders.changed.clear()
                continue
            send(ticks.message(time.time(), is_watched=options.is_watched, at=time.monotonic()))
            if ticks.is_last:
                return 0
            due = next_due(due, options.interval_seconds, time.monotonic())
    except ProviderFailed as failure:
        log.warning("%s", failure)
        write(wire.Failed(reason=failure.reason, fix=failure.fix))
        return 1
    finally:
        if provider is not None:
            provider.close()
    return 0


def next_due(due: float, interval: float, now: float) -> float:
    """The next point of the time grid of `due`: no drift, and missed ticks are skipped, not queued."""
    late = max(0.0, now - due)
    return due + interval * (int(late / interval) + 1)


def main() -> int:
    """Set up the process: it exits with its parent, and no library can print between the messages."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C in the terminal is for the server
    handler = LineHandler()
    handler.setFormatter(lines_of("text", part="sampler"))
    logging.basicConfig(handlers=[handler])
    log_uncaught()
    messages = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    try:
        orders = Orders(sys.stdin.buffer)
    except msgspec.MsgspecError as error:
        log.error("no options on stdin: %s", error)  # the server has exited, or a person started this process
        return EXIT_NO_ORDERS
    try:
        return run(orders, messages)
    except BrokenPipeError:
        return 0  # the server is gone
    except Exception as error:
        log.critical("ended by an error", exc_info=error)
        with contextlib.suppress(OSError):  # the server is gone as well
            messages.write(wire.encode(wire.Failed(reason=own_error(error))))
            messages.flush()
        return EXIT_OWN_ERROR


if __name__ == "__main__":
    # Do not wait for daemon threads: they can be inside the driver, or hold stdin, which makes Python abort.
    status = main()
    sys.stderr.flush()
    os._exit(status)
