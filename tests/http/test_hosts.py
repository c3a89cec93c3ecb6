"""The check of the Host header, and what is answered under an unknown name."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.testing import ApplicationCommunicator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.config.hosts import ServedHosts
from monitor.http.django_handler import Handler
from monitor.http.hosts import HEALTH, HOST, SENT_HOST, HostCheck
from monitor.http.proxies import TrustedProxies
from tests.support.clients import text as text_of
from tests.support.runtimes import current_runtime

Headers = list[tuple[bytes, bytes]]
NAMES = ServedHosts(["gpu.example.com", ".lab.example.com"], "127.0.0.1")


def checked(*hosts: bytes, kind: str = "http", path: str = "/") -> dict[str, Any]:
    """The scope that the application sees."""
    seen: list[Any] = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope)

    scope = {"type": kind, "path": path, "headers": [(b"Host", host) for host in hosts], "scheme": "http"}
    asyncio.run(HostCheck(app, NAMES)(scope, None, None))  # type: ignore[arg-type]
    result: dict[str, Any] = seen[0]
    return result


@pytest.mark.parametrize(
    ("sent", "host"),
    [
        (b"gpu.example.com", "gpu.example.com"),
        (b"GPU.Example.COM:80", "gpu.example.com"),
        (b"gpu.example.com.:8080", "gpu.example.com:8080"),
        (b"a_b.lab.example.com:05000", "a_b.lab.example.com:5000"),
    ],
)
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_known_host_is_passed_on_in_its_canonical_form(sent: bytes, host: str, kind: str) -> None:
    scope = checked(sent, kind=kind)
    assert scope[HOST] == host
    assert scope["headers"] == [(b"host", host.encode())]


@pytest.mark.parametrize("sent", [(), (b"",), (b"evil.example",), (b"gpu.example.com", b"evil.example"), (b"\xff",)])
def test_unknown_host_is_passed_on_to_nobody(sent: tuple[bytes, ...]) -> None:
    scope = checked(*sent)
    assert HOST not in scope
    assert scope["headers"] == []
    assert scope[SENT_HOST] == b",".join(sent).decode("latin-1")


def test_refusal_is_logged_once_with_what_came_what_was_expected_and_the_setting(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def app(scope: Any, _receive: Any, _send: Any) -> None: ...

    async def requests() -> None:
        check = HostCheck(app, NAMES)
        for kind, path in (("http", "/"), ("websocket", "/ws/gpu"), ("http", HEALTH)):
            for host in (b"10.42.8.201:5000", b"evil.example"):
                scope = {"type": kind, "path": path, "headers": [(b"host", host)]}
                await check(scope, None, None)  # type: ignore[arg-type]

    asyncio.run(requests())
    assert [message.partition(":")[0] for message in caplog.messages] == [
        "refused requests for the host '10.42.8.201",
        "refused requests for the host 'evil.example'",
    ]
    assert "expected gpu.example.com, .lab.example.com; to serve it under another name" in caplog.text
    assert "GPU_MONITOR_ALLOWED_HOSTS" in caplog.text


# ── With Django ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def running() -> Iterator[None]:
    with current_runtime():
        yield


class Answer:
    """A response, as `tests.support.clients.text` reads it."""

    def __init__(self, status: int, content: bytes) -> None:
        self.status_code = status
        self.content = content


def answer_of(headers: Headers, *, path: str = "/login", method: str = "GET") -> Answer:
    """The response of the whole application below the servers, behind a trusted proxy."""
    scope = {
        "type": "http", "http_version": "1.1", "method": method, "path": path, "query_string": b"", "scheme": "http",
        "headers": headers, "client": ("127.0.0.1", 4711), "server": ("::1", 5000),
    }  # fmt: skip

    async def ask() -> Answer:
        application = TrustedProxies(HostCheck(Handler(), NAMES), ["127.0.0.1"], remote_user_header="remote-user")
        client = ApplicationCommunicator(application, scope)
        await client.send_input({"type": "http.request", "body": b""})
        start = await client.receive_output(timeout=40)
        body = await client.receive_output(timeout=40)
        await client.wait(20)
        return Answer(start["status"], body["body"])

    return asyncio.run(ask())


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("static_root", "running")
def test_page_of_the_refusal_names_host_and_setting() -> None:
    answer = answer_of([(b"host", b"<evil>.example")])
    assert "GPU_MONITOR_ALLOWED_HOSTS" in text_of(answer, status=400)
    assert b"<code>&lt;evil&gt;.example</code>" in answer.content
    assert b"there is none" in answer_of([]).content
    assert b'{"error":"Unknown host name' in answer_of([(b"host", b"evil.example")], path="/api/snapshot").content


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("static_root", "running")
def test_foreign_form_is_refused_with_its_origin_and_the_settings() -> None:
    given = [(b"host", b"gpu.example.com"), (b"origin", b"https://evil.example")]
    words = text_of(answer_of(given, method="POST"), status=403)
    assert "This form came from https://evil.example , which this server does not know" in words
    assert "GPU_MONITOR_TRUSTED_PROXIES" in words


NAMES_OF_HEADERS = (
    b"host", b"origin", b"referer", b"sec-fetch-site", b"x-forwarded-for", b"x-forwarded-proto", b"x-forwarded-host",
    b"x-forwarded-port", b"forwarded", b"cookie", b"authorization",
)  # fmt: skip
TEXTS = st.binary(max_size=20) | st.sampled_from(
    [
        b"gpu.example.com",
        b"https://gpu.example.com:443",
        b"null",
        b"192.0.2.1, 10.0.0.1",
        b"https,http",
        b"http://[",
        b"*",
    ]
)


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("static_root", "running")
@given(st.lists(st.tuples(st.sampled_from(NAMES_OF_HEADERS), TEXTS), max_size=6), st.sampled_from(["GET", "POST"]))
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_bytes_of_these_headers_are_an_error_of_the_server(headers: Headers, method: str) -> None:
    for path in ("/login", "/ws/dashboard", "/api/snapshot"):
        assert answer_of(headers, path=path, method=method).status_code < 500 or path == "/api/snapshot"
    assert answer_of(headers, path=HEALTH).status_code in (200, 503)
