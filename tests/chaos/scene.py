"""What a storm needs of a world: readings that are watched, and a GPU whose alerts are counted."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, NamedTuple

import psutil

from tests.chaos.feed import Feed
from tests.fakes.fake_driver import FakeDriver
from tests.support.receivers import Receiver
from tests.support.servers import Server, wait_for

HOT_GPU = 2
"""The one whose alerts are counted."""
CALM, HOT = 60, 95
RECOVERY_SECONDS = 60.0
"""The longest back-off of a sampler that keeps ending is 30 s; then it has to start, on a busy machine."""
RULE = """
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
    """Of the processes."""

    memory_bytes: int
    descriptors: int
    threads: int
    children: int


class Scene(ABC):
    """A server that shows the readings of a host, with a fake driver there and a receiver of its alerts."""

    server: Server
    feed: Feed
    """Of the host with the hot GPU."""
    history: str
    """What the query of its history adds."""

    def __init__(self, driver: FakeDriver, receiver: Receiver) -> None:
        self.driver, self.receiver = driver, receiver
        self.heat_count = 0
        self.checked_from = 0.0
        """Start of the history that has to equal what was published."""

    @property
    @abstractmethod
    def log(self) -> str:
        """What the processes have logged."""

    @abstractmethod
    def recover(self) -> None:
        """Wait until everything is well again."""

    @abstractmethod
    def events(self) -> list[str]:
        """The ids of the stored alerts of the rule."""

    @abstractmethod
    def processes(self) -> list[psutil.Process]:
        """Those that must not grow, without their children."""

    def history_begins(self) -> None:
        """From now on it has to be complete."""
        self.checked_from = max((each.sampled_at for each in self.feed.seen), default=0.0) + 1.0

    @abstractmethod
    def wait_for_history(self, second: int) -> None:
        """Wait until the history of this second can be read."""

    def heat(self) -> str:
        """Heat a GPU until its alert is open and stored, a moment later; returns the alert's id."""
        self.driver.set({f"gpu.{HOT_GPU}.temperature": HOT})
        self.heat_count += 1
        alert = str(wait_for(self.open_alert, "the alert", seconds=RECOVERY_SECONDS))
        wait_for(lambda: alert in self.events(), "the alert to be stored", seconds=RECOVERY_SECONDS)
        return alert

    def cool(self) -> None:
        """Cool it again until the alert has resolved."""
        self.driver.set({f"gpu.{HOT_GPU}.temperature": CALM})
        wait_for(lambda: self.open_alert() is None, "the alert to resolve", seconds=RECOVERY_SECONDS)

    def open_alert(self) -> str | None:
        """The id of the open alert of the rule; None if there is none."""
        found = [each["id"] for each in self._open_alerts() if each["rule"] == "Chaos"]
        assert len(found) <= 1, found
        return found[0] if found else None

    def _open_alerts(self) -> Iterable[dict[str, Any]]:
        return list(self.server.json("/api/alerts")["alerts"])

    def size(self) -> Size:
        """Now."""
        roots = self.processes()
        children = [child for each in roots for child in each.children(recursive=True)]
        every = [*roots, *children]
        return Size(
            sum(each.memory_info().rss for each in every),
            sum(each.num_fds() for each in every),
            sum(each.num_threads() for each in every),
            len(children),
        )

    def is_healthy(self) -> bool:
        """Whether the server says so."""
        try:
            return self.server.get("/api/health")[0] == 200
        except (OSError, ValueError):
            return False

    def sleep(self, seconds: float) -> None:
        """What has begun goes on for so long."""
        time.sleep(seconds)
