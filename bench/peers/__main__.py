"""`python -m bench.peers PYTHON`: compare gpumon with its peers, whose interpreter is PYTHON, and print the tables of
docs/benchmarks.md. With `--write`, replace them there.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from bench.peers import readings, services, xml_reports
from bench.peers.readings import BARE, FAST, PEERS, SECOND, WHOLE, Cost
from bench.report.tables import head, measured_on, row, write

_GPUS, _PROCESSES = (1, 8, 64), (0, 4, 50)
_FULL_PEERS = tuple(name for name in PEERS if name != "glances")
"""Those that read processes as well."""


def main() -> int:
    """Measure, print, and write if that was asked for. Takes about ten minutes; the machine should be idle otherwise."""
    parser = argparse.ArgumentParser(prog="python -m bench.peers", description=__doc__)
    parser.add_argument(
        "python", type=Path, help="the interpreter that has the packages of bench/requirements-peers.txt"
    )
    parser.add_argument(
        "--minutes", type=float, default=3.0, help="how long to watch the running programs (default: 3)"
    )
    parser.add_argument("--gpus", type=int, nargs="+", default=_GPUS)
    parser.add_argument("--processes", type=int, nargs="+", default=_PROCESSES)
    parser.add_argument("--write", action="store_true", help="replace the tables of docs/benchmarks.md")
    options = parser.parse_args()
    lines = []
    for line in _report(options):
        print(line, flush=True)
        lines.append(line)
    if options.write:
        write("measured", lines)
    return 0


def _report(options: argparse.Namespace) -> Iterator[str]:
    yield measured_on()
    yield from _readings(options.gpus, options.processes, str(options.python))
    yield from _services(options.python.parent, options.minutes)
    yield from _xml()


def _readings(gpus: Sequence[int], processes: Sequence[int], python: str) -> Iterator[str]:
    names = (BARE, FAST, SECOND, WHOLE, *PEERS)
    yield from ("", "### One reading, milliseconds of CPU", "")
    yield from head("GPUs × processes each", *names, "best full peer / gpumon at 1 Hz")
    calls: list[str] = []
    for count in gpus:
        for each in processes:
            costs = readings.measure(count, each, python)
            best = min(costs[name].milliseconds for name in _FULL_PEERS)
            ratio = f"**{best / costs[SECOND].milliseconds:.1f}×**"
            yield row(f"{count} × {each}", *[f"{costs[name].milliseconds:.2f}" for name in names], ratio)
            calls.append(_calls(f"{count} × {each}", count, costs))
    yield from ("", "### One reading, NVML calls a GPU", "")
    yield from head("GPUs × processes each", *[name for name in names if name != WHOLE])
    yield from calls


def _calls(label: str, gpus: int, costs: Mapping[str, Cost]) -> str:
    counted = (cost.calls for cost in costs.values() if cost.calls is not None)
    return row(label, *[f"{calls / gpus:.1f}" for calls in counted])


def _services(folder: Path, minutes: float) -> Iterator[str]:
    uses = services.measure(folder, minutes)
    yield from ("", f"### Running, 8 GPUs × 4 processes, a reading a second, over {minutes:g} min", "")
    yield from head("", "CPU, of one core", "memory (PSS)")
    for name, use in uses.items():
        yield row(name, f"{use.cpu_percent:.2f} %", f"{use.memory_mb:.0f} MB")


def _xml() -> Iterator[str]:
    cost = xml_reports.measure()
    yield from ("", "### A report of `nvidia-smi -q -x`", "")
    yield (
        f"{cost.kilobytes:.0f} kB of {cost.gpus} GPU: {cost.milliseconds:.2f} ms of CPU from bytes to readings, "
        f"{cost.ratio:.1f}× the standard library's parser on the same bytes."
    )


if __name__ == "__main__":
    sys.exit(main())
