"""How engines come to equal parts of the hosts: every engine looks in turn, and some of them die."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

import pytest

from monitor.runtime.shard_watch import LOOKS_FREE, ShardWatch
from monitor.shards import SHARDS, Shard

LOOKS = 12
"""Within ten seconds, at a look a second, and two for the last shard to move."""


class Work:
    """Judges and records nothing."""

    def __init__(self, hub: Hub, shard: Shard) -> None:
        self._hub, self._shard = hub, shard
        self.takes_long = False

    def start(self) -> None:
        self._hub.working.append(self._shard.number)

    def stop(self) -> bool:
        if self.takes_long:
            return False
        self._hub.working.remove(self._shard.number)
        return True


class Locks:
    """Of one engine, without a database."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub
        self.held: set[int] = set()

    def look(self) -> Mapping[int, Collection[int]]:
        others = [engine.locks.held for engine in self._hub.engines if engine.locks is not self]
        return {0: self.held, **dict(enumerate(others, 1))}

    def take(self, shard: int) -> bool:
        if any(shard in engine.locks.held for engine in self._hub.engines):
            return False
        self.held.add(shard)
        return True

    def give_up(self, shard: int) -> None:
        assert shard not in self._hub.working
        self.held.remove(shard)


class Engine:
    def __init__(self, hub: Hub) -> None:
        self.hub, self.locks = hub, Locks(hub)
        self.watch = ShardWatch(
            lambda: self.locks,
            new_work=lambda shard: Work(hub, shard),
            end_at_once=pytest.fail,  # type: ignore[arg-type, return-value]
        )

    def die(self) -> None:
        self.hub.engines.remove(self)
        for number in self.locks.held:
            self.hub.working.remove(number)


class Hub:
    def __init__(self, engine_count: int) -> None:
        self.working: list[int] = []
        """The shards at work: each once at most."""
        self.engines: list[Engine] = []
        for _ in range(engine_count):
            self.engines.append(Engine(self))

    def looks(self, count: int = LOOKS) -> None:
        for _ in range(count):
            for engine in self.engines:
                engine.watch.look(engine.locks)  # type: ignore[arg-type]
                assert len(self.working) == len({*self.working})

    @property
    def parts(self) -> list[int]:
        return sorted(len(engine.locks.held) for engine in self.engines)


@pytest.mark.parametrize(
    ("engine_count", "parts"),
    [(1, [4]), (2, [2, 2]), (3, [1, 1, 2]), (4, [1, 1, 1, 1]), (6, [0, 0, 1, 1, 1, 1])],
)
def test_engines_get_equal_parts(engine_count: int, parts: list[int]) -> None:
    hub = Hub(engine_count)
    hub.looks()
    assert hub.parts == parts
    assert sorted(hub.working) == [shard.number for shard in SHARDS]


@pytest.fixture
def two() -> Iterator[Hub]:
    hub = Hub(2)
    hub.looks()
    yield hub
    assert sorted(hub.working) == [shard.number for shard in SHARDS]


def test_shards_of_an_engine_that_died_are_taken_by_the_others(two: Hub) -> None:
    two.engines[0].die()
    two.looks(LOOKS_FREE)
    assert two.parts == [4]


def test_new_engine_gets_its_part_and_the_first_shard_stays_where_it_is(two: Hub) -> None:
    [first] = [engine for engine in two.engines if 0 in engine.locks.held]
    two.engines.append(Engine(two))
    two.looks()
    assert two.parts == [1, 1, 2]
    two.engines.append(Engine(two))
    two.looks()
    assert two.parts == [1, 1, 1, 1]
    assert 0 in first.locks.held


def test_nothing_moves_while_the_parts_are_equal(two: Hub) -> None:
    before = [{*engine.locks.held} for engine in two.engines]
    two.looks()
    assert [engine.locks.held for engine in two.engines] == before


def test_shard_moves_only_when_everything_of_it_is_written() -> None:
    hub = Hub(1)
    hub.looks()
    [first] = hub.engines
    last = first.watch.works[3]
    last.takes_long = True  # type: ignore[attr-defined]
    hub.engines.append(Engine(hub))
    hub.looks()
    assert hub.parts == [0, 4]
    last.takes_long = False  # type: ignore[attr-defined]
    hub.looks()
    assert hub.parts == [2, 2]


def test_shard_is_taken_even_if_the_engine_with_the_fewest_hangs(two: Hub) -> None:
    hanging = Engine(two)
    two.engines.append(hanging)
    dead = two.engines[0]
    dead.die()
    two.engines.remove(hanging)
    two.engines.insert(0, hanging)
    hanging.watch.look = lambda _locks: None  # type: ignore[method-assign]
    two.looks()
    assert two.parts == [0, 4]
