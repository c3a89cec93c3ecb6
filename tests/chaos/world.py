"""A server with everything that can go wrong around it: driver, databases, disk, clock, processes, clients, receivers."""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.chaos.feed import Feed
from tests.fakes.fake_driver import FakeDriver, build_once
from tests.fleet.agents import Agent, is_live, make_codes
from tests.support.receivers import Receiver
from tests.support.servers import ROOT, Server, wait_for
from tests.support.weak_link import WeakLink

GPUS = 4
HOT_GPU, WEAK_GPU = 2, 1
"""The one whose alerts are counted, and the one that is lost and removed."""
CALM, HOT = 60, 95
OTHER = "other"
"""The host whose agent sends its readings here, over a weak link."""
RECOVERY_SECONDS = 60.0
"""The longest back-off of a sampler that keeps ending is 30 s; then it has to start, on a busy machine."""
_RULE = """
from monitor.models import AlertRule, Channel
from tests.support.outbox_rows import SECRET
channel = Channel.objects.create(
    name="counter", url={url!r}, signing_secret=SECRET, is_for_all_rules=False, messages_per_hour=10_000
)
rule = AlertRule.objects.create(
    name="Chaos", metric="gpu.temperature_celsius", comparator=">=", threshold=90, gpu_indexes="{gpu}", for_seconds=0
)
rule.channels.set([channel])
"""


class Size(NamedTuple):
    """Of the server and its sampler."""

    memory_bytes: int
    descriptors: int
    threads: int
    children: int


class World:
    """Made by `world`."""

    def __init__(self, folder: Path, driver: FakeDriver, receiver: Receiver, preloads: list[Path]) -> None:
        self.folder, self.driver, self.receiver = folder, driver, receiver
        self.full_disk = folder / "disk_is_full"
        self.heat_count = 0
        self.checked_from = 0.0
        """Start of the history that has to equal what was published."""
        self._clock = folder / "clock_offset"
        self._clock.write_bytes(struct.pack("=q", 0))
        environment = {
            **driver.env,
            "LD_PRELOAD": ":".join(map(str, preloads)),
            "FULL_DISK": str(self.full_disk),
            "CLOCK_OFFSET": str(self._clock),
        }
        data_dir = folder / "data"
        data_dir.mkdir()
        self.server = Server(
            data_dir, environment, telemetry_provider="pynvml", poll_interval_ms=250, sampler_timeout_ms=2000
        )
        self.server.manage("shell", "-c", _RULE.format(url=receiver.url, gpu=HOT_GPU))
        self.feed = Feed(self.server)
        self.link = WeakLink(self.server.port)
        [code] = make_codes(self.server, OTHER)
        hub = f"http://127.0.0.1:{self.link.port}"
        self.agent = Agent(folder / "agent", hub, "--code", code, poll_interval_ms=1000)

    @property
    def pid(self) -> int:
        """Of the server."""
        assert self.server.process is not None
        return self.server.process.pid

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
        wait_for(self._is_healthy, "health", seconds=RECOVERY_SECONDS)
        wait_for(lambda: is_live(self.server, OTHER), "the other host", seconds=RECOVERY_SECONDS)

    def history_begins(self) -> None:
        """From now on it has to be complete."""
        self.checked_from = max((each.sampled_at for each in self.feed.seen), default=0.0) + 1.0

    def set_clock(self, seconds: int) -> None:
        """Set the wall clock of the server this far ahead of this process's."""
        with self._clock.open("r+b") as file:  # truncated, it would end the processes that have mapped it
            file.write(struct.pack("=q", seconds))

    # ── The alert that is counted ─────────────────────────────────────────────────────────────────────────────────────

    def heat(self) -> str:
        """Heat a GPU until its alert is open and stored, a moment later; returns the alert's id."""
        self.driver.set({f"gpu.{HOT_GPU}.temperature": HOT})
        self.heat_count += 1
        alert = str(wait_for(self.open_alert, "the alert", seconds=RECOVERY_SECONDS))
        stored = "SELECT 1 FROM monitor_alertevent WHERE id = ?"
        wait_for(
            lambda: self.server.sql(stored, uuid.UUID(alert).hex), "the alert to be stored", seconds=RECOVERY_SECONDS
        )
        return alert

    def cool(self) -> None:
        """Cool it again until the alert has resolved."""
        self.driver.set({f"gpu.{HOT_GPU}.temperature": CALM})
        wait_for(lambda: self.open_alert() is None, "the alert to resolve", seconds=RECOVERY_SECONDS)

    def open_alert(self) -> str | None:
        """The id of the open alert of the rule; None if there is none."""
        found = [each["id"] for each in self.server.json("/api/alerts")["alerts"] if each["rule"] == "Chaos"]
        assert len(found) <= 1, found
        return found[0] if found else None

    # ── What must not grow ────────────────────────────────────────────────────────────────────────────────────────────

    def size(self) -> Size:
        """Now."""
        main = psutil.Process(self.pid)
        children = main.children(recursive=True)
        every = [main, *children]
        return Size(
            sum(each.memory_info().rss for each in every),
            sum(each.num_fds() for each in every),
            sum(each.num_threads() for each in every),
            len(children),
        )

    def _is_healthy(self) -> bool:
        try:
            return self.server.get("/api/health")[0] == 200
        except (OSError, ValueError):
            return False

    def kill_server(self) -> None:
        """SIGKILL. Its sampler ends by itself."""
        children = psutil.Process(self.pid).children(recursive=True)
        os.kill(self.pid, signal.SIGKILL)
        assert self.server.process is not None
        self.server.process.wait()
        _gone, alive = psutil.wait_procs(children, timeout=20)
        assert alive == [], "the sampler outlived its server"

    def sleep(self, seconds: float) -> None:
        """What has begun goes on for so long."""
        time.sleep(seconds)


@contextmanager
def world(folder: Path) -> Iterator[World]:
    """A world with a running server, ended afterwards."""
    driver_folder = folder / "driver"
    driver_folder.mkdir()
    driver = FakeDriver(build_once("current"), driver_folder)
    driver.set({f"gpu.{index}.temperature": CALM for index in range(GPUS)}, gpus=GPUS)
    receiver = Receiver()
    made = World(folder, driver, receiver, [_preload(folder, name) for name in ("full_disk", "moved_clock")])
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
