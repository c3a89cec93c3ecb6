"""A time of bad weather, and what must stay true through it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from statistics import fmean

from tests.chaos.weather import Weather
from tests.chaos.world import HOT_GPU, Size, World
from tests.support.servers import wait_for

MOST_GROWTH = Size(memory_bytes=40 << 20, descriptors=12, threads=6, children=0)
MOST_LOG_BYTES = 20_000
"""Per weather."""
_TOLERANCE_CELSIUS = 0.6
"""History keeps tenths of a degree; a reading near the end of a second can count in the next one."""


def storm(
    world: World, weathers: Sequence[Weather], chance: random.Random, *, say: Callable[[str], object] = print
) -> None:
    """One weather after the other. Each second one comes while an alert is open, which has to outlast it."""
    began, start = world.size(), world.feed.server_start
    for number, weather in enumerate(weathers):
        seconds, is_hot = chance.choice((0.5, 2.0, 4.0)), number % 2 == 0
        say(
            f"{number + 1}/{len(weathers)} {weather.__name__}, {seconds:g} s{', while an alert is open' if is_hot else ''}"
        )
        alert = world.heat() if is_hot else None
        written = len(world.server.log)
        with weather(world, chance):
            world.sleep(seconds)
        world.recover()
        assert len(world.server.log) - written < MOST_LOG_BYTES, "the log grew too fast"
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


def check_size(world: World, before: Size) -> None:
    """Nothing grows. A sampler that has just been replaced may still be there."""
    wait_for(lambda: not grown(before, world.size()), f"the size of before: {before}; now {world.size()}")


def grown(before: Size, after: Size) -> dict[str, int]:
    """What has grown, and by how much."""
    return {
        name: now - then
        for name, then, now, most in zip(Size._fields, before, after, MOST_GROWTH, strict=True)
        if now - then > most
    }


def check_history(world: World) -> None:
    """The seconds that were stored are those that were shown."""
    shown: dict[int, list[float]] = {}
    for each in world.feed.seen:
        celsius = each.temperatures[HOT_GPU] if len(each.temperatures) > HOT_GPU else None
        if each.is_fresh and celsius is not None and each.sampled_at >= world.checked_from:
            shown.setdefault(int(each.sampled_at), []).append(celsius)
    seconds = sorted(shown)[1:-3]  # whole seconds, which the recorder has read
    if not seconds:
        return
    span = f"from={seconds[0]}&to={seconds[-1] + 1}&points=5000"
    [series] = world.server.json(f"/api/history?gpu={HOT_GPU}&metric=temperature_celsius&{span}")["series"]
    assert series["tier"] == "seconds", series["tier"]
    stored = dict(zip(map(int, series["time"]), series["mean"], strict=True))
    wrong = {
        second: (stored.get(second), shown[second])
        for second in seconds
        if abs((stored.get(second) or 0.0) - fmean(shown[second])) > _TOLERANCE_CELSIUS and len(set(shown[second])) == 1
    }
    assert wrong == {}, f"stored and shown differ: {wrong}"


def check_alerts(world: World) -> None:
    """Each time the GPU was hot is one event, told once when it began and once when it ended."""
    ids = [row[0] for row in world.server.sql("SELECT id FROM monitor_alertevent WHERE rule_name = 'Chaos'")]
    assert len(ids) == world.heat_count
    wait_for(lambda: sum(told(world).values()) >= 2 * world.heat_count, "all messages", seconds=90)
    assert set(told(world).values()) == {1}, told(world)
    assert len(told(world)) == 2 * world.heat_count


def told(world: World) -> Counter[tuple[str, str]]:
    """How many messages told that an event began or ended, by its id and the message's type. Attempts of one message count once."""
    messages = {request.headers["webhook-id"]: request.json for request in world.receiver.requests}
    return Counter(
        (event["id"], message["type"]) for message in messages.values() for event in message["data"]["events"]
    )
