"""What can go wrong in a hub of several processes; as in weather.py."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from tests.chaos.hub import Hub

Weather = Callable[[Hub, random.Random], AbstractContextManager[None]]


# ── Redis ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def redis_killed(hub: Hub, _chance: random.Random) -> Iterator[None]:
    """It has kept nothing when it comes back. What the engine has read before is written within a minute: if the engine were killed
    too before that, these readings would be lost.
    """
    hub.redis.stop()
    try:
        yield
    finally:
        hub.redis.start()
    hub.recover()
    hub.wait_for_history(int(hub.feed.seen[-1].sampled_at) - 1)


@contextmanager
def redis_restarted(hub: Hub, _chance: random.Random) -> Iterator[None]:
    hub.redis.stop()
    hub.redis.start()
    yield
    hub.recover()
    hub.wait_for_history(int(hub.feed.seen[-1].sampled_at) - 1)


@contextmanager
def redis_stopped(hub: Hub, _chance: random.Random) -> Iterator[None]:
    """It holds its connections and answers nothing."""
    hub.redis.freeze()
    try:
        yield
    finally:
        hub.redis.freeze(is_frozen=False)


@contextmanager
def redis_slow(hub: Hub, chance: random.Random) -> Iterator[None]:
    with hub.link.slowed(chance.choice((0.02, 0.1, 0.5))):
        yield


@contextmanager
def redis_cut_off(hub: Hub, _chance: random.Random) -> Iterator[None]:
    with hub.link.cut():
        yield


@contextmanager
def redis_link_stalled(hub: Hub, _chance: random.Random) -> Iterator[None]:
    with hub.link.stalled():
        yield


# ── Processes ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def engine_killed(hub: Hub, _chance: random.Random) -> Iterator[None]:
    hub.engine.stop(signal.SIGKILL)
    hub.feed.server_start += 1
    yield
    hub.start_engine()


@contextmanager
def engine_restarted(hub: Hub, _chance: random.Random) -> Iterator[None]:
    hub.engine.stop(seconds=30)
    hub.feed.server_start += 1
    yield
    hub.start_engine()


@contextmanager
def server_killed(hub: Hub, _chance: random.Random) -> Iterator[None]:
    hub.server.stop(signal.SIGKILL)
    hub.feed.server_start += 1
    yield
    hub.server.start()


@contextmanager
def agent_killed(hub: Hub, _chance: random.Random) -> Iterator[None]:
    hub.agent.stop(signal.SIGKILL)
    hub.feed.server_start += 1
    yield
    hub.agent.start()
    hub.recover()
    hub.history_begins()


EVERY: tuple[Weather, ...] = (
    redis_killed, redis_restarted, redis_stopped, redis_slow, redis_cut_off, redis_link_stalled,
    engine_killed, engine_restarted, server_killed, agent_killed,
)  # fmt: skip
