"""What the host knows of the PIDs on a GPU, read from a fake /proc; a PID never gets a wrong name."""

from __future__ import annotations

import os
import pwd
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.telemetry.host.processes import ProcessTable, without_commands
from monitor.telemetry.schema import Gpu, GpuProcess
from tests.support.linux_host import BOOTED_AT, FakeHost, as_nobody
from tests.telemetry.host.process_rows import NOW, PID, on_gpu, row

CONTAINER = "9f" * 32


def until(is_it: Callable[[], bool]) -> None:
    """What is looked up in threads comes with one of the next readings."""
    give_up_at = time.monotonic() + 20
    while not is_it():
        assert time.monotonic() < give_up_at


@pytest.fixture
def table(host: FakeHost) -> ProcessTable:
    """The table of a host, outside any container, where the test's PID runs `python3 train.py`."""
    host.process(PID, resident_pages=100, cpu_seconds=50, started_at=BOOTED_AT + 1000)
    return ProcessTable(str(host.root))


# ── Known values ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_process_has_values_of_the_host_and_of_the_driver(table: ProcessTable) -> None:
    process = row(table, process=GpuProcess(pid=PID, memory_used_bytes=5, types=("compute",)))
    assert (process.status, process.name, process.command) == ("running", "python3", "python3 train.py")
    assert process.user == pwd.getpwuid(os.getuid()).pw_name
    assert process.started_at == BOOTED_AT + 1000
    assert process.resident_memory_bytes == 100 * os.sysconf("SC_PAGE_SIZE")
    assert (process.memory_used_bytes, process.types) == (5, ("compute",))
    assert process.unavailable["container_id"] == "not in a container"
    assert process.unavailable["pod_name"] == "not in a Kubernetes pod"
    assert process.unavailable["job_id"] == "not in a batch job"
    assert table.notices() == ()


def test_cpu_is_the_share_of_one_core_from_the_second_reading_on(host: FakeHost, table: ProcessTable) -> None:
    assert row(table).unavailable["cpu_percent"] == "needs two readings"
    host.process(PID, cpu_seconds=57, started_at=BOOTED_AT + 1000)
    assert row(table, NOW + 2).cpu_percent == 350
    assert row(table, NOW + 4).cpu_percent == 0


def test_process_on_two_gpus_is_counted_once_per_tick(host: FakeHost, table: ProcessTable) -> None:
    gpus = on_gpu() + on_gpu()
    table.describe(gpus, NOW)
    host.process(PID, cpu_seconds=51, started_at=BOOTED_AT + 1000)
    rows = [gpu.processes[0].cpu_percent for gpu in table.describe(gpus, NOW + 1) if gpu.processes]
    assert rows == [100, 100]


def test_cpu_is_not_negative_when_the_clock_is_set_back(host: FakeHost, table: ProcessTable) -> None:
    row(table)
    host.process(PID, cpu_seconds=51, started_at=BOOTED_AT + 1000)
    assert row(table, NOW - 3600).cpu_percent is None
    host.process(PID, cpu_seconds=52, started_at=BOOTED_AT + 1000)
    assert row(table, NOW - 3599).cpu_percent == 100


def test_container_and_pod_come_from_the_cgroup(host: FakeHost, table: ProcessTable) -> None:
    pod = "0a1b2c3d-0000-1111-2222-0123456789ab"
    host.process(PID, cgroup=f"0::/kubepods/burstable/pod{pod}/{CONTAINER}\n")
    process = row(table)
    assert (process.container_id, process.pod_id) == (CONTAINER, pod)


def test_names_of_container_and_job_come_from_the_files_of_other_programs(host: FakeHost) -> None:
    host.process(PID, cgroup=f"0::/system.slice/docker-{CONTAINER}.scope\n")
    host.write(f"var/lib/docker/containers/{CONTAINER}/config.v2.json", '{"Name": "/vllm-2"}')
    host.write("run/gpustat/0", "8841 1000\n")
    table = ProcessTable(str(host.root), job_mapping_dir=str(host.root / "run/gpustat"))
    until(lambda: row(table).container_name == "vllm-2")
    until(lambda: row(table).job_id == "8841")
    host.process(PID, cgroup="0::/system.slice/slurmstepd.scope/job_7/step_0\n", started_at=BOOTED_AT + 2000)
    until(lambda: row(table).job_id == "7")


def test_command_changed_by_exec_is_read_within_half_a_minute(host: FakeHost, table: ProcessTable) -> None:
    row(table)
    host.process(PID, "vllm", ["vllm", "serve"], started_at=BOOTED_AT + 1000)
    assert row(table, NOW + 31).command == "vllm serve"


@pytest.mark.parametrize("file", ["cmdline", "cgroup"])
def test_process_whose_facts_hang_in_the_kernel_delays_no_reading(host: FakeHost, file: str) -> None:
    """/proc/PID/cmdline waits for the lock of the process's memory map, which a process inside the driver can hold for minutes."""
    host.process(PID)
    path = host.root / f"proc/{PID}/{file}"
    content = path.read_bytes()
    path.unlink()
    os.mkfifo(path)  # opening it waits for a writer
    table = ProcessTable(str(host.root))
    process = row(table)
    assert (process.name, process.command) == ("python3", None)
    assert process.unavailable["command"] == f"/proc/{PID} has not answered yet"
    with path.open("wb") as writer:
        writer.write(content)
    give_up_at = time.monotonic() + 20
    while row(table, NOW + 1).command != "python3 train.py":
        assert time.monotonic() < give_up_at


def test_reused_pid_shows_no_values_of_the_earlier_process(host: FakeHost, table: ProcessTable) -> None:
    row(table)
    host.process(PID, "vllm", ["vllm", "serve"], started_at=BOOTED_AT + 2000, cpu_seconds=1000)
    process = row(table, NOW + 1)
    assert (process.name, process.command, process.started_at) == ("vllm", "vllm serve", BOOTED_AT + 2000)
    assert process.cpu_percent is None


def test_gpus_without_processes_are_unchanged(table: ProcessTable) -> None:
    unknown, none = Gpu(index=0, uuid="a", name="a"), Gpu(index=1, uuid="b", name="b", processes=())
    assert table.describe((unknown, none), NOW) == (unknown, none)


def test_kernel_without_boot_time_leaves_only_the_start_time_unknown(host: FakeHost) -> None:
    host.write("proc/stat", "cpu 1 2 3\n")
    host.process(PID)
    process = row(ProcessTable(str(host.root)))
    assert process.started_at is None
    assert process.unavailable["started_at"] == "the kernel does not report its boot time"
    assert process.name == "python3"


# ── Names ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("comm", "name"),
    [
        ("a b", "a b"),
        (") S 1 (x", ") S 1 (x"),
        ("(sd-pam)", "(sd-pam)"),
        ("red\x1b[31m", "red [31m"),
        ("new\nline", "new line"),
        (b"odd\xff\xfe", "odd\ufffd\ufffd"),
        ("naïve", "naïve"),
        ("\x07", "?"),
        ("", "?"),
        ("evil\u202egnp", "evil gnp"),
    ],
)
def test_names_with_parentheses_blanks_control_characters_and_invalid_utf8_are_read(
    host: FakeHost, comm: str | bytes, name: str
) -> None:
    host.process(PID, comm, resident_pages=7)
    process = row(ProcessTable(str(host.root)))
    assert process.name == name
    assert process.resident_memory_bytes == 7 * os.sysconf("SC_PAGE_SIZE")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)
@given(comm=st.binary(max_size=15), words=st.lists(st.binary(max_size=200), max_size=5))
def test_any_process_name_can_be_sent_and_shown_on_one_line(host: FakeHost, comm: bytes, words: list[bytes]) -> None:
    host.process(PID, comm, words)
    process = row(ProcessTable(str(host.root)))
    assert msgspec.json.decode(msgspec.json.encode(process), type=GpuProcess) == process
    assert len((process.name or "").splitlines()) == len((process.command or "").splitlines()) == 1
    assert process.started_at == BOOTED_AT + 100


def test_command_line_of_megabytes_is_truncated(host: FakeHost) -> None:
    """A whole class path or list of files was sent to every viewer, at every tick."""
    host.process(PID, command=["java", "-cp", "x" * 3_000_000])
    command = row(ProcessTable(str(host.root))).command or ""
    assert len(command) == 4097
    assert command.startswith("java -cp xxx")
    assert command.endswith("x…")


def test_kernel_thread_is_named_in_brackets_like_in_ps(host: FakeHost) -> None:
    host.process(PID, "nv_queue", command=[])
    assert row(ProcessTable(str(host.root))).command == "[nv_queue]"


def test_user_without_passwd_entry_is_shown_as_a_number(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(uid: int) -> pwd.struct_passwd:
        raise KeyError(uid)

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    host.process(PID)
    assert row(ProcessTable(str(host.root))).user == str(os.getuid())


def test_username_with_invalid_utf8_can_be_sent(host: FakeHost, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python decodes them to lone surrogates; the frame encoder failed on them and the sampler ended."""
    odd = pwd.struct_passwd(("j\udcf6rg", "x", 1, 1, "", "/", "/bin/sh"))
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: odd)
    host.process(PID)
    process = row(ProcessTable(str(host.root)))
    assert process.user == "j\ufffdrg"
    assert msgspec.msgpack.encode(process)


# ── Ended, forbidden, hidden ──────────────────────────────────────────────────────────────────────────────────────────


def test_ended_process_keeps_its_row_and_its_memory(host: FakeHost, table: ProcessTable) -> None:
    row(table)
    host.end(PID)
    process = row(table, NOW + 1, GpuProcess(pid=PID, memory_used_bytes=32 << 30))
    assert (process.status, process.memory_used_bytes, process.name) == ("gone", 32 << 30, None)
    assert "gone" in process.unavailable["name"]
    assert table.notices() == ()


def test_zombie_has_ended_but_keeps_its_name(host: FakeHost, table: ProcessTable) -> None:
    """It was shown as running, and half a minute later as `[python3]` instead of `python3 train.py`."""
    row(table)
    host.process(PID, command=[], state="Z", started_at=BOOTED_AT + 1000)
    process = row(table, NOW + 31)
    assert (process.status, process.name, process.command) == ("gone", "python3", "python3 train.py")
    assert "zombie" in process.unavailable["cpu_percent"]


def test_zombie_from_the_start_is_named_like_in_ps(host: FakeHost) -> None:
    host.process(PID, command=[], state="Z")
    process = row(ProcessTable(str(host.root)))
    assert (process.status, process.command) == ("gone", "[python3] <defunct>")


def test_process_is_running_after_its_first_thread_has_ended(host: FakeHost) -> None:
    host.process(PID, command=[], state="Z", threads=5)
    assert row(ProcessTable(str(host.root))).status == "running"


def test_unreadable_process_keeps_its_row_with_the_reason(open_host: FakeHost) -> None:
    open_host.process(PID)
    (open_host.root / f"proc/{PID}").chmod(0o700)
    with as_nobody():
        process = row(ProcessTable(str(open_host.root)), process=GpuProcess(pid=PID, memory_used_bytes=7))
    assert (process.status, process.memory_used_bytes, process.name) == ("running", 7, None)
    assert process.unavailable["name"] == f"no permission to read /proc/{PID}"


def test_process_hidden_by_proc_is_not_shown_as_ended(host: FakeHost) -> None:
    """With /proc mounted hidepid=2, every process of another user was shown as ended with memory still in use."""
    process = row(ProcessTable(str(host.root), is_anothers=lambda pid: pid == PID))
    assert process.status == "running"
    assert "hidepid" in process.unavailable["name"]


def test_process_of_another_user_is_distinguished_from_a_missing_one(host: FakeHost) -> None:
    with as_nobody():
        init = row(ProcessTable("/nonexistent"), process=GpuProcess(pid=1))
        nobody = row(ProcessTable("/nonexistent"), process=GpuProcess(pid=4_194_400))
        is_ours = (
            Path("/proc/1").stat().st_uid == os.geteuid()
        )  # in some containers, one user has started every process
    assert (init.status, nobody.status) == ("gone" if is_ours else "running", "gone")


# ── SHOW_COMMANDS ─────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("show", "name", "command"),
    [("full", "python3", "python3 train.py"), ("name", "python3", None), ("none", None, None)],
)
@pytest.mark.parametrize("status", ["running", "gone", "simulated"])
def test_setting_limits_how_much_of_a_command_line_is_shown(
    host: FakeHost, show: str, name: str | None, command: str | None, status: str
) -> None:
    """Names of ended processes from nvidia-smi and nvtop, and those in recordings, bypassed the setting."""
    told = GpuProcess(pid=PID, name="python3", command="python3 train.py")
    if status == "simulated":
        (gpu,) = without_commands(on_gpu(told), show)
        (process,) = gpu.processes or ()
    else:
        if status == "running":
            host.process(PID)
        process = row(ProcessTable(str(host.root), show), process=told)
        assert process.status == status
    assert (process.name, process.command) == (name, command)
    assert (process.unavailable.get("command") == "hidden by SHOW_COMMANDS") == (command is None)
    assert (process.unavailable.get("name") == "hidden by SHOW_COMMANDS") == (name is None)
