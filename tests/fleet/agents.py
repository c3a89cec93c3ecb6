"""Real agents for tests, and the rows that a hub has about them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.support.servers import ROOT, Server, wait_for

ELSEWHERE = """
import sys
from pathlib import Path
from monitor.management import agent_command
agent_command.BOOT_ID = Path(sys.argv[1])
sys.exit(agent_command.agent(sys.argv[2:]))
"""
"""The same command on a machine with this boot id."""


class Agent:
    """`gpumon agent` with one simulated GPU, on a data folder of its own."""

    def __init__(self, folder: Path, hub: str, *options: str, boot_id: str | None = None, **settings: object) -> None:
        """`boot_id`: of another kernel than this machine's."""
        self.folder = folder
        folder.mkdir(exist_ok=True)
        self._log = folder / "agent.log"
        clean = {name: value for name, value in os.environ.items() if not name.startswith("GPU_MONITOR_")}
        given = {
            "data_dir": folder,
            "telemetry_provider": "simulated",
            "simulated_gpus": 1,
            "poll_interval_ms": 100,
            **settings,
        }
        self.environment = clean | {f"GPU_MONITOR_{name.upper()}": str(value) for name, value in given.items()}
        self._command = [sys.executable, "-m", "gpumon_site.cli", "agent", "--hub", hub, *options]
        if boot_id is not None:
            (folder / "boot_id").write_text(boot_id)
            self._command[1:4] = ["-c", ELSEWHERE, str(folder / "boot_id")]
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Agent:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(self._command, cwd=ROOT, env=self.environment, stdout=log, stderr=log)
        return self

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(how)
        return self.process.wait(20)

    def __enter__(self) -> Agent:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    @property
    def host_id(self) -> str:
        return (self.folder / "host_id").read_text().strip()

    @property
    def key(self) -> str:
        return (self.folder / "agent_key").read_text().strip()

    def says(self, words: str) -> None:
        """Wait until its log contains this."""
        wait_for(lambda: words in self.log, f"{words!r} in the agent's log")


def in_database(server: Server, code: str) -> list[str]:
    """Run this in the server's database, with models and registry imported; returns what it prints, line by line."""
    imports = (
        "from datetime import timedelta; from django.utils import timezone; from monitor.fleet import registry; "
        "from monitor.models import FleetHost, JoinCode; now = timezone.now()"
    )
    return server.manage("shell", "-v", "0", "-c", f"{imports}\n{code}").splitlines()


def make_codes(server: Server, *names: str) -> list[str]:
    """A one-time code for a host of each name. The hosts so far count as other machines than this one."""
    make = f"for name in {names!r}: print(registry.make_code(name=name, created_by=None, now=now))"
    return in_database(server, f"FleetHost.objects.update(machine='')\n{make}")


def host(server: Server, name: str) -> dict[str, Any] | None:
    """What /api/hosts says about this host."""
    found = [each for each in server.json("/api/hosts")["hosts"] if each["name"] == name]
    return found[0] if found else None


def is_live(server: Server, name: str) -> bool:
    """Whether its agent is connected and its readings are current."""
    found = host(server, name)
    return found is not None and found["is_connected"] and not found["stale"]
