"""Processes of other PID namespaces: in a container the driver reports PIDs of the host."""

from __future__ import annotations

import pytest

from monitor.telemetry.host.processes import ProcessTable
from monitor.telemetry.schema import GpuProcess
from tests.support.linux_host import BOOTED_AT, FakeHost, as_nobody
from tests.telemetry.host.process_rows import NOW, PID, row

OTHER_NAMESPACE = "pid:[4026532871]"


@pytest.fixture
def contained_table(host: FakeHost) -> ProcessTable:
    """The table of a container with its own PID namespace."""
    host.pid_namespace(OTHER_NAMESPACE)
    return ProcessTable(str(host.root))


def test_pid_of_the_host_is_hidden_in_a_container_with_the_fix(contained_table: ProcessTable) -> None:
    process = row(contained_table, process=GpuProcess(pid=PID, memory_used_bytes=9))
    assert (process.status, process.memory_used_bytes, process.name) == ("hidden", 9, None)
    assert "start the container with `pid: host`" in process.unavailable["name"]
    (notice,) = contained_table.notices()
    assert "--pid=host" in (notice.fix or "")


def test_pid_of_the_host_gets_no_name_of_the_containers_process_with_that_pid(
    host: FakeHost, contained_table: ProcessTable
) -> None:
    host.process(PID, "bash", ["bash"])
    host.link(f"proc/{PID}/fd/0", "/dev/pts/0")
    host.write(f"proc/{PID}/maps", "7f00-7f01 r-xp 00000000 08:01 1 /usr/lib/libc.so.6\n")
    process = row(contained_table)
    assert (process.status, process.name, process.command, process.user) == ("hidden", None, None, None)


def test_name_from_nvidia_smi_or_nvtop_is_dropped_for_a_pid_outside_the_container(
    host: FakeHost, contained_table: ProcessTable
) -> None:
    """Both look up the PID in the container's /proc and report the container's process with that PID."""
    host.process(PID, "bash", ["bash"])
    told = GpuProcess(pid=PID, name="bash", command="bash", user="root")
    process = row(contained_table, process=told)
    assert (process.status, process.name, process.command, process.user) == ("hidden", None, None, None)


@pytest.mark.parametrize("sign", ["fd", "maps"])
def test_process_with_the_driver_open_belongs_to_the_container(
    host: FakeHost, contained_table: ProcessTable, sign: str
) -> None:
    host.process(PID)
    host.link(f"proc/{PID}/fd/7", "/dev/nvidia-uvm" if sign == "fd" else "/dev/null")
    host.write(f"proc/{PID}/maps", "7f00-7f01 r-xp 0 08:01 1 /usr/lib/libcuda.so.580.65\n" if sign == "maps" else "")
    process = row(contained_table)
    assert (process.status, process.name) == ("running", "python3")
    assert contained_table.notices() == ()


def test_process_is_recognized_when_it_opens_the_driver_later(host: FakeHost, contained_table: ProcessTable) -> None:
    host.process(PID)
    host.link(f"proc/{PID}/fd/0", "/dev/null")
    assert row(contained_table).status == "hidden"
    host.link(f"proc/{PID}/fd/7", "/dev/nvidia0")
    assert row(contained_table, NOW + 5).status == "hidden"
    assert row(contained_table, NOW + 11).status == "running"


def test_reused_pid_is_verified_again_in_a_container(host: FakeHost, contained_table: ProcessTable) -> None:
    host.process(PID)
    host.link(f"proc/{PID}/fd/7", "/dev/nvidia0")
    assert row(contained_table).status == "running"
    host.end(PID)
    host.process(PID, "bash", ["bash"], started_at=BOOTED_AT + 5000)
    assert row(contained_table, NOW + 1).status == "hidden"


def test_unreadable_pid_in_a_container_counts_as_hidden(open_host: FakeHost) -> None:
    open_host.pid_namespace(OTHER_NAMESPACE)
    open_host.process(PID)
    (open_host.root / f"proc/{PID}").chmod(0o700)
    with as_nobody():
        assert row(ProcessTable(str(open_host.root))).status == "hidden"


def test_a_kernel_without_pid_namespaces_hides_nothing(host: FakeHost) -> None:
    (host.root / "proc/self/ns/pid").unlink()
    host.process(PID)
    assert row(ProcessTable(str(host.root))).status == "running"
