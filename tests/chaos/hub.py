"""A hub of several processes: a server and an engine over Redis and PostgreSQL, and a host whose agent sends to it."""

from __future__ import annotations

import re
import signal
import sys
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psutil

from tests.chaos.feed import Feed
from tests.chaos.scene import CALM, HOT_GPU, RECOVERY_SECONDS, RULE, Scene
from tests.chaos.world import GPUS, OTHER
from tests.fakes.fake_driver import FakeDriver, build_once
from tests.fleet.agents import Agent, is_live, make_codes
from tests.fleet.redis_server import RedisServer, running_redis
from tests.postgresql.cluster import Cluster, running_cluster
from tests.support.receivers import Receiver
from tests.support.servers import Server, wait_for
from tests.support.weak_link import WeakLink

_SECRET_KEY = "that the processes of the hub share"  # pragma: allowlist secret
_RECORDS = "this engine judges and records part"


WRITTEN_SECONDS = 120.0


class Hub(Scene):
    """Made by `hub`. The readings that are watched are those of the other host."""

    history = f"&host={OTHER}"

    def __init__(
        self, folder: Path, driver: FakeDriver, receiver: Receiver, redis: RedisServer, cluster: Cluster
    ) -> None:
        super().__init__(driver, receiver)
        self.redis, self.link, self._cluster = redis, WeakLink(redis.port), cluster
        self._names = iter(range(1000))
        self._folder = folder
        self._settings = {
            "redis_url": re.sub(r":\d+/", f":{self.link.port}/", redis.url),
            "database_url": cluster.new_database("hub"),
            "secret_key": _SECRET_KEY,
            "telemetry_provider": "simulated",
            "simulated_gpus": 1,
        }
        self.server = self._new("serve")
        self.engine = self._new("engine")
        self.server.start()
        self.server.manage("shell", "-c", RULE.format(url=receiver.url, gpu=HOT_GPU))
        [code] = make_codes(self.server, OTHER)
        self.agent = Agent(
            folder / "agent", self.server.url, "--code", code, telemetry_provider="pynvml", poll_interval_ms=250
        )
        self.agent.environment |= driver.env
        self.feed = Feed(self.server, f"?host={OTHER}")

    def _new(self, command: str) -> Server:
        folder = self._folder / command
        folder.mkdir()
        return Server(folder, command=[sys.executable, "manage.py", command], is_first_start=True, **self._settings)

    @property
    def log(self) -> str:
        return self.server.log + self.engine.log

    def start_engine(self) -> None:
        """Start it, and wait until it records."""
        written = len(self.engine.log)
        self.engine.launch()
        wait_for(lambda: _RECORDS in self.engine.log[written:], "the engine", seconds=RECOVERY_SECONDS)

    def start(self) -> None:
        self.start_engine()
        self.agent.start()
        self.recover()
        self.history_begins()

    def recover(self) -> None:
        self.feed.wait_for_fresh(RECOVERY_SECONDS)
        wait_for(lambda: is_live(self.server, OTHER), "the other host", seconds=RECOVERY_SECONDS)
        wait_for(self.is_healthy, "health", seconds=RECOVERY_SECONDS)

    def wait_for_history(self, second: int) -> None:
        """The engine writes once a minute, and the server reads what is written."""
        span = f"from={second}&to={second + 1}&points=10"
        path = f"/api/history?gpu={HOT_GPU}&metric=temperature_celsius&{span}{self.history}"
        wait_for(
            lambda: self.server.json(path)["series"][0]["time"], f"the history of {second}", seconds=WRITTEN_SECONDS
        )

    def events(self) -> list[str]:
        rows = self._cluster.run("SELECT id FROM monitor_alertevent WHERE rule_name = 'Chaos'", "hub").split()
        return [str(uuid.UUID(row)) for row in rows]

    def processes(self) -> list[psutil.Process]:
        return [psutil.Process(each.process.pid) for each in (self.server, self.engine) if each.process is not None]


@contextmanager
def hub(folder: Path) -> Iterator[Hub]:
    """A running hub, ended afterwards."""
    driver_folder = folder / "driver"
    driver_folder.mkdir()
    driver = FakeDriver(build_once("current"), driver_folder)
    driver.set({f"gpu.{index}.temperature": CALM for index in range(GPUS)}, gpus=GPUS)
    with ExitStack() as stack:
        redis, cluster = stack.enter_context(running_redis()), stack.enter_context(running_cluster())
        receiver = Receiver()
        stack.callback(receiver.close)
        made = Hub(folder, driver, receiver, redis, cluster)
        stack.callback(made.link.close)
        for each in (made.server, made.engine):
            stack.callback(_end, each)
        stack.callback(made.feed.close)
        stack.callback(lambda: made.agent.process and made.agent.stop(signal.SIGKILL))
        made.start()
        yield made


def _end(server: Server) -> None:
    if server.process is not None and server.process.poll() is None:
        server.process.send_signal(signal.SIGCONT)
        server.stop(seconds=60)
