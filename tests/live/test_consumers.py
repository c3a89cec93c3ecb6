"""The life of a socket, with a server whose `send` waits for the client, as uvicorn's does. Time is virtual."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from channels.layers import get_channel_layer

from monitor.http.origins import Origins
from monitor.live.admission import ENDED
from monitor.live.consumers import CLOSE_SECONDS, INVALID_DATA, GpuFeedConsumer
from monitor.live.hub import Hub
from tests.live.scene import Feed, Readings, until
from tests.support.virtual_time import run


def test_ended_socket_receives_nothing_more_when_its_client_reads_again() -> None:
    """Regression: one or two frames made after the end of the session followed the close reason."""

    async def scene() -> Feed:
        hub = Hub(max_rate_hz=5)
        readings, feed = Readings(hub), Feed(hub)
        await readings.publish_at(1)
        await until(1.1)
        assert feed.events == ["accept", "send"]
        feed.reads.clear()
        await readings.publish_at(2)
        await until(2.5)
        feed.admission.open[0].end("logged out")
        await readings.publish_at(3)
        await until(3.5)
        feed.reads.set()
        await feed.serving
        return feed

    feed = run(scene())
    assert feed.events[2:] == ["close"]
    assert (feed.close_code, feed.close_reason) == (ENDED, "logged out")
    assert feed.admission.open == []


def test_frames_that_a_slow_client_misses_are_counted_unless_it_has_a_rate_of_its_own() -> None:
    async def scene(query: str) -> tuple[list[int], int]:
        hub = Hub(max_rate_hz=30)
        readings, feed = Readings(hub), Feed(hub, query=query)
        await readings.publish_at(1, 2)
        await until(2.5)
        feed.reads.clear()
        await readings.publish_at(3, 4, 5, 6)
        await until(6.5)
        feed.reads.set()
        await readings.publish_at(7)
        await until(7.5)
        feed.disconnect()
        await feed.serving
        return [each.seq for each in feed.snapshots], hub.dropped_frames

    assert run(scene("")) == ([1, 2, 3, 6, 7], 2)
    assert run(scene("hz=1"))[1] == 0


@pytest.mark.parametrize("reads", [False, True])
def test_socket_is_released_in_time_if_its_client_ignores_the_close_frame(reads: bool) -> None:
    """Regression: such a socket was counted, and its session checked, as long as the client kept it open."""

    async def scene() -> tuple[float, int, int]:
        hub = Hub(max_rate_hz=5)
        readings, feed = Readings(hub), Feed(hub)
        feed.answers_close = False
        await readings.publish_at(1)
        await until(1.1)
        if not reads:
            feed.reads.clear()
        feed.admission.open[0].end("logged out")
        await feed.serving
        return asyncio.get_running_loop().time() - 1.1, hub.clients["gpu"], len(feed.admission.open)

    assert run(scene()) == (pytest.approx(CLOSE_SECONDS), 0, 0)


def test_disconnecting_client_leaves_nothing_behind() -> None:
    async def scene() -> tuple[int, int, int]:
        hub = Hub(max_rate_hz=5)
        readings, feed = Readings(hub), Feed(hub)
        await readings.publish_at(1)
        await until(1.1)
        feed.disconnect()
        await feed.serving
        return hub.clients["gpu"], len(feed.admission.open), len(asyncio.all_tasks())

    assert run(scene()) == (0, 0, 1)


def test_application_cancelled_by_the_server_leaves_nothing_behind() -> None:
    """Daphne cancels applications when it ends. Channels reports no disconnect then."""

    async def scene() -> tuple[int, int, int]:
        hub = Hub(max_rate_hz=5)
        feed = Feed(hub)
        await until(1)
        assert hub.clients["gpu"] == 1
        feed.serving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await feed.serving
        return hub.clients["gpu"], len(feed.admission.open), len(asyncio.all_tasks())

    assert run(scene()) == (0, 0, 1)


def test_messages_after_an_invalid_one_have_no_effect() -> None:
    async def scene() -> Feed:
        hub = Hub(max_rate_hz=5)
        feed = Feed(hub)
        await until(1)
        feed.answers_close = False
        feed.say("{")
        feed.say('{"hz": 0}')
        feed.say('{"hz": 2}')
        await feed.serving
        return feed

    feed = run(scene())
    assert feed.events == ["accept", "close"]
    assert feed.close_code == INVALID_DATA
    assert 'a message must be like {"hz": 1}' in feed.close_reason


def test_error_in_the_delivery_reaches_the_server_and_ends_the_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> str:
        raise ZeroDivisionError

    monkeypatch.setattr("monitor.live.frames.Frame.feed", fails)

    async def scene() -> tuple[int, int]:
        hub = Hub(max_rate_hz=5)
        feed = Feed(hub)
        await Readings(hub).publish_at(1)
        with pytest.raises(ZeroDivisionError):
            await feed.serving
        return hub.clients["gpu"], len(feed.admission.open)

    assert run(scene()) == (0, 0)


def test_sockets_use_no_channel_layer_and_no_thread(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Channels' own consumers wait for the one thread of database connections at each message from a client."""
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}

    async def no_thread(*_: object, **__: object) -> None:
        raise AssertionError("a thread was used")

    monkeypatch.setattr("channels.consumer.aclose_old_connections", no_thread)
    monkeypatch.setattr("channels.generic.websocket.aclose_old_connections", no_thread)

    async def scene() -> list[str]:
        hub = Hub(max_rate_hz=5)
        feed = Feed(hub)
        await Readings(hub).publish_at(1)
        await until(1.1)
        feed.say('{"hz": 2}')
        await until(2)
        assert get_channel_layer().channels == {}
        feed.disconnect()
        await feed.serving
        return feed.events

    assert run(scene()) == ["accept", "send"]


def test_consumer_cannot_be_created_without_an_admission() -> None:
    with pytest.raises(TypeError, match="admission"):
        GpuFeedConsumer(hub=lambda _host: Hub(max_rate_hz=5), origins=Origins([]))  # type: ignore[call-arg]
