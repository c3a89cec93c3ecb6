"""A server that hangs ends itself where systemd has no watchdog, even if the interpreter lock is never released."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys

import pytest

from monitor.server.systemd import Systemd
from monitor.server.watchdog import watch
from tests.support.servers import ROOT

pytestmark = pytest.mark.slow

SERVE = """
import asyncio, re, sys, time
from monitor.server.watchdog import end_if_hanging

lives = iter([True] + [False] * 100)

async def main():
    guarding = asyncio.ensure_future(end_if_hanging(lambda: {alive}, seconds={seconds}))
    await asyncio.sleep(0.1)
    {then}

asyncio.run(main())
"""
BACKTRACKING = "re.match(r'(a+)+$', 'a' * 60 + 'b')"
"""Runs for years without releasing the interpreter lock."""


def ended(then: str, alive: str = "True", seconds: float = 0.5) -> subprocess.CompletedProcess[str]:
    script = SERVE.format(then=then, alive=alive, seconds=seconds)
    return subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=30, check=False
    )


@pytest.mark.parametrize("hang", ["time.sleep(60)", BACKTRACKING])
def test_hanging_event_loop_ends_the_process_and_shows_where(hang: str) -> None:
    process = ended(hang)
    assert process.returncode == 1
    assert "Timeout (0:00:00.500000)!" in process.stderr
    assert "in main" in process.stderr


def test_missing_readings_end_the_process_too() -> None:
    process = ended("await asyncio.sleep(60)", alive="next(lives)")
    assert process.returncode == 1


def test_running_event_loop_is_left_alone_and_the_watchdog_ends_with_it() -> None:
    assert ended("await asyncio.sleep(6); guarding.cancel()", seconds=3).returncode == 0
    assert ended("guarding.cancel(); await asyncio.sleep(0); time.sleep(1)").returncode == 0


def test_server_stopped_by_its_user_does_not_hang() -> None:
    """Ctrl-Z, and `fg` after a while."""
    stop = (
        "import signal; from monitor.server.watchdog import stop_for_terminal\n"
        "    signal.signal(signal.SIGTSTP, stop_for_terminal); print('ready', flush=True); await asyncio.sleep(2)\n"
        "    guarding.cancel()"
    )
    command = [sys.executable, "-c", SERVE.format(then=stop, alive="True", seconds=2)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGTSTP)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(3)
        process.send_signal(signal.SIGCONT)
        assert process.wait(20) == 0


def test_watchdog_of_systemd_replaces_our_own(monkeypatch: pytest.MonkeyPatch) -> None:
    used: list[str] = []

    async def note(name: str) -> None:
        used.append(name)

    monkeypatch.setattr(Systemd, "signal_watchdog", lambda *_: note("systemd"))
    monkeypatch.setattr("monitor.server.watchdog.end_if_hanging", lambda *_: note("ours"))
    asyncio.run(watch(Systemd("/run/systemd/notify", 60), lambda: True))
    asyncio.run(watch(Systemd(None), lambda: True))
    asyncio.run(watch(Systemd("/run/systemd/notify"), lambda: True))
    assert used == ["systemd", "ours", "ours"]
