"""Options that are set while the sampler runs, starts or ends."""

from __future__ import annotations

import pytest

from monitor.telemetry.options import Options
from monitor.telemetry.schema import System
from tests.telemetry.sampler.supervisor_watch import Watch, is_fresh

pytestmark = pytest.mark.slow


def test_options_reach_the_sampler_and_a_new_provider_restarts_it(watch: Watch) -> None:
    heard = watch.folder / "heard"
    supervisor = watch.start(
        f"""
        write(selected(), reading())
        for line in sys.stdin:
            with open({str(heard)!r}, "a") as file: file.write(f"{{os.getpid()}} {{line}}")
            write(reading())
        """,
        timeout=30,
    )
    watch.until(is_fresh)
    first = supervisor.status.sampler_pid
    supervisor.set_watched(True)
    watch.until(lambda _: "true" in (heard.read_text() if heard.exists() else ""))
    assert supervisor.status.sampler_pid == first
    supervisor.set_options(Options(interval_seconds=0.1, provider="nvtop"))
    watch.until(lambda _: supervisor.status.sampler_pid not in (None, first))
    watch.until(lambda _: "nvtop" in heard.read_text())


def test_new_provider_setting_is_tried_at_once_where_none_was_found(watch: Watch) -> None:
    """An administrator who chose another provider waited half a minute for the next attempt."""
    supervisor = watch.start(
        """
        if b'"provider":"simulated"' in sys.stdin.buffer.readline():
            write(selected(), reading())
            until_told()
        else:
            write(selected(None, reason="gone"))
        """,
        look_again=3600,
    )
    watch.until(lambda snapshot: bool(snapshot.providers))
    supervisor.set_options(Options(interval_seconds=0.1, provider="simulated"))
    assert watch.until(is_fresh).provider is not None


def test_hidden_commands_stay_hidden_while_the_next_sampler_starts(watch: Watch) -> None:
    script = """
        from monitor.telemetry.schema import GpuProcess
        process = GpuProcess(pid=1, name="python", command="python --token secret")
        gpu = Gpu(index=0, uuid="a", name="x", processes=(process,))
        if b'"show_commands":"full"' in sys.stdin.buffer.readline():
            write(selected(), Reading(sampled_at=time.time(), gpus=(gpu,)))
        until_told()
        """
    supervisor = watch.start(script, timeout=30)
    shown = watch.until(lambda snapshot: bool(snapshot.gpus) and bool(snapshot.gpus[0].processes))
    assert [process.command for process in shown.gpus[0].processes or ()] == ["python --token secret"]
    first = supervisor.status.sampler_pid
    supervisor.set_options(Options(interval_seconds=0.1, show_commands="none"))
    watch.until(lambda _: supervisor.status.sampler_pid not in (None, first))
    after = watch.until(lambda snapshot: bool(snapshot.gpus))
    assert [(process.name, process.command) for process in after.gpus[0].processes or ()] == [(None, None)]


def test_new_options_do_not_change_whether_the_gpus_are_watched(watch: Watch) -> None:
    supervisor = watch.start("write(selected(), reading())\nuntil_told()")
    supervisor.set_watched(True)
    supervisor.set_options(Options(interval_seconds=0.2))
    assert supervisor.options == Options(interval_seconds=0.2, is_watched=True)


def test_system_metrics_can_be_switched_off_and_on_while_running(watch: Watch) -> None:
    supervisor = watch.start("write(selected(), reading())\nuntil_told()", timeout=30)
    watch.until(lambda snapshot: snapshot.system is None)
    supervisor.set_system(lambda _now: System(cpu_percent=12.0))
    watch.until(lambda snapshot: snapshot.system is not None and snapshot.system.cpu_percent == 12.0)
    supervisor.set_system(None)
    watch.until(lambda snapshot: snapshot.system is None)


def test_viewer_who_arrives_while_the_sampler_is_ending_causes_no_error(watch: Watch) -> None:
    """The write to the sampler's closed pipe ended the telemetry thread, and with it all snapshots."""
    supervisor = watch.start(
        """
        write(selected(), reading())
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True: time.sleep(60)
        """
    )
    watch.until(lambda snapshot: snapshot.stale)
    for is_watched in (True, False, True):
        supervisor.set_watched(is_watched)
        watch.until(lambda snapshot: snapshot.stale)
    watch.until(is_fresh)
    assert supervisor.options.is_watched
