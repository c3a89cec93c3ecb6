"""Admission of sockets: each is counted and identified, or refused; a refused socket no longer counts."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Collection
from typing import Any

import pytest
from django.conf import settings
from django.db import OperationalError

from monitor.access import admission as admission_module
from monitor.access.admission import Caps, SocketAdmission
from monitor.access.identity import Identity
from monitor.access.policy import Access
from monitor.access.session_watch import SessionWatch
from monitor.http.asgi_types import Scope
from monitor.live.admission import AdmittedSocket, Refusal

EVERYBODY = Access("everybody", is_exposed=True, shows_details=False)
NOBODY = Access("nobody", is_exposed=True, shows_details=False)
OTHERS = Access("others", is_exposed=False, shows_details=True)


def none_ended(_: Collection[Identity]) -> dict[Identity, str]:
    return {}


def admission(rule: Access, *, total: int = 100, per_address: int = 100, clock: Any = None) -> SocketAdmission:
    return SocketAdmission(
        lambda: rule, Caps(total, per_address), SessionWatch(none_ended), *([clock] if clock else [])
    )


def scope(address: str = "10.0.0.7", **headers: str) -> Scope:
    given = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return {"type": "websocket", "client": (address, 1), "headers": given}


async def handshake(
    admission: SocketAdmission, scope: Scope, *, accepts_tokens: bool = True
) -> AdmittedSocket | Refusal:
    return await admission.admit(scope, accepts_tokens=accepts_tokens)


def status(answer: AdmittedSocket | Refusal) -> int:
    return answer.status if isinstance(answer, Refusal) else 101


def test_each_address_has_its_own_limit() -> None:
    async def scene() -> list[int]:
        admits = admission(NOBODY, per_address=2)
        addresses = ["10.0.0.7", "10.0.0.7", "10.0.0.7", "10.0.0.8"]
        sockets = [await handshake(admits, scope(address)) for address in addresses]
        assert isinstance(sockets[0], AdmittedSocket)
        admits.release(sockets[0])
        return [*map(status, sockets), status(await handshake(admits, scope()))]

    assert asyncio.run(scene()) == [101, 101, 429, 101, 101]


def test_the_total_is_limited_for_loopback_too() -> None:
    async def scene() -> list[int]:
        admits = admission(OTHERS, total=3, per_address=1)
        return [status(await handshake(admits, scope("127.0.0.1"))) for _ in range(5)]

    assert asyncio.run(scene()) == [101, 101, 101, 429, 429]


def test_refusals_are_logged_once_a_minute_and_say_when_to_retry(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0

    async def scene() -> AdmittedSocket | Refusal:
        nonlocal now
        admits = admission(NOBODY, total=1, clock=lambda: now)
        await handshake(admits, scope())
        for now in (1.0, 2.0, 60.0, 61.0, 62.0):  # noqa: B007 - the admission's clock
            answer = await handshake(admits, scope())
        return answer

    answer = asyncio.run(scene())
    assert caplog.text.count("refusing sockets: 1 sockets are open, the limit of GPU_MONITOR_MAX_SOCKETS") == 2
    assert isinstance(answer, Refusal)
    assert (b"retry-after", b"30") in answer.headers


def test_a_refused_socket_no_longer_counts() -> None:
    async def scene() -> list[int]:
        admits = admission(EVERYBODY, total=2)
        return [status(await handshake(admits, scope())) for _ in range(5)]

    assert asyncio.run(scene()) == [401] * 5


def test_an_unavailable_database_refuses_only_sockets_that_need_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(admission_module, "by_session", away)

    async def scene() -> list[int]:
        admits = admission(EVERYBODY, total=1)
        answers = [
            status(await handshake(admits, scope(cookie=f"{settings.SESSION_COOKIE_NAME}=abc"))) for _ in range(2)
        ]
        return [
            *answers,
            status(
                await handshake(admission(OTHERS), scope("127.0.0.1", cookie=f"{settings.SESSION_COOKIE_NAME}=abc"))
            ),
        ]

    assert asyncio.run(scene()) == [503, 503, 101]


def test_slow_lookup_of_one_socket_delays_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Regression: all lookups shared one thread, so one that waited for a locked database kept every browser out."""
    is_freed = threading.Event()

    def find(session_key: str) -> Identity:
        if session_key == "slow":
            assert is_freed.wait(20)
        return Identity(1, session_key)

    monkeypatch.setattr(admission_module, "by_session", find)

    async def scene() -> tuple[int, int]:
        admits = admission(EVERYBODY)
        slow = asyncio.ensure_future(handshake(admits, scope(cookie=f"{settings.SESSION_COOKIE_NAME}=slow")))
        await asyncio.sleep(0)
        quick = status(await handshake(admits, scope(cookie=f"{settings.SESSION_COOKIE_NAME}=quick")))
        is_freed.set()
        return quick, status(await slow)

    assert asyncio.run(scene()) == (101, 101)


def test_details_without_a_login_depend_on_the_policy() -> None:
    async def scene() -> list[bool]:
        sockets = [await handshake(admission(rule), scope("127.0.0.1")) for rule in (NOBODY, OTHERS)]
        return [socket.sees_details for socket in sockets if isinstance(socket, AdmittedSocket)]

    assert asyncio.run(scene()) == [False, True]


def test_command_lines_are_shown_without_a_login_on_the_host_itself_and_else_by_permission(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On the host, `ps` shows them as well."""
    monkeypatch.setattr(admission_module, "by_session", lambda key: Identity(1, key, sees_commands=key == "may"))
    exposed = Access("nobody", is_exposed=True, shows_details=True)

    async def scene() -> list[bool]:
        sockets = [
            await handshake(admission(OTHERS), scope("127.0.0.1")),
            await handshake(admission(exposed), scope()),
            await handshake(admission(exposed), scope(cookie=f"{settings.SESSION_COOKIE_NAME}=may")),
            await handshake(admission(EVERYBODY), scope(cookie=f"{settings.SESSION_COOKIE_NAME}=may")),
            await handshake(admission(EVERYBODY), scope(cookie=f"{settings.SESSION_COOKIE_NAME}=not")),
        ]
        return [socket.sees_commands for socket in sockets if isinstance(socket, AdmittedSocket)]

    assert asyncio.run(scene()) == [True, False, True, True, False]


def test_login_is_required_from_other_hosts_and_not_from_loopback() -> None:
    async def scene() -> list[int]:
        told = scope("127.0.0.1") | {"gpumon.forwarded": True}
        none = scope() | {"client": None}
        return [status(await handshake(admission(OTHERS), each)) for each in (scope("127.0.0.1"), scope(), told, none)]

    assert asyncio.run(scene()) == [101, 401, 401, 401]
