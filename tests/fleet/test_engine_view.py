"""What a server shows of the news that the engines write to Redis."""

from __future__ import annotations

import msgspec
import pytest

from monitor.fleet.bus.base import EngineNews
from monitor.fleet.bus.engine_view import EngineView
from tests.support.snapshots import alert


@pytest.mark.parametrize("data", [b"\xc1", b"\x81\xa1\xff\xc0", b"\x81\xa1x" + b"\x91" * 100_000])
def test_news_that_cannot_be_read_cost_their_shard_alone(data: bytes) -> None:
    news = [msgspec.msgpack.encode(EngineNews(alerts=(alert(each),), problems={})) for each in range(2)]
    view, unreadable = EngineView(), list[Exception]()
    assert view.hear([news[0], news[1], None, None], 1.0, unreadable=unreadable.append) == (alert(0), alert(1))
    news[0] = msgspec.msgpack.encode(EngineNews(alerts=(), problems={}))
    assert view.hear([news[0], data, None, None], 2.0, unreadable=unreadable.append) == (alert(1),)
    news[0] = msgspec.msgpack.encode(EngineNews(alerts=(alert(0),), problems={}))
    assert view.hear([data, news[1], None, None], 3.0, unreadable=unreadable.append) is None
    assert view.hear([news[0], news[1], None, None], 4.0, unreadable=unreadable.append) == (alert(0), alert(1))
    assert len(unreadable) == 2
