"""Faults between supervisor and sampler: silence, crashes, refusals. The sampler here is a script with real pipes."""

from __future__ import annotations

import itertools
import os
import threading
from pathlib import Path

import pytest

from monitor.telemetry.schema import Snapshot, System
from tests.telemetry.sampler.supervisor_watch import Watch, is_fresh

pytestmark = pytest.mark.slow


def test_readings_become_numbered_snapshots(watch: Watch) -> None:
    watch.start("write(selected())\nwhile True: write(reading()); time.sleep(0.1)")
    first = watch.until(is_fresh)
    second = watch.until(is_fresh)
    assert second.seq > first.seq
    assert (first.provider, first.gpus[0].utilization_percent, first.totals.gpu_count) == ("pynvml", 1, 1)


def test_each_start_of_the_server_has_a_boot_id_of_its_own(watch: Watch, tmp_path: Path) -> None:
    """`seq` starts over with the server, which a client could not tell from a snapshot out of order."""
    script = "write(selected())\nwhile True: write(reading()); time.sleep(0.05)"
    other = Watch(tmp_path)
    watch.start(script)
    other.start(script)
    try:
        first, second = watch.until(is_fresh), watch.until(is_fresh)
        assert first.boot_id == second.boot_id
        assert first.boot_id
        assert other.until(is_fresh).boot_id != first.boot_id
    finally:
        assert other.supervisor is not None
        other.supervisor.stop(5)


def test_snapshots_are_stale_with_the_reason_while_the_sampler_is_silent_and_then_recover(watch: Watch) -> None:
    supervisor = watch.start(
        f"""
        flag = {str(watch.folder / "hung")!r}
        write(selected(), reading())
        if not os.path.exists(flag):
            open(flag, "w").close()
            until_told()
            sys.exit(0)
        while True: write(reading(2)); time.sleep(0.05)
        """
    )
    watch.until(is_fresh)
    stale = watch.until(lambda snapshot: snapshot.stale)
    assert "has not answered" in (stale.stale_reason or "")
    assert stale.gpus[0].utilization_percent == 1
    assert (stale.age_seconds or 0) > 0.4
    assert watch.until(is_fresh).gpus[0].state == "ok"
    assert supervisor.status.restarts == 1


def test_stale_snapshots_continue_and_their_age_rises(watch: Watch) -> None:
    watch.start(
        "write(selected(), reading())\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: time.sleep(60)"
    )
    seen: list[Snapshot] = []

    def is_stale_again(snapshot: Snapshot) -> bool:
        seen.append(snapshot)
        return snapshot.stale and any(each.stale and each.sampled_at == snapshot.sampled_at for each in seen[:-1])

    watch.until(is_stale_again)
    ages = [each.age_seconds or 0 for each in seen if each.stale and each.sampled_at == seen[-1].sampled_at]
    assert ages == sorted(set(ages))


def test_sampler_that_ignores_every_request_to_end_is_killed(watch: Watch) -> None:
    supervisor = watch.start(
        "write(selected(), reading())\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: time.sleep(60)"
    )
    watch.until(is_fresh)
    pid = supervisor.status.sampler_pid
    assert pid is not None
    watch.until(lambda snapshot: snapshot.stale)
    watch.until(is_fresh)
    assert supervisor.status.sampler_pid != pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_crash_is_reported_with_its_signal_and_the_sampler_restarts_at_once(watch: Watch) -> None:
    supervisor = watch.start(
        f"""
        flag = {str(watch.folder / "crashed")!r}
        write(selected(), reading())
        if not os.path.exists(flag):
            open(flag, "w").close()
            os.kill(os.getpid(), signal.SIGSEGV)
        while True: write(reading()); time.sleep(0.05)
        """,
        timeout=40,  # on a busy machine the start can exceed the others' 0.4 s and be reported as late before the crash
    )
    stale = watch.until(lambda snapshot: snapshot.stale)
    assert "SIGSEGV" in (stale.stale_reason or "")
    watch.until(is_fresh)
    assert supervisor.status.problem is None


def test_sampler_that_keeps_crashing_is_restarted_with_backoff(watch: Watch) -> None:
    starts = watch.folder / "starts"
    watch.start(f"open({str(starts)!r}, 'a').write(f'{{time.monotonic()}}\\n'); write(selected()); os.abort()")
    for _ in range(40):
        watch.snapshots.get(timeout=40)
    times = [float(line) for line in starts.read_text().splitlines()]
    waits = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert len(times) >= 3
    assert waits[1] > waits[0] + 0.5


def test_missing_provider_is_reported_with_the_reasons_and_tried_again(watch: Watch) -> None:
    supervisor = watch.start(
        f"""
        flag = {str(watch.folder / "tried")!r}
        if not os.path.exists(flag):
            open(flag, "w").close()
            write(selected(None, reason="no library", fix="install it"))
            sys.exit(3)
        write(selected())
        while True: write(reading()); time.sleep(0.05)
        """
    )
    none = watch.until(lambda snapshot: bool(snapshot.providers) and snapshot.provider is None)
    assert (none.providers[0].reason, none.providers[0].fix) == ("no library", "install it")
    assert not none.stale
    watch.until(is_fresh)
    assert supervisor.status.restarts == 0


def test_host_without_a_provider_says_what_is_wrong_with_it_and_logs_it_once(
    watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    """Regression: each line was logged twice, and again every 30 s."""
    watch.start(
        """
        from monitor.telemetry.schema import Notice
        notice = Notice(code="host", text="This is a container without GPU devices.", fix="Start it with `--gpus all`.")
        reports = (ProviderReport(name="pynvml", reason="The library is missing."),)
        write(wire.Selected(provider=None, reports=reports, notices=(notice,)))
        """
    )
    told = watch.until(lambda snapshot: bool(snapshot.notices))
    assert told.notices[0].text == "This is a container without GPU devices."
    watch.until(lambda snapshot: snapshot.seq > told.seq + 16)  # meanwhile it has looked again
    for line in ("No data source responds.", "The library is missing.", "Start it with `--gpus all`."):
        assert caplog.text.count(line) == 1


def test_readings_stay_and_become_stale_when_no_provider_is_left(watch: Watch) -> None:
    watch.start(
        f"""
        flag = {str(watch.folder / "once")!r}
        if os.path.exists(flag):
            write(selected(None, reason="versions differ"))
            sys.exit(3)
        open(flag, "w").close()
        write(selected(), reading(), wire.Failed(reason="The driver was upgraded.", fix="Reboot."))
        sys.exit(1)
        """,
        look_again=60,
        timeout=40,
    )
    stale = watch.until(lambda snapshot: snapshot.stale)
    assert stale.stale_reason == "The driver was upgraded. Reboot."
    after = watch.until(lambda snapshot: any(report.reason == "versions differ" for report in snapshot.providers))
    assert after.stale
    assert after.gpus[0].uuid == "GPU-1"


def test_garbage_on_the_pipe_ends_only_that_sampler(watch: Watch) -> None:
    watch.start(
        f"""
        flag = {str(watch.folder / "garbled")!r}
        write(selected())
        if not os.path.exists(flag):
            open(flag, "w").close()
            sys.stdout.buffer.write(b"\\xff" * 100)
            sys.stdout.buffer.flush()
            until_told()
        while True: write(reading()); time.sleep(0.05)
        """
    )
    watch.until(is_fresh)


def test_reading_skipped_by_an_error_in_gpumon_is_not_the_drivers_fault_and_costs_no_restart(watch: Watch) -> None:
    """Such an error was reported as a crash inside the driver's library, and no reading followed, ever."""
    supervisor = watch.start(
        """
        write(selected())
        for _ in range(8):
            write(wire.Skipped(reason="An error in gpumon itself.")); time.sleep(0.1)
        while True: write(reading()); time.sleep(0.05)
        """
    )
    watch.until(lambda snapshot: snapshot.stale_reason == "An error in gpumon itself.")
    watch.until(is_fresh)
    assert (supervisor.status.restarts, supervisor.status.problem) == (0, None)


def test_single_skipped_reading_is_not_stale(watch: Watch) -> None:
    watch.start(
        """
        write(selected(), reading(), wire.Skipped(reason="An error in gpumon itself."), reading(2))
        until_told()
        """,
        timeout=40,
    )
    seen = watch.until(lambda snapshot: bool(snapshot.gpus))
    while seen.gpus[0].utilization_percent != 2:
        assert not seen.stale
        seen = watch.until(lambda snapshot: bool(snapshot.gpus))


def test_error_in_the_supervisors_own_thread_does_not_end_it(watch: Watch) -> None:
    """The thread ended, and the last reading stayed, as if it were new."""
    supervisor = watch.start(
        """
        write(selected())
        while True: write(reading()); time.sleep(0.05)
        """
    )
    watch.until(is_fresh)
    failed = threading.Event()

    def system(_: float) -> System:
        failed.set()
        raise ZeroDivisionError("none of psutil's")

    supervisor.set_system(system)
    assert failed.wait(15)
    supervisor.set_system(None)
    while not watch.snapshots.empty():
        watch.snapshots.get()
    watch.until(is_fresh)
    assert supervisor.is_running


def test_hanging_start_is_reported_before_the_first_reading(watch: Watch) -> None:
    watch.start("until_told()", timeout=0.3)
    stale = watch.until(lambda snapshot: snapshot.stale)
    assert stale.sampled_at is None
    assert "since the start" in (stale.stale_reason or "")


def test_stop_ends_the_sampler_and_the_thread(watch: Watch) -> None:
    supervisor = watch.start("write(selected(), reading())\nuntil_told()")
    watch.until(is_fresh)
    pid = supervisor.status.sampler_pid
    assert pid is not None
    supervisor.stop(5)
    assert not supervisor.is_running
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    supervisor.set_watched(True)  # an order after the end is ignored
