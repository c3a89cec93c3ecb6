"""The limit on bodies, as an ASGI server without one of its own meets it."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.core import signing
from django.http import HttpResponse

from monitor.http.body_limit import LARGEST_FORM, LARGEST_UPLOAD, BodyLimit, largest_body
from monitor.http.upload_permit import COOKIE, VALID_SECONDS, with_permit

UPLOAD = "/admin/monitor/alertrule/preview/"


def permit() -> str:
    """A Cookie header of somebody who was shown the form that takes recordings."""
    return f"gpumon_session=x; {COOKIE}={with_permit(HttpResponse(), UPLOAD).cookies[COOKIE].value}"


def asked(path: str, chunks: list[int], declared: int | None = None, cookies: str = "") -> tuple[int, int]:
    """The status, and how many bytes the application got, of a request whose body comes in chunks of these sizes."""
    waiting, sent, got = list(chunks), [], 0
    headers = [(b"cookie", cookies.encode())]
    headers += [] if declared is None else [(b"content-length", str(declared).encode())]

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


@pytest.mark.parametrize("path", ["/login", UPLOAD])
def test_a_body_within_the_limit_arrives(path: str) -> None:
    assert asked(path, [LARGEST_FORM - 9, 9], LARGEST_FORM) == (200, LARGEST_FORM)


def test_a_length_that_is_too_large_is_refused_unread() -> None:
    assert asked("/login", [LARGEST_FORM + 1], LARGEST_FORM + 1) == (413, 0)
    assert asked(UPLOAD, [1], LARGEST_UPLOAD + 1, permit()) == (413, 0)


def test_a_recording_is_taken_of_those_alone_who_were_shown_its_form() -> None:
    """Before a body is taken nobody's login can be looked up; without this anybody could fill the disk."""
    assert asked(UPLOAD, [LARGEST_FORM, 1], LARGEST_FORM + 1, permit()) == (200, LARGEST_FORM + 1)
    assert asked(UPLOAD, [LARGEST_FORM, 1], LARGEST_FORM + 1) == (413, 0)
    assert asked(UPLOAD, [LARGEST_FORM, 1]) == (413, LARGEST_FORM)
    assert asked("/login", [LARGEST_FORM, 1], LARGEST_FORM + 1, permit()) == (413, 0)


@pytest.mark.parametrize("path", ["/login", f"{UPLOAD}1", "/admin/monitor/alertrule/1/change/"])
def test_no_other_path_takes_one(path: str) -> None:
    assert largest_body(path, permit()) == LARGEST_FORM
    assert largest_body(f"/gpus{UPLOAD}", permit()) == LARGEST_UPLOAD


def test_a_permit_that_is_old_made_up_or_of_another_cookie_permits_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    good = permit()
    signed_for_something_else = signing.get_cookie_signer(salt="another").sign("shown")
    for cookies in ("", f"{COOKIE}=", f"{COOKIE}=x:y:z", good[:-1] + "_", f"{COOKIE}={signed_for_something_else}"):
        assert largest_body(UPLOAD, cookies) == LARGEST_FORM, cookies
    now = signing.time.time()
    monkeypatch.setattr(signing.time, "time", lambda: now + VALID_SECONDS + 2)
    assert largest_body(UPLOAD, good) == LARGEST_FORM


def test_the_cookie_goes_to_that_form_alone(settings: Any) -> None:
    settings.SESSION_COOKIE_SECURE = True
    cookie = with_permit(HttpResponse(), UPLOAD).cookies[COOKIE]
    assert {name: cookie[name] for name in ("path", "secure", "httponly", "samesite")} == {
        "path": UPLOAD, "secure": True, "httponly": True, "samesite": "Strict"
    }  # fmt: skip


def test_chunks_are_counted_and_no_more_is_read_than_may_come() -> None:
    assert asked("/login", [LARGEST_FORM, 1, 1_000_000_000]) == (413, LARGEST_FORM)


@pytest.mark.parametrize("declared", ["-1", "abc", "", "1e9"])
def test_a_length_that_is_no_number_is_the_servers_to_refuse(declared: str) -> None:
    assert asked("/login", [9], declared) == (200, 9)  # type: ignore[arg-type]
