"""The stage of an engine that takes shards which no engine has, and gives some up to an engine that has fewer."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import ThreadPoolExecutor

import psycopg

from monitor.postgresql.engine_locks import EngineLocks, ShardLost
from monitor.postgresql.errors import brief
from monitor.runtime.shard_work import ShardWork
from monitor.shards import SHARDS, Shard
from monitor.telemetry.schema import Snapshot

log = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
LOOKS_FREE = 2
"""In how many looks in a row a shard must be without an engine before the one with the fewest takes it: when PostgreSQL restarts,
every engine comes back to its own."""
LOOKS_LEFT = 5
"""After this many looks, any engine takes it: the one with the fewest may hang."""


class ShardWatch:
    """Looks in a thread of its own, because PostgreSQL can hang."""

    name = "shards"

    def __init__(
        self,
        new_locks: Callable[[], EngineLocks],
        *,
        new_work: Callable[[Shard], ShardWork],
        end_at_once: Callable[[], None],
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        """`new_locks`: called in the thread. `end_at_once`: ends the process, so that other engines take its shards."""
        self._new_locks, self._new_work, self._end_at_once = new_locks, new_work, end_at_once
        self._look_seconds = look_seconds
        self.works: dict[int, ShardWork] = {}
        """Of the shards of this engine, by number. Changed by the thread."""
        self._leaving: int | None = None
        """The shard that is being given up."""
        self._looks: dict[int, int] = {}
        """How often each free shard was seen to be free in a row."""
        self._passive: set[int] = set()
        """Engines that did not take a shard when it was theirs to take: they hang, and get nothing from this one."""
        self._problem: str | None = None
        self._is_stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="shards", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def take(self, snapshot: Snapshot) -> None:
        """Shards do not depend on readings."""

    def stop(self, seconds: float = 20.0) -> None:
        """Write everything. The locks end with the process."""
        self._is_stopping.set()
        self._thread.join(seconds)
        if self.works:
            with ThreadPoolExecutor(len(self.works)) as pool:
                deque(pool.map(ShardWork.stop, self.works.values()), maxlen=0)

    @property
    def problem(self) -> str | None:
        return self._problem

    def _run(self) -> None:
        locks = self._new_locks()
        while not self._is_stopping.is_set():
            try:
                self.look(locks)
            except ShardLost:
                log.critical("another engine has taken over; this one ends")
                self._end_at_once()
            except psycopg.Error as error:
                self._note(f"the locks of the shards cannot be read or taken ({brief(error)})")
            except Exception:
                log.exception("this engine cannot divide the hosts with others, and ends")
                self._end_at_once()
            else:
                self._note(None)
            self._is_stopping.wait(self._look_seconds)

    def _note(self, problem: str | None) -> None:
        if problem is not None and problem != self._problem:
            log.error("%s", problem)
        elif problem is None and self._problem is not None:
            log.info("recovered: the locks of the shards can be read and taken")
        self._problem = problem

    def look(self, locks: EngineLocks) -> None:
        """Leave, take or give up what is due."""
        owners = locks.look()
        if self._leaving is not None:
            self._leave(locks, self._leaving)
            return
        owned = {number for shards in owners.values() for number in shards}
        self._looks = {each.number: self._looks.get(each.number, 0) + 1 for each in SHARDS if each.number not in owned}
        for shard in SHARDS:
            looks, fewer = self._looks.get(shard.number, 0), with_fewer(locks.held, owners)
            if looks >= (LOOKS_LEFT if fewer else LOOKS_FREE) and locks.take(shard.number):
                self._passive |= fewer
                self._begin(shard)
        others = {engine: shards for engine, shards in owners.items() if shards or engine not in self._passive}
        if not self._looks and with_fewer(locks.held, others, by=2):
            self._leave(locks, max(locks.held))

    def _begin(self, shard: Shard) -> None:
        log.info("this engine judges and records part %d of %d of the hosts from now on", shard.number + 1, len(SHARDS))
        self.works[shard.number] = work = self._new_work(shard)
        work.start()

    def _leave(self, locks: EngineLocks, number: int) -> None:
        """Write everything, then let another engine have the shard; if something takes long, at a later look. It is never the first
        one, with which messages are sent: one that is on its way here could be sent again there.
        """
        self._leaving = number
        if self.works[number].stop():
            del self.works[number]
            self._leaving = None
            locks.give_up(number)
            log.info("this engine has given part %d of %d of the hosts to another", number + 1, len(SHARDS))


def with_fewer(held: Collection[int], owners: Mapping[int, Collection[int]], *, by: int = 1) -> set[int]:
    """The engines with fewer shards than this one, which has `held`, by so many at least. `owners`: as of EngineLocks.look."""
    return {engine for engine, shards in owners.items() if engine != 0 and len(held) - len(shards) >= by}
