"""Files of /proc that stay open: what they say of a process that has ended, and how many there are."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from monitor.telemetry.host.kernel_files import KernelFile, ProcessStats
from tests.support.linux_host import FakeHost


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    """A real process, ended and reaped at the end."""
    with subprocess.Popen(["sleep", "infinity"]) as started:
        yield started
        started.kill()


def open_files(under: Path) -> int:
    """How many files below this folder this program has open."""
    return sum(Path(file.path).is_relative_to(under) for file in psutil.Process().open_files())


def identity(line: bytes) -> tuple[int, int]:
    """PID and start in ticks (fields 1 and 22 of proc(5)). Counters beside them rise between two readings."""
    before, _, after = line.rpartition(b")")
    return int(before.partition(b" ")[0]), int(after.split()[19])


def test_file_is_read_anew_each_time(host: FakeHost) -> None:
    file = KernelFile(str(host.write("proc/uptime", "12.5 1\n")), 100)
    assert file.read() == b"12.5 1\n"
    host.write("proc/uptime", "13.5 1\n")
    assert file.read() == b"13.5 1\n"


def test_ended_process_has_no_line_any_more(process: subprocess.Popen[bytes]) -> None:
    """The file was opened while the process lived: the kernel does not answer with another process of the same PID."""
    stats, file = ProcessStats("/proc"), KernelFile(f"/proc/{process.pid}/stat", 4096)
    assert identity(stats.read(process.pid)) == identity(file.read())
    assert identity(file.read())[0] == process.pid
    process.kill()
    process.wait()
    with pytest.raises(ProcessLookupError):
        file.read()
    with pytest.raises(FileNotFoundError):
        stats.read(process.pid)


def test_pid_that_is_used_again_is_read_from_its_new_file(host: FakeHost) -> None:
    host.process(7, "before")
    stats = ProcessStats(str(host.root / "proc"))
    assert b"(before)" in stats.read(7)
    (host.root / "proc/7").rename(host.root / "aside")
    (host.root / "aside/stat").write_bytes(b"")  # as the kernel's ESRCH
    host.process(7, "after")
    assert b"(after)" in stats.read(7)


def test_files_are_closed_with_their_processes_and_limited_in_number(host: FakeHost) -> None:
    for pid in range(10, 15):
        host.process(pid, f"n{pid}")
    stats = ProcessStats(str(host.root / "proc"), most_open=3)
    for _reading in range(2):
        assert all(f"(n{pid})".encode() in stats.read(pid) for pid in range(10, 15))
    assert open_files(host.root) == 3
    stats.keep_only({11, 14})
    assert open_files(host.root) == 1
