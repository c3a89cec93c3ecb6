"""The bytes that the whole server writes to the disk, 8 GPUs at one reading a second: history, usage, alerts, evidence and logs."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.figures import Figure
from bench.host import fake_host
from bench.serving import Readings, processes, serving_host

_DAY = 86_400
_SETTLE_SECONDS = 90.0
"""Until the first readings are stored, which creates rows of every kind."""
_BOUND = 150
"""Measured: 118."""
_WRITE = re.compile(r"write(?:64|v)?\(\d+<([^>]*)>.* = (\d+)$")
"""A line of strace: pwrite64(12</data/history.sqlite3-wal>, …, 4096, 32) = 4096."""


def measure(minutes: float) -> Iterator[Figure]:
    """Bytes in `minutes`, extrapolated to a day. Every value of every GPU changes at each reading, so that alerts come and go.

    Shorter than the ten minutes after which a chunk of seconds is closed, it misses most of what is written.
    """
    with fake_host() as host, serving_host(host, hz=1) as server:
        host.change_for(_SETTLE_SECONDS, hz=1)
        pid, *children = processes(server)
        with _by_file(pid) as by_file:
            readings, began = Readings(server), time.monotonic()
            before, children_before = _io(pid), _to_disk(children)
            host.change_for(minutes * 60, hz=1)
            after, children_after = _io(pid), _to_disk(children)
            a_day = _DAY / (time.monotonic() - began) / 1e6
        readings.count(due=minutes * 60)
    handed = (after["wchar"] - before["wchar"]) * a_day
    flushed = (after["write_bytes"] - before["write_bytes"] + children_after - children_before) * a_day
    yield Figure(handed, " MB", _BOUND, f"written a day by the server, from {minutes:g} min (/proc/PID/io, wchar)")
    yield Figure(flushed, " MB", None, "sent to the disk a day, by the sampler too (write_bytes: 0 on tmpfs)")
    for name, size in by_file.most_common():
        yield Figure(size * a_day, " MB", None, f"of these a day: {name}")


def _io(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    return {name: int(value) for name, value in (line.split(": ") for line in lines)}


def _to_disk(pids: list[int]) -> int:
    return sum(_io(pid)["write_bytes"] for pid in pids)


@contextmanager
def _by_file(pid: int) -> Iterator[Counter[str]]:
    """Bytes that the process has handed to write calls, by file name; complete afterwards. Empty without strace."""
    counted: Counter[str] = Counter()
    if shutil.which("strace") is None:
        yield counted
        return
    with TemporaryDirectory(prefix="gpumon-bench-") as folder:
        trace = Path(folder) / "trace"
        calls = "trace=write,pwrite64,writev,pwritev"
        options = ["-f", "-y", "-s", "0", "-e", calls, "-e", "signal=none", "-o", str(trace)]
        tracer = subprocess.Popen(["strace", *options, "-p", str(pid)], stderr=subprocess.DEVNULL)
        try:
            yield counted
        finally:
            tracer.terminate()
            tracer.wait()
        with trace.open(errors="replace") as lines:
            for line in lines:
                if found := _WRITE.search(line):
                    counted[_file(found[1])] += int(found[2])


def _file(name: str) -> str:
    """The name of a file; of anything else, such as a pipe, what it is."""
    return Path(name).name if name.startswith("/") else name.partition(":")[0]
