"""Webhooks over real connections: the signature as a receiver verifies it, and misbehaving receivers."""

from __future__ import annotations

import base64
import hashlib
import hmac
import logging
import socket
import threading

import pytest

from monitor.notifications.senders import run_child
from monitor.notifications.sending_child import WebhookOrder
from monitor.notifications.webhook_client import post
from monitor.notifications.webhook_signature import signed_headers
from tests.support.outbox_rows import NOON, SECRET
from tests.support.receivers import Receiver, rude_server
from tests.support.servers import free_port

BODY = b'{"type":"alert.fired"}'


def send(url: str) -> str | None:
    return post(url, BODY, signed_headers(SECRET, message_id="m-1", now=NOON, body=BODY)).error


def send_by_child(url: str, limit_seconds: float = 20) -> str | None:
    return run_child(WebhookOrder(url=url, headers={}, body=BODY, limit_seconds=limit_seconds)).error


def test_receiver_can_verify_the_signature(receiver: Receiver) -> None:
    assert send(receiver.url) is None
    (got,) = receiver.requests
    assert got.path == "/hook/S3CRETPATH?key=S3CRETQUERY"
    assert (got.headers["webhook-id"], got.headers["content-type"]) == ("m-1", "application/json")
    assert int(got.headers["webhook-timestamp"]) == NOON.timestamp()
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signed = b".".join([b"m-1", got.headers["webhook-timestamp"].encode(), got.body])
    expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    assert got.headers["webhook-signature"] == f"v1,{expected}"


@pytest.mark.slow
def test_proxy_of_the_environment_is_named_and_not_used_for_this_host(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    error = send_by_child("http://ops.example.org/")
    assert error is not None
    assert error.startswith("No connection through the proxy that the environment names")
    assert send_by_child(receiver.url) is None
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_status_2xx_is_success(receiver: Receiver, status: int) -> None:
    receiver.answer = lambda _number: status
    assert send(receiver.url) is None


@pytest.mark.parametrize("status", [400, 404, 410, 429, 500, 503])
def test_any_other_status_is_an_error_that_names_it(receiver: Receiver, status: int) -> None:
    receiver.answer = lambda _number: status
    error = send(receiver.url)
    assert error is not None
    assert error.startswith(f"The server answered {status} ")


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_is_not_followed(receiver: Receiver, status: int) -> None:
    receiver.answer = lambda _number: status
    assert "Redirects are not followed" in (send(receiver.url) or "")
    assert len(receiver.requests) == 1


def test_refused_connection_is_a_readable_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert send(f"http://127.0.0.1:{port}/S3CRET") == "No connection: Connection refused."


def test_unknown_host_name_is_a_readable_error() -> None:
    assert (send("http://no-such-host.invalid/S3CRET") or "").startswith("No connection: ")


def hang(_connection: socket.socket, is_over: threading.Event) -> None:
    is_over.wait(20)


def drip(connection: socket.socket, is_over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
    while not is_over.wait(0.05):
        connection.sendall(b"x")


def hang_up(connection: socket.socket, _is_over: threading.Event) -> None:
    connection.recv(10)


def talk_nonsense(connection: socket.socket, _is_over: threading.Event) -> None:
    connection.recv(10)
    connection.sendall(b"220 smtp ready\r\n")


def pour(connection: socket.socket, is_over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not is_over.is_set():
        connection.sendall(b"x" * 65536)


@pytest.mark.slow
@pytest.mark.parametrize(("talk", "scheme"), [(hang, "http"), (drip, "http"), (hang, "https")])
def test_hanging_or_dripping_server_is_abandoned_at_the_timeout(talk: object, scheme: str) -> None:
    with rude_server(talk) as address:  # type: ignore[arg-type]
        error = send_by_child(f"{scheme}://{address}/S3CRET", limit_seconds=0.4)
    assert error == "The server did not answer within 0.4 s."


@pytest.mark.parametrize("name", ["a" * 70 + ".example", "two..example"])
def test_invalid_host_name_is_a_readable_error(name: str) -> None:
    assert send(f"http://{name}/S3CRET") == "The URL contains an invalid host name."


@pytest.mark.parametrize("talk", [hang_up, talk_nonsense])
def test_broken_connection_is_an_error(talk: object) -> None:
    with rude_server(talk) as address:  # type: ignore[arg-type]
        error = send(f"http://{address}/S3CRET")
    assert (error or "").startswith("No connection: ")


def test_endless_response_is_not_read() -> None:
    with rude_server(pour) as address:
        assert send(f"http://{address}/S3CRET") is None


@pytest.mark.slow
def test_address_is_in_no_log_or_output_at_any_level(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.answer = lambda _number: 500
    errors = [send_by_child(receiver.url)]
    for talk in (hang_up, talk_nonsense):
        with rude_server(talk) as address:
            errors.append(send_by_child(f"http://{address}/S3CRETPATH"))
    assert None not in errors
    written = capfd.readouterr()
    assert "S3CRET" not in caplog.text + written.out + written.err + repr(errors)
