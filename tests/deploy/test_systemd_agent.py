"""The systemd unit of the agent. test_systemd.py checks it with systemd's own tools, like the others."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.deploy.checkers import checker
from tests.deploy.listening import NotifySocket
from tests.deploy.units import AGENT, PREFIX, UNITS, allowed_calls, calls_in, unit, values
from tests.fakes.fake_driver import FakeDriver
from tests.fleet.stub_hub import StubHub
from tests.support.servers import wait_for

pytestmark = pytest.mark.slow


def test_agent_has_the_sandbox_of_the_server(installed: Path) -> None:
    server, agent = (
        [line for line in unit(installed, name).partition("# ── Sandbox")[2].splitlines() if not line.startswith("#")]
        for name in (UNITS[0], AGENT)
    )
    assert [line for line in server if line not in agent] == ["SystemCallFilter=@chown"]
    assert [line for line in agent if line not in server] == []


def test_agent_starts_again_always_and_bounds_what_it_takes(installed: Path) -> None:
    text = unit(installed, AGENT)
    assert (values(text, "Restart"), values(text, "StartLimitIntervalSec")) == (["always"], ["0"])
    assert (values(text, "MemoryMax"), values(text, "TasksMax")) == (["512M"], ["64"])
    assert values(text, "OOMScoreAdjust") == ["500"]
    assert values(text, "StateDirectory") != values(unit(installed, UNITS[0]), "StateDirectory")


def test_agent_joins_by_the_credential_reports_to_systemd_and_makes_no_system_call_that_its_filter_refuses(
    installed: Path, tmp_path: Path, fake_driver: FakeDriver
) -> None:
    (tmp_path / "hub-code").write_text("gpumonjoin_of_the_test\n")
    text = unit(installed, AGENT)
    (command,) = values(text, "ExecStart")
    assert values(text, "LoadCredential") == ["hub-code:/etc/gpumon/hub-code"]
    folder = installed / PREFIX.lstrip("/")
    given = shlex.split(command.replace(PREFIX, str(folder)).replace("${CREDENTIALS_DIRECTORY}", str(tmp_path)))
    fake_driver.set(gpus=2)
    counted = tmp_path / "calls"
    assert (values(text, "Type"), values(text, "NotifyAccess"), values(text, "WatchdogSec")) == (
        ["notify"],
        ["main"],
        ["60"],
    )
    notify = NotifySocket(tmp_path, watchdog_seconds=0.2)
    clean = {name: value for name, value in os.environ.items() if not name.startswith("GPU_MONITOR_")}
    with StubHub().running() as hub:
        strace = subprocess.Popen(
            [checker("strace"), "-f", "-qq", "-c", "-o", str(counted), *given],
            cwd=folder,
            env=clean
            | fake_driver.env
            | notify.environment
            | {
                "GPU_MONITOR_HUB": hub.url,
                "GPU_MONITOR_DATA_DIR": str(tmp_path / "data"),
                "GPU_MONITOR_TELEMETRY_PROVIDER": "pynvml",
            },
        )
        try:
            wait_for(lambda: len(hub.received) > 1 and len(hub.received[-1].snapshot.gpus) == 2, "both GPUs")
            notify.wait_for("READY=1")
            notify.wait_for("WATCHDOG=1", times=3)
        finally:
            for child in psutil.Process(strace.pid).children():
                child.terminate()
            assert strace.wait(30) == 0
    assert [message for message in notify.heard() if message != "WATCHDOG=1"] == ["READY=1", "STOPPING=1"]
    notify.close()
    assert hub.hellos[0].code == "gpumonjoin_of_the_test"
    made = calls_in(counted)
    assert "connect" in made
    assert made - allowed_calls(text) == set()
