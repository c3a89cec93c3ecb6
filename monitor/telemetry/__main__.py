"""`python -m monitor.telemetry`: prints snapshots as JSON and makes recordings, without Django."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import queue
import signal
import socket
import sys
import time
from pathlib import Path

from monitor import interpreter

interpreter.prefer_own_packages()

import msgspec

from monitor.telemetry import recording
from monitor.telemetry.host.system import SystemMetrics
from monitor.telemetry.options import Options
from monitor.telemetry.providers.selection import NAMES
from monitor.telemetry.sampler.supervisor import START_LIMIT_SECONDS, Supervisor
from monitor.telemetry.schema import Reading, Snapshot

PROGRAM = "python -m monitor.telemetry"
NO_READING = 1
NOT_WRITTEN = 2


def arguments(given: list[str] | None = None, *, program: str = PROGRAM) -> argparse.Namespace:
    """The parsed command line. Exits with status 2 and the usage if it is invalid."""
    parser = argparse.ArgumentParser(prog=program, description="Print a snapshot of this host's GPUs as JSON.")
    parser.add_argument("--stream", action="store_true", help="print one snapshot per line until Ctrl-C")
    parser.add_argument(
        "--provider", type=lambda name: name.replace("-", "_"), choices=NAMES, help="use only this provider"
    )
    parser.add_argument(
        "--interval",
        type=_interval,
        default=1.0,
        metavar="SECONDS",
        help="time between readings, 0.1 to 60 (default 1)",
    )
    parser.add_argument("--count", type=_count, metavar="N", help="with --stream: end after N snapshots")
    parser.add_argument(
        "--record",
        type=Path,
        metavar="FILE",
        help="also write a recording, for the provider `replay`; compressed if FILE ends in .gz",
    )
    parser.add_argument("--replay-file", type=Path, metavar="FILE", help="play this recording")
    parser.add_argument(
        "--replay-speed",
        type=_speed,
        default=1.0,
        metavar="X",
        help="2 is twice as fast, 0 a reading at each tick (up to 1000, default 1)",
    )
    parser.add_argument(
        "--simulated-gpus",
        type=_gpus,
        default=8,
        metavar="N",
        help="number of GPUs that `simulated` simulates, 1 to 256 (default 8)",
    )
    parser.add_argument("--log-level", default="WARNING", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    args = parser.parse_args(given)
    if args.count is not None and not args.stream:
        parser.error("--count requires --stream: without it, one snapshot is printed")
    if args.replay_file is not None:
        if args.provider not in (None, "replay"):
            parser.error(f"--replay-file requires the provider replay, not {args.provider}")
        args.provider = "replay"
    return args


def _number(text: str, least: float, most: float) -> float:
    with contextlib.suppress(ValueError):
        if least <= float(text) <= most:
            return float(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a number from {least:g} to {most:g}")


def _interval(text: str) -> float:
    return _number(text, 0.1, 60)


def _speed(text: str) -> float:
    return _number(text, 0, 1000)


def _whole(text: str, most: int) -> int:
    with contextlib.suppress(ValueError):
        if 1 <= int(text) <= most:
            return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 to {most}")


def _gpus(text: str) -> int:
    return _whole(text, 256)


def _count(text: str) -> int:
    return _whole(text, 1_000_000_000)


def is_settled(snapshot: Snapshot) -> bool:
    """Whether it contains a reading, or the reasons why there is none."""
    return snapshot.sampled_at is not None or (bool(snapshot.providers) and snapshot.provider is None)


def run(options: Options, args: argparse.Namespace) -> int:
    """Print snapshots. Returns the exit status."""
    snapshots: queue.SimpleQueue[Snapshot] = queue.SimpleQueue()
    supervisor = Supervisor(options, snapshots.put, host=socket.gethostname(), system=SystemMetrics().read)
    writer: recording.Writer | None = None
    printed, seen = 0, None
    give_up_at = time.monotonic() + START_LIMIT_SECONDS + 5
    try:
        supervisor.start()
        while True:
            try:
                snapshot = snapshots.get(timeout=max(0.0, give_up_at - time.monotonic()) if printed == 0 else None)
            except queue.Empty:
                print(f"No reading: {supervisor.status.problem or 'the driver is not responding'}", file=sys.stderr)
                return NO_READING
            if not is_settled(snapshot):
                continue
            if args.record and snapshot.provider and not snapshot.stale and snapshot.sampled_at not in (None, seen):
                seen = snapshot.sampled_at
                writer = writer or recording.Writer(
                    recording.create(args.record), host=snapshot.host, provider=snapshot.provider
                )
                writer.write(_reading(snapshot))
            sys.stdout.buffer.write(msgspec.json.encode(snapshot) + b"\n")
            sys.stdout.buffer.flush()
            printed += 1
            if snapshot.provider is None and not args.stream:
                return NO_READING  # the log has said why, and so does the snapshot
            if not args.stream or printed == args.count:
                return 0
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:  # as in `… --stream | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python reports it again when it exits
        return 0
    except OSError as error:
        print(f"Cannot write {error.filename or args.record or 'the output'}: {error.strerror}.", file=sys.stderr)
        return NOT_WRITTEN
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)  # a second Ctrl-C must not leave the sampler running
        supervisor.stop()
        if writer is not None:
            writer.close()


def _reading(snapshot: Snapshot) -> Reading:
    assert snapshot.sampled_at is not None
    return Reading(
        sampled_at=snapshot.sampled_at,
        gpus=snapshot.gpus,
        driver_version=snapshot.driver_version,
        cuda_version=snapshot.cuda_version,
        unavailable=snapshot.unavailable,
        notices=snapshot.notices,
    )


def main(given: list[str] | None = None, *, program: str = PROGRAM) -> int:
    """The command. `given` replaces the command line; `program` is its name in the usage."""
    interpreter.open_streams()
    args = arguments(given, program=program)
    logging.basicConfig(level=args.log_level, format="%(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = Options(
        interval_seconds=args.interval,
        provider=args.provider,
        simulated_gpus=args.simulated_gpus,
        replay_file=str(args.replay_file) if args.replay_file else None,
        replay_speed=args.replay_speed,
        log_level=args.log_level,
        is_watched=True,
    )
    return run(options, args)


if __name__ == "__main__":
    sys.exit(main())
