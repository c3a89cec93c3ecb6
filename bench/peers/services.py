"""What each program costs while it runs: CPU and memory of all its processes at one reading a second, over the same minutes."""

from __future__ import annotations

import os
import pty
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

from bench.cpu import Stopwatch, with_children
from bench.figures import CouldNotMeasure
from bench.host import Host, fake_host
from bench.serving import processes, serving_host
from tests.support.servers import free_port, wait_for

_SETTLE_SECONDS = 15.0


class Use(NamedTuple):
    """Of one program."""

    cpu_percent: float
    """Of one core."""
    memory_mb: float
    """Proportional set size: shared pages count in part."""


def measure(folder: Path, minutes: float) -> dict[str, Use]:
    """All run at once, on the same fake driver with 8 GPUs. `folder`: of the peers' programs."""
    with fake_host() as host, serving_host(host, hz=1) as server, ExitStack() as stack:
        exporter_port, glances_port = free_port(), free_port()
        exporter = [folder / "nvitop-exporter", "--bind-address", "127.0.0.1", "--port", exporter_port, "--interval", 1]
        glances = [folder / "glances", "-w", "-B", "127.0.0.1", "-p", glances_port, "--time", 1, "--disable-webui"]
        running = {
            "nvitop-exporter": stack.enter_context(_service(exporter, host, exporter_port)),
            "glances, web server": stack.enter_context(_service(glances, host, glances_port)),
            "nvitop, in a terminal": stack.enter_context(_terminal([folder / "nvitop", "--interval", 1], host)),
            "gpustat, in a terminal": stack.enter_context(_terminal([folder / "gpustat", "--interval", 1], host)),
        }
        stack.enter_context(_asked_every_second(f"http://127.0.0.1:{glances_port}/api/4/gpu"))
        time.sleep(_SETTLE_SECONDS)
        pids = {"gpumon": processes(server)} | {name: with_children(pid) for name, pid in running.items()}
        watches = {name: Stopwatch(each) for name, each in pids.items()}
        host.change_for(minutes * 60, hz=1)
        return {
            name: Use(100 * watch.cpu / watch.wall, sum(map(_pss_bytes, pids[name])) / 1e6)
            for name, watch in watches.items()
        }


@contextmanager
def _service(command: list[object], host: Host, port: int) -> Iterator[int]:
    """Start it; yields its PID once its port answers."""
    with _ended(
        subprocess.Popen(
            [str(word) for word in command],
            env={**os.environ, **host.environment},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
    ) as process:
        wait_for(lambda: _answers(port), f"{command[0]} on port {port}")
        yield process.pid


@contextmanager
def _terminal(command: list[object], host: Host) -> Iterator[int]:
    """Start it in a terminal of its own, which shows nothing; yields its PID."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, **host.environment, "TERM": "xterm-256color", "LINES": "60", "COLUMNS": "160"}
    process = subprocess.Popen(
        [str(word) for word in command], env=environment, stdin=theirs, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    threading.Thread(target=_be_terminal, args=(ours,), daemon=True).start()
    with _ended(process):
        time.sleep(1)
        if process.poll() is not None:
            raise CouldNotMeasure(f"{command[0]} ended with exit status {process.returncode}")
        yield process.pid


@contextmanager
def _ended(process: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def _be_terminal(terminal: int) -> None:
    """Read what the program writes, and answer where the cursor is: some wait for that before they begin."""
    with suppress(OSError):  # the program has ended
        while written := os.read(terminal, 1 << 16):
            if b"\x1b[6n" in written:
                os.write(terminal, b"\x1b[1;1R")


@contextmanager
def _asked_every_second(url: str) -> Iterator[None]:
    """glances reads when it is asked."""
    has_ended = threading.Event()

    def ask() -> None:
        while not has_ended.wait(1):
            with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
                answer.read()

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        has_ended.set()
        asking.join()


def _answers(port: int) -> bool:
    with suppress(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=5).close()
        return True
    return False


def _pss_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise CouldNotMeasure(f"process {pid} shows no proportional set size")
