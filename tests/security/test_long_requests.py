"""Requests of the greatest accepted length, without a login: each is answered, and its log line is short.

A 2500-character path of `token` once blocked the server for 18 seconds, in the pattern that hides secrets from the log.
"""

from __future__ import annotations

import itertools
import socket
from contextlib import closing

import pytest

from monitor.logs.lines import LONGEST_OF_REQUEST
from tests.support.servers import Server, wait_for

pytestmark = pytest.mark.slow

NUMBERS = itertools.count()
FORM = "POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 0\r\n"


def status_of(server: Server, head: str) -> int:
    """The status of the server's answer, over a new connection."""
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=40)) as client:
        client.sendall(f"{head}Connection: close\r\n\r\n".encode())
        with client.makefile("rb") as answer:
            return int(answer.readline().split()[1])


@pytest.mark.parametrize("unit", ["token", "a", "a.", "password-", "://a:"])
@pytest.mark.parametrize("length", [2_500, 8_000])
@pytest.mark.parametrize(
    ("head", "status", "logged"),
    [
        pytest.param("GET /{text} HTTP/1.1\r\nHost: 127.0.0.1\r\n", 404, "Not Found: /", id="path"),
        pytest.param("GET / HTTP/1.1\r\nHost: {text}\r\n", 400, "refused requests for the host ", id="Host"),
        pytest.param(FORM + "Origin: http://{text}\r\n", 403, ": its page is from ", id="Origin"),
    ],
)
def test_long_request_is_answered_and_its_log_line_is_short(
    server: Server, head: str, status: int, logged: str, unit: str, length: int
) -> None:
    before = len(server.log)
    begin = f"n{next(NUMBERS)}."  # what begins with the same 100 characters is logged once
    assert status_of(server, head.format(text=begin + unit * (length // len(unit)))) == status
    assert server.get("/api/health")[0] == 200
    lines = wait_for(lambda: [line for line in server.log[before:].splitlines() if logged in line], "its log line")
    assert all(len(line) < LONGEST_OF_REQUEST + 200 for line in lines)
    assert begin in lines[0]
    assert "…" in lines[0], "the mark of the cut"
