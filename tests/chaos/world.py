"""A server with everything that can go wrong around it: driver, databases, disk, clock, processes, clients, receivers."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.chaos.feed import Feed
from tests.chaos.scene import CALM, HOT_GPU, RECOVERY_SECONDS, RULE, Scene
from tests.fakes.fake_driver import FakeDriver, build_once
from tests.fleet.agents import Agent, is_live, make_codes
from tests.support.receivers import Receiver
from tests.support.servers import ROOT, Server, wait_for
from tests.support.weak_link import WeakLink

GPUS = 4
WEAK_GPU = 1
"""The one that is lost and removed."""
OTHER = "other"
"""The host whose agent sends its readings here, over a weak link."""


class World(Scene):
    """Made by `world`."""

    history = ""

    def __init__(self, folder: Path, driver: FakeDriver, receiver: Receiver, preloads: list[Path]) -> None:
        super().__init__(driver, receiver)
        self.folder = folder
        self.full_disk, self.read_only_disk = folder / "disk_is_full", folder / "disk_is_read_only"
        self._clock = folder / "clock_offset"
        self._clock.write_bytes(struct.pack("=q", 0))
        environment = {
            **driver.env,
            "LD_PRELOAD": ":".join(map(str, preloads)),
            "FULL_DISK": str(self.full_disk),
            "READ_ONLY_DISK": str(self.read_only_disk),
            "CLOCK_OFFSET": str(self._clock),
        }
        data_dir = folder / "data"
        data_dir.mkdir()
        self.server = Server(
            data_dir, environment, telemetry_provider="pynvml", poll_interval_ms=250, sampler_timeout_ms=2000
        )
        self.server.manage("shell", "-c", RULE.format(url=receiver.url, gpu=HOT_GPU))
        self.feed = Feed(self.server)
        self.link = WeakLink(self.server.port)
        [code] = make_codes(self.server, OTHER)
        hub = f"http://127.0.0.1:{self.link.port}"
        self.agent = Agent(folder / "agent", hub, "--code", code, poll_interval_ms=1000)

    @property
    def log(self) -> str:
        return self.server.log

    @property
    def pid(self) -> int:
        """Of the server."""
        assert self.server.process is not None
        return self.server.process.pid

    @property
    def has_ended(self) -> bool:
        """Whether the server has ended by itself."""
        assert self.server.process is not None
        return self.server.process.poll() is not None

    @property
    def sampler(self) -> psutil.Process:
        """The sampler that runs now, or soon."""
        return wait_for(
            lambda: next(
                (each for each in psutil.Process(self.pid).children() if "sampler" in " ".join(each.cmdline())), None
            ),
            "a sampler",
            seconds=RECOVERY_SECONDS,
        )

    def start(self) -> None:
        """Start the server, and wait for readings."""
        self.feed.server_start += 1
        self.server.start()
        self.recover()
        self.history_begins()

    def recover(self) -> None:
        """Wait until everything is well again."""
        self.feed.wait_for_fresh(RECOVERY_SECONDS)
        wait_for(self.is_healthy, "health", seconds=RECOVERY_SECONDS)
        wait_for(lambda: is_live(self.server, OTHER), "the other host", seconds=RECOVERY_SECONDS)

    def set_clock(self, seconds: int) -> None:
        """Set the wall clock of the server this far ahead of this process's."""
        with self._clock.open("r+b") as file:  # truncated, it would end the processes that have mapped it
            file.write(struct.pack("=q", seconds))

    def wait_for_history(self, second: int) -> None:
        """The process that records also answers, from its memory too."""

    def events(self) -> list[str]:
        rows = self.server.sql("SELECT id FROM monitor_alertevent WHERE rule_name = 'Chaos'")
        return [str(uuid.UUID(row[0])) for row in rows]

    def processes(self) -> list[psutil.Process]:
        return [psutil.Process(self.pid)]

    def kill_server(self) -> None:
        """SIGKILL. Its sampler ends by itself."""
        children = psutil.Process(self.pid).children(recursive=True)
        os.kill(self.pid, signal.SIGKILL)
        assert self.server.process is not None
        self.server.process.wait()
        _gone, alive = psutil.wait_procs(children, timeout=20)
        assert alive == [], "the sampler outlived its server"


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """A world with a running server, ended afterwards."""
    driver_folder = folder / "driver"
    driver_folder.mkdir()
    driver = FakeDriver(build_once("current"), driver_folder)
    driver.set({f"gpu.{index}.temperature": CALM for index in range(GPUS)}, gpus=GPUS)
    receiver = Receiver()
    preloads = [_preload(folder, name) for name in ("full_disk", "read_only_disk", "moved_clock")]
    made = World(folder, driver, receiver, preloads)
    try:
        made.agent.start()
        made.start()
        yield made
    finally:
        made.feed.close()
        made.agent.stop(signal.SIGKILL)
        made.link.close()
        if made.server.process is not None and made.server.process.poll() is None:
            made.server.process.send_signal(signal.SIGCONT)
            made.driver.scenario("")  # a hanging sampler would hold up the end
            made.server.stop(seconds=60)
        receiver.close()


def _preload(folder: Path, name: str) -> Path:
    library = folder / f"{name}.so"
    source = ROOT / "tests" / "fakes" / f"{name}.c"
    subprocess.run(["gcc", "-shared", "-fPIC", "-Wall", "-Werror", "-o", library, source, "-ldl"], check=True)
    return library
