"""A time of bad weather, and what must stay true through it."""

from __future__ import annotations

import contextlib
import random
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from statistics import fmean
from typing import TypeVar

from tests.chaos.scene import HOT_GPU, Scene, Size
from tests.support.servers import wait_for

S = TypeVar("S", bound=Scene)
MOST_GROWTH = Size(memory_bytes=40 << 20, descriptors=12, threads=6, children=0)
MOST_LOG_BYTES = 20_000
"""Per weather."""
_TOLERANCE_CELSIUS = 0.6
"""History keeps tenths of a degree; a reading near the end of a second can count in the next one."""


def storm(
    world: S,
    weathers: Sequence[Callable[[S, random.Random], AbstractContextManager[None]]],
    chance: random.Random,
    *,
    say: Callable[[str], object] = print,
) -> None:
    """One weather after the other. Each second one comes while an alert is open, which has to outlast it."""
    began, start = world.size(), world.feed.server_start
    for number, weather in enumerate(weathers):
        seconds, is_hot = chance.choice((0.5, 2.0, 4.0)), number % 2 == 0
        say(
            f"{number + 1}/{len(weathers)} {weather.__name__}, {seconds:g} s{', while an alert is open' if is_hot else ''}"
        )
        alert = world.heat() if is_hot else None
        written = len(world.log)
        with weather(world, chance):
            world.sleep(seconds)
        world.recover()
        assert len(world.log) - written < MOST_LOG_BYTES, "the log grew too fast"
        if is_hot:
            assert wait_for(world.open_alert, "the open alert") == alert
            world.cool()
        if world.feed.server_start != start:
            began, start = world.size(), world.feed.server_start
        else:
            check_size(world, began)
        world.feed.check()
    check_history(world)
    check_alerts(world)


def check_size(world: Scene, before: Size) -> None:
    """Nothing grows. A sampler that has just been replaced may still be there."""
    wait_for(lambda: not grown(before, world.size()), f"the size of before: {before}; now {world.size()}")


def grown(before: Size, after: Size) -> dict[str, int]:
    """What has grown, and by how much."""
    return {
        name: now - then
        for name, then, now, most in zip(Size._fields, before, after, MOST_GROWTH, strict=True)
        if now - then > most
    }


def check_history(world: Scene) -> None:
    """The seconds that were stored are those that were shown."""
    shown: dict[int, list[float]] = {}
    for each in world.feed.seen:
        celsius = each.temperatures[HOT_GPU] if len(each.temperatures) > HOT_GPU else None
        if each.is_fresh and celsius is not None and each.sampled_at >= world.checked_from:
            shown.setdefault(int(each.sampled_at), []).append(celsius)
    seconds = sorted(shown)[1:-3]  # whole seconds, which the recorder has read
    if not seconds:
        return
    world.wait_for_history(seconds[-1])
    span = f"from={seconds[0]}&to={seconds[-1] + 1}&points=5000{world.history}"
    [series] = world.server.json(f"/api/history?gpu={HOT_GPU}&metric=temperature_celsius&{span}")["series"]
    assert series["tier"] == "seconds", series["tier"]
    stored = dict(zip(map(int, series["time"]), series["mean"], strict=True))
    wrong = {
        second: (stored.get(second), shown[second])
        for second in seconds
        if abs((stored.get(second) or 0.0) - fmean(shown[second])) > _TOLERANCE_CELSIUS and _is_steady(shown, second)
    }
    assert wrong == {}, f"stored and shown differ: {wrong}"


def _is_steady(shown: dict[int, list[float]], second: int) -> bool:
    """Whether nothing changed around it: a feed that reconnects misses some of the readings of a second."""
    return len({celsius for near in (second - 1, second, second + 1) for celsius in shown.get(near, [])}) == 1


def check_alerts(world: Scene) -> None:
    """Each time the GPU was hot is one event, told once when it began and once when it ended.

    Messages that are late, as after the clock was set, are combined: such a digest tells of an event once.
    """
    ids = set(world.events())
    assert len(ids) == world.heat_count
    with contextlib.suppress(AssertionError):  # what follows says more
        wait_for(lambda: all(_is_told(told(world)[each]) for each in ids), "all messages", seconds=90)
    wrong = {each: kinds for each, kinds in told(world).items() if not _is_told(kinds) or max(kinds.values()) > 1}
    assert (wrong, told(world).keys()) == ({}, ids)


def told(world: Scene) -> defaultdict[str, Counter[str]]:
    """How many messages of each type told of an event, by its id. Attempts of one message count once."""
    messages = {request.headers["webhook-id"]: request.json for request in world.receiver.requests}
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for message in messages.values():
        for event in message["data"]["events"]:
            found[event["id"]][message["type"]] += 1
    return found


def _is_told(kinds: Counter[str]) -> bool:
    """Whether the end was told."""
    return kinds["alert.resolved"] == 1 or kinds["alert.digest"] >= 1
