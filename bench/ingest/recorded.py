"""Recorder and usage ledger of many hosts in their own process, at many times their speed: `python -m bench.ingest.recorded HOSTS
SECONDS`, in the folder of GPU_MONITOR_DATA_DIR.

Each host sends a snapshot a second. Prints the CPU seconds of a snapshot in both stages, with writing, closing and compressing.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator

import django
import msgspec

os.environ["DJANGO_SETTINGS_MODULE"] = "gpumon_site.settings"
django.setup()

from bench import message  # noqa: E402
from monitor.history.database import prepare  # noqa: E402
from monitor.history.recorder import LOOK_SECONDS, HistoryRecorder  # noqa: E402
from monitor.server.garbage import spare_what_was_loaded  # noqa: E402
from monitor.telemetry.schema import Snapshot  # noqa: E402
from monitor.usage.ledger import UsageLedger  # noqa: E402

BEGIN = 1_800_000_000.0
_MESSAGES = 100
_DECODER = msgspec.msgpack.Decoder(Snapshot)


def _snapshots(hosts: int, now: float, encoded: list[bytes]) -> Iterator[Snapshot]:
    """As they arrive: each with objects of its own."""
    for host in range(hosts):
        snapshot = _DECODER.decode(encoded[int(now + host) % len(encoded)])
        yield msgspec.structs.replace(
            snapshot,
            host=f"node{host}",
            host_id=f"{host:032x}",
            seq=int(now),
            time=now,
            sampled_at=now,
            poll_interval_seconds=1.0,
        )


def main(hosts: int, seconds: int) -> None:
    prepare()
    encoded = [msgspec.msgpack.encode(message.snapshot(number)) for number in range(_MESSAGES)]
    now = BEGIN
    history = HistoryRecorder(clock=lambda: now, monotonic=lambda: now)
    usage = UsageLedger(clock=lambda: now, monotonic=lambda: now)
    spare_what_was_loaded()  # as at the start of the real server
    spent = 0.0
    for second in range(seconds):
        now += 1
        snapshots = [*_snapshots(hosts, now, encoded)]
        began = time.process_time()
        for snapshot in snapshots:
            history.take_of_fleet(snapshot, is_late=False)
            usage.take_of_fleet(snapshot, is_late=False)
        usage.work()
        if second % LOOK_SECONDS == 0:
            history.work()
        spent += time.process_time() - began
    if problem := history.problem or usage.problem:
        raise SystemExit(problem)
    print(json.dumps(spent / hosts / seconds), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
