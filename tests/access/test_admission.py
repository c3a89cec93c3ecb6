"""The door of the sockets: counted, recognised or refused, and never left open by one that failed."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

import pytest
from django.db import OperationalError

from monitor.access import admission as door_module
from monitor.access.admission import Caps, GuardedDoor
from monitor.access.identity import Identity
from monitor.access.policy import Access
from monitor.access.session_watch import Watch
from monitor.live.admission import Guest, Refusal, Scope

EVERYBODY = Access("everybody", is_exposed=True, shows_details=False)
NOBODY = Access("nobody", is_exposed=True, shows_details=False)
OTHERS = Access("others", is_exposed=False, shows_details=True)


def look(_: Collection[Identity]) -> dict[Identity, str]:
    return {}


def door(rule: Access, *, total: int = 100, per_address: int = 100, clock: Any = None) -> GuardedDoor:
    return GuardedDoor(lambda: rule, Caps(total, per_address), Watch(look), *([clock] if clock else []))


def scope(address: str = "10.0.0.7", **headers: str) -> Scope:
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "websocket", "client": (address, 1), "headers": given}


async def come(door: GuardedDoor, scope: Scope, *, takes_tokens: bool = True) -> Guest | Refusal:
    return await door.let_in(scope, takes_tokens=takes_tokens)


def status(answer: Guest | Refusal) -> int:
    return answer.status if isinstance(answer, Refusal) else 101


def test_one_address_has_so_many_and_another_its_own() -> None:
    async def scene() -> list[int]:
        guarded = door(NOBODY, per_address=2)
        addresses = ["10.0.0.7", "10.0.0.7", "10.0.0.7", "10.0.0.8"]
        guests = [await come(guarded, scope(address)) for address in addresses]
        assert isinstance(guests[0], Guest)
        guarded.leave(guests[0])
        return [*map(status, guests), status(await come(guarded, scope()))]

    assert asyncio.run(scene()) == [101, 101, 429, 101, 101]


def test_all_together_have_so_many_this_machine_too() -> None:
    async def scene() -> list[int]:
        guarded = door(OTHERS, total=3, per_address=1)
        return [status(await come(guarded, scope("127.0.0.1"))) for _ in range(5)]

    assert asyncio.run(scene()) == [101, 101, 101, 429, 429]


def test_refused_ones_are_logged_once_a_minute_and_told_when_to_come_again(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0

    async def scene() -> Guest | Refusal:
        nonlocal now
        guarded = door(NOBODY, total=1, clock=lambda: now)
        await come(guarded, scope())
        for now in (1.0, 2.0, 60.0, 61.0, 62.0):  # noqa: B007 - the door's clock
            answer = await come(guarded, scope())
        return answer

    answer = asyncio.run(scene())
    assert caplog.text.count("sockets are refused: 1 sockets are open, which GPU_MONITOR_MAX_SOCKETS allows") == 2
    assert isinstance(answer, Refusal)
    assert (b"retry-after", b"30") in answer.headers


def test_those_that_are_not_known_count_no_longer_once_they_are_refused() -> None:
    async def scene() -> list[int]:
        guarded = door(EVERYBODY, total=2)
        answers = [status(await come(guarded, scope())) for _ in range(5)]
        assert guarded._open.total() == 0
        return answers

    assert asyncio.run(scene()) == [401] * 5


def test_a_database_that_is_away_refuses_who_would_have_to_be_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(door_module, "by_session", away)

    async def scene() -> list[int]:
        guarded = door(EVERYBODY, total=1)
        answers = [status(await come(guarded, scope(cookie="gpumon_session=abc"))) for _ in range(2)]
        return [*answers, status(await come(door(OTHERS), scope("127.0.0.1", cookie="gpumon_session=abc")))]

    assert asyncio.run(scene()) == [503, 503, 101]


def test_where_all_may_look_who_is_not_known_is_told_no_details() -> None:
    async def scene() -> list[bool]:
        guests = [await come(door(rule), scope("127.0.0.1")) for rule in (NOBODY, OTHERS)]
        return [guest.sees_details for guest in guests if isinstance(guest, Guest)]

    assert asyncio.run(scene()) == [False, True]


def test_others_have_to_log_in_to_a_server_of_one_machine() -> None:
    async def scene() -> list[int]:
        told = scope("127.0.0.1") | {"gpumon.forwarded": True}
        none = scope() | {"client": None}
        return [status(await come(door(OTHERS), each)) for each in (scope("127.0.0.1"), scope(), told, none)]

    assert asyncio.run(scene()) == [101, 401, 401, 401]
