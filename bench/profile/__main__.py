"""`python -m bench.profile`: print where the CPU of a reading goes, without viewers and with a page and a feed. With `--write`,
replace the table of docs/benchmarks.md. It takes about three minutes.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import nullcontext, suppress
from pathlib import Path

from bench.child import child
from bench.host import GPUS, PROCESSES, Host, fake_host
from bench.report.tables import head, measured_on, row, write
from bench.serving import Readings, processes, serving_host, watched

_SETTLE_SECONDS, _SECONDS = 8.0, 60.0
_TICKS = 1000
_NAMES = {"PYTHONPATH": str(Path(__file__).parent / "named_threads")}
_SAMPLER = "sampler"
_THREADS = {
    "telemetry": "snapshot: decoded, completed, handed to the stages; the server's own metrics",
    "alerts": "alert rules",
    "history": "history",
    "usage": "usage",
    "notifier": "notifications",
    "settings": "changed settings",
    "data folder": "data folder",
}
_EVENT_LOOP = "event loop: pages and feeds"


def main() -> int:
    """Measure, print, and write if that was asked for. The machine should be idle otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench.profile", description=__doc__)
    parser.add_argument("--write", action="store_true", help="replace the table of docs/benchmarks.md")
    options = parser.parse_args()
    lines = [*_report()]
    print("\n".join(lines))
    if options.write:
        write("profile", lines)
    return 0


def _report() -> Iterator[str]:
    with fake_host() as host:
        with child("bench.profile.sampler", str(_TICKS), environment=host.environment) as sampler:
            shares = Counter[str](sampler.answer())
        unwatched = _by_part(_milliseconds(host, is_watched=False), shares)
        with_viewers = _by_part(_milliseconds(host, is_watched=True), shares)
    yield f"{measured_on()} {GPUS} GPUs × {PROCESSES} processes, a reading a second, over {_SECONDS:.0f} s each."
    yield ""
    yield from head("milliseconds of CPU a reading", "without viewers", "share", "with a page and a feed", "share")
    for part in with_viewers | unwatched:
        yield row(part, *_cells(part, unwatched), *_cells(part, with_viewers))
    yield row("together", *_cells(None, unwatched), *_cells(None, with_viewers))


def _cells(part: str | None, costs: Mapping[str, float]) -> tuple[str, str]:
    whole = sum(costs.values())
    cost = whole if part is None else costs.get(part, 0.0)
    return f"{cost:.2f}", f"{100 * cost / whole:.0f} %"


def _by_part(threads: Mapping[str, float], shares: Counter[str]) -> dict[str, float]:
    """The sampler's milliseconds divided by its samples, and those of the server's threads by what they do."""
    parts = {f"sampler: {part}": threads[_SAMPLER] * count / shares.total() for part, count in shares.most_common()}
    named = {f"server: {words}": threads.get(name, 0.0) for name, words in _THREADS.items()}
    rest = sum(threads.values()) - sum(parts.values()) - sum(named.values())
    return {**parts, **named, f"server: {_EVENT_LOOP}": rest}


def _milliseconds(host: Host, *, is_watched: bool) -> dict[str, float]:
    """CPU a reading by thread of the server; all of the sampler as one."""
    with serving_host(host, hz=1, environment=_NAMES) as server, watched(server) if is_watched else nullcontext():
        host.change_for(_SETTLE_SECONDS, hz=1)
        first, *others = processes(server)
        readings, before, began = Readings(server), _threads(first, others), time.monotonic()
        host.change_for(_SECONDS, hz=1)
        after, due = _threads(first, others), time.monotonic() - began
        count = readings.count(due=due)
    spent = after - before
    return {name: nanoseconds / count / 1e6 for name, nanoseconds in spent.items()}


def _threads(server: int, others: list[int]) -> Counter[str]:
    """Nanoseconds of CPU of each thread since it started, by its name (proc(5), schedstat)."""
    found: Counter[str] = Counter()
    for pid in (server, *others):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # a thread that answered a request has ended
                name = (thread / "comm").read_text().strip() if pid == server else _SAMPLER
                found[name] += int((thread / "schedstat").read_text().split()[0])
    return found


if __name__ == "__main__":
    sys.exit(main())
