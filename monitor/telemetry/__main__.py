"""`python -m monitor.telemetry`: one snapshot as JSON, or one a line; recordings; without Django."""

from __future__ import annotations

import argparse
import logging
import queue
import signal
import socket
import sys
import time
from pathlib import Path

import msgspec

from monitor.telemetry import recording
from monitor.telemetry.providers import NAMES
from monitor.telemetry.providers.base import Options
from monitor.telemetry.schema import Reading, Snapshot
from monitor.telemetry.supervisor import START_LIMIT_SECONDS, Supervisor
from monitor.telemetry.system import SystemMetrics

NO_READING = 1


def arguments(given: list[str] | None = None) -> argparse.Namespace:
    """The command line. Exits with status 2 and the usage on what is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m monitor.telemetry", description="Print a snapshot of this host's GPUs as JSON."
    )
    parser.add_argument("--stream", action="store_true", help="go on: a snapshot a line, until Ctrl-C")
    parser.add_argument("--provider", choices=NAMES, help="use this one only")
    parser.add_argument(
        "--interval",
        type=_interval,
        default=1.0,
        metavar="SECONDS",
        help="time between readings, 0.1 to 60 (default 1)",
    )
    parser.add_argument("--count", type=_count, metavar="N", help="with --stream: end after N snapshots")
    parser.add_argument("--record", type=Path, metavar="FILE", help="also write a recording, for the provider `replay`")
    parser.add_argument("--replay-file", type=Path, metavar="FILE", help="the recording that `replay` plays")
    parser.add_argument(
        "--replay-speed", type=float, default=1.0, metavar="X", help="2 is twice the pace, 0 a reading at each tick"
    )
    parser.add_argument(
        "--simulated-gpus", type=_count, default=8, metavar="N", help="how many `simulated` invents (default 8)"
    )
    parser.add_argument("--log-level", default="WARNING", choices=("DEBUG", "INFO", "WARNING", "ERROR"))
    return parser.parse_args(given)


def _interval(text: str) -> float:
    seconds = float(text)
    if not 0.1 <= seconds <= 60:
        raise argparse.ArgumentTypeError(f"{text} is not between 0.1 and 60")
    return seconds


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return number


def is_settled(snapshot: Snapshot) -> bool:
    """It holds a reading, or the reasons why there is none."""
    return snapshot.sampled_at is not None or (bool(snapshot.providers) and snapshot.provider is None)


def run(options: Options, args: argparse.Namespace) -> int:
    """Print until told to end. Returns the exit status."""
    snapshots: queue.SimpleQueue[Snapshot] = queue.SimpleQueue()
    supervisor = Supervisor(options, snapshots.put, host=socket.gethostname(), system=SystemMetrics().read)
    supervisor.start()
    writer: recording.Writer | None = None
    printed, seen = 0, None
    give_up_at = time.monotonic() + START_LIMIT_SECONDS + 5
    try:
        while True:
            try:
                snapshot = snapshots.get(timeout=max(0.0, give_up_at - time.monotonic()) if printed == 0 else None)
            except queue.Empty:
                print(f"No reading: {supervisor.status.problem or 'the driver does not answer'}", file=sys.stderr)
                return NO_READING
            if not is_settled(snapshot):
                continue
            if args.record and snapshot.provider and not snapshot.stale and snapshot.sampled_at not in (None, seen):
                seen = snapshot.sampled_at
                writer = writer or recording.Writer(
                    args.record.open("wb"), host=snapshot.host, provider=snapshot.provider
                )
                writer.write(_reading(snapshot))
            sys.stdout.buffer.write(msgspec.json.encode(snapshot) + b"\n")
            sys.stdout.buffer.flush()
            printed += 1
            if snapshot.provider is None and not args.stream:
                for report in snapshot.providers:
                    print(f"{report.name}: {report.reason} {report.fix or ''}", file=sys.stderr)
                return NO_READING
            if not args.stream or printed == args.count:
                return 0
    except (KeyboardInterrupt, BrokenPipeError):
        return 0
    finally:
        supervisor.stop()


def _reading(snapshot: Snapshot) -> Reading:
    assert snapshot.sampled_at is not None
    return Reading(
        sampled_at=snapshot.sampled_at,
        gpus=snapshot.gpus,
        driver_version=snapshot.driver_version,
        cuda_version=snapshot.cuda_version,
        notices=snapshot.notices,
    )


def main() -> int:
    """The command."""
    args = arguments()
    logging.basicConfig(level=args.log_level, format="%(levelname)s %(name)s: %(message)s")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    options = Options(
        interval_seconds=args.interval,
        provider=args.provider,
        simulated_gpus=args.simulated_gpus,
        replay_file=str(args.replay_file) if args.replay_file else None,
        replay_speed=args.replay_speed,
        is_watched=True,
    )
    return run(options, args)


if __name__ == "__main__":
    sys.exit(main())
