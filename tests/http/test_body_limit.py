"""The limit on request bodies, for ASGI servers without their own limit."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import pytest
from asgiref.sync import async_to_sync

from monitor.http.body_limit import LARGEST_BODY, BodyLimit


def asked(path: str, chunks: list[int], declared: int | None = None) -> tuple[int, int]:
    """The status of a request whose body has chunks of these sizes, and the bytes the application received."""
    waiting, sent, got = list(chunks), [], 0
    headers = [] if declared is None else [(b"content-length", str(declared).encode())]

    async def receive() -> MutableMapping[str, Any]:
        size = waiting.pop(0)
        return {"type": "http.request", "body": b"x" * size, "more_body": bool(waiting)}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def app(_scope: object, receive: Any, send: Any) -> None:
        nonlocal got
        has_more = True
        while has_more:
            message = await receive()
            got += len(message["body"])
            has_more = message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async_to_sync(BodyLimit(app))({"type": "http", "path": path, "headers": headers}, receive, send)
    assert sum(message["type"] == "http.response.start" for message in sent) == 1
    return sent[0]["status"], got


@pytest.mark.parametrize("path", ["/login", "/admin/monitor/alertrule/preview/"])
def test_body_within_the_limit_is_received(path: str) -> None:
    assert asked(path, [LARGEST_BODY - 9, 9], LARGEST_BODY) == (200, LARGEST_BODY)


def test_body_with_too_large_a_content_length_is_refused_unread() -> None:
    assert asked("/login", [LARGEST_BODY + 1], LARGEST_BODY + 1) == (413, 0)


def test_chunks_are_counted_and_reading_stops_at_the_limit() -> None:
    assert asked("/login", [LARGEST_BODY, 1, 1_000_000_000]) == (413, LARGEST_BODY)


@pytest.mark.parametrize("declared", ["-1", "abc", "", "1e9"])
def test_content_length_that_is_not_a_number_is_left_to_the_server(declared: str) -> None:
    assert asked("/login", [9], declared) == (200, 9)  # type: ignore[arg-type]
