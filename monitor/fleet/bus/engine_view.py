"""What a server knows of the engines of its hub: the open alerts of each shard, and what is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import msgspec

from monitor.alerts.open_alerts import worst_first
from monitor.fleet.bus.base import EngineNews
from monitor.shards import SHARDS
from monitor.telemetry.schema import Alert
from monitor.unreadable import UNREADABLE

ENGINE_SECONDS = 30.0
"""How long no engine may have a shard before that is a problem: one takes over from another within seconds."""
_engine = msgspec.msgpack.Decoder(EngineNews)


class EngineView:
    """Used in the thread of the bus; `problem` in any."""

    def __init__(self) -> None:
        self._bytes: dict[int, bytes] = {}
        self._news: dict[int, EngineNews] = {}
        """What was heard last of each shard, by number."""
        self._heard_at: dict[int, float] = {}
        self._shown: tuple[Alert, ...] | None = None

    def hear(
        self, found: Sequence[bytes | None], now: float, *, unreadable: Callable[[Exception], None]
    ) -> tuple[Alert, ...] | None:
        """What Redis has of each shard; `now` by the monotonic clock. Returns the open alerts of all hosts, the worst first, if
        they have changed. Alerts of a shard stay open while no engine has it, and while its news cannot be read;
        `unreadable` receives the error.
        """
        is_changed = False
        for shard, data in zip(SHARDS, found, strict=True):
            if data is None:
                continue
            self._heard_at[shard.number] = now
            if data != self._bytes.get(shard.number):
                self._bytes[shard.number] = data
                is_changed = True
                try:
                    self._news[shard.number] = _engine.decode(data)
                except UNREADABLE as error:
                    unreadable(error)
        if not is_changed:
            return None
        alerts = tuple(sorted((alert for news in self._news.values() for alert in news.alerts), key=worst_first))
        if alerts == self._shown:
            return None
        self._shown = alerts
        return alerts

    def problem(self, now: float, *, since: float) -> str | None:
        """`since`: when this server began to listen."""
        missing = [
            shard.number
            for shard in SHARDS
            if now - max(self._heard_at.get(shard.number, -math.inf), since) > ENGINE_SECONDS
        ]
        if len(missing) == len(SHARDS):
            return "no gpumon engine is running: no host is judged or recorded"
        problems = [f"no gpumon engine has part {number + 1} of {len(SHARDS)} of the hosts" for number in missing]
        problems += [
            f"engine, {name}: {text}" for news in [*self._news.values()] for name, text in news.problems.items()
        ]
        return "; ".join(dict.fromkeys(problems)) or None
