"""Each of many concurrent requests has its own id; the access log contains no secrets."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from monitor.http.request_id import RequestIds, with_request_id

log = logging.getLogger("tests.request_id")


async def ask(app: Any, path: str = "/", *headers: tuple[bytes, bytes], kind: str = "http") -> list[dict[str, Any]]:
    """The messages that an ASGI application sends."""
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b""}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": kind, "method": "GET", "path": path, "headers": headers, "client": ("10.0.0.7", 1)}
    await asyncio.create_task(app(scope, receive, send))
    return sent


async def answers(scope: Any, _receive: Any, send: Any) -> None:
    """Log in a thread, like Django's synchronous views, after other requests have run."""
    await asyncio.sleep(0)
    await asyncio.to_thread(log.warning, "about %s", scope["path"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"a", b"b")]})
    await send({"type": "http.response.body", "body": b"12345"})


@pytest.fixture
def seen(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.handler.addFilter(with_request_id)
    caplog.set_level(logging.INFO)
    return caplog


def test_records_of_concurrent_requests_have_different_ids(seen: pytest.LogCaptureFixture) -> None:
    async def all_at_once() -> None:
        app = RequestIds(answers, logs_access=False)
        await asyncio.gather(*(ask(app, f"/{n}", (b"x-request-id", b"n%d" % n)) for n in range(20)))

    asyncio.run(all_at_once())
    told = {record.getMessage(): record.__dict__["request_id"] for record in seen.records}
    assert told == {f"about /{n}": f"n{n}" for n in range(20)}


def test_record_outside_a_request_has_no_id(seen: pytest.LogCaptureFixture) -> None:
    log.warning("by itself")
    assert seen.records[0].__dict__["request_id"] is None


@pytest.mark.parametrize("given", [b"a" * 65, b"", b"a b", b"a\r\nb", b"<script>", "é".encode()])
def test_id_that_is_long_or_has_special_characters_is_replaced(given: bytes) -> None:
    start, _ = asyncio.run(ask(RequestIds(answers, logs_access=False), "/", (b"X-Request-ID", given)))
    (name,) = [value for header, value in start["headers"] if header == b"x-request-id"]
    assert name != given
    assert len(name) == 16
    assert (b"a", b"b") in start["headers"]


def test_access_log_has_size_and_duration_and_hides_the_setup_link(seen: pytest.LogCaptureFixture) -> None:
    times = iter([10.0, 10.0125])
    app = RequestIds(answers, logs_access=True, monotonic=lambda: next(times))
    asyncio.run(ask(app, "/gpus/setup/abcdef/"))
    (record,) = [record for record in seen.records if record.name == "gpumon.access"]
    assert record.getMessage() == "10.0.0.7 GET /gpus/setup/***/ 200 5 B 12.5 ms"
    assert record.__dict__["fields"]["milliseconds"] == 12.5


def test_request_that_ends_in_an_error_is_in_the_access_log(seen: pytest.LogCaptureFixture) -> None:
    async def fails(_scope: Any, _receive: Any, _send: Any) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        asyncio.run(ask(RequestIds(fails, logs_access=True)))
    assert "no answer" in seen.records[-1].getMessage()


def test_websocket_gets_the_servers_own_send() -> None:
    """Its flow control inspects `send`."""

    async def socket(_scope: Any, _receive: Any, send: Any) -> None:
        assert send.__qualname__.startswith("ask.")

    asyncio.run(ask(RequestIds(socket, logs_access=True), kind="websocket"))
