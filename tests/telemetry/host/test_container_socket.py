"""The names of containers over a Unix socket, whatever is behind it."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from monitor.telemetry.host import container_socket
from monitor.telemetry.host.container_socket import Described, SocketProblem, describe

ID = "4f2c" * 16
OTHER = "b07d" * 16
OK = b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n"


class Engine:
    """Answers each request with the same pieces, and remembers what it was asked."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self.pieces: Sequence[bytes] = ()
        self.asked: list[bytes] = []
        self.waits = threading.Event()
        self.waits.set()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(self.path)
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                self.asked.append(connection.recv(4096))
                try:
                    for piece in self.pieces:
                        connection.sendall(piece)
                    self.waits.wait(30)
                except OSError:
                    continue  # the client has had enough

    def close(self) -> None:
        self.waits.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join(10)


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = Engine(tmp_path / "docker.sock")
    yield engine
    engine.close()


def containers(*each: tuple[str, list[str]]) -> bytes:
    return OK + json.dumps([{"Id": id_, "Names": names, "Labels": {"a": "b"}} for id_, names in each]).encode()


def problem(engine: Engine, monotonic: Callable[[], float] | None = None) -> str:
    with pytest.raises(SocketProblem) as caught:
        describe(engine.path, ID, **({"monotonic": monotonic} if monotonic else {}))
    return str(caught.value)


def test_name_comes_from_one_request_that_reads(engine: Engine) -> None:
    engine.pieces = [containers((OTHER, ["/other"]), (ID, ["/web/db", "/vllm-2"]))]
    assert describe(engine.path, ID) == Described("vllm-2", None)
    (request,) = engine.asked
    assert request.startswith(b"GET /containers/json?all=true&filters=")
    assert ID.encode() in request


def test_answer_in_many_pieces_is_put_together(engine: Engine) -> None:
    answer = containers((ID, ["/vllm-2"]))
    engine.pieces = [answer[at : at + 1] for at in range(len(answer))]
    assert describe(engine.path, ID) == Described("vllm-2", None)


def test_name_that_kubelet_made_gives_container_and_pod(engine: Engine) -> None:
    engine.pieces = [containers((ID, ["/k8s_server_llm-0_research_0a1b2c3d-4e5f-6071-8293-a4b5c6d7e8f9_0"]))]
    assert describe(engine.path, ID) == Described("server", "research/llm-0")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.0 403 Forbidden\r\n\r\nno", "the container socket answers with status 403"),
        (b"HTTP/1.0 <script>\r\n\r\n", "the container socket answers with status <sc"),
        (b"SSH-2.0-OpenSSH\r\n", "the container socket does not speak HTTP"),
        (b"", "the container socket does not speak HTTP"),
        (OK, "the container socket gives no valid list of containers"),
        (OK + b'[{"Id": "' + ID.encode(), "the container socket gives no valid list of containers"),
        (OK + b'{"message": "no"}', "the container socket gives no valid list of containers"),
        (OK + b'[{"Id": 7, "Names": "x"}]', "the container socket gives no valid list of containers"),
        (OK + b'[{"Id": "\xff\xfe"}]', "the container socket gives no valid list of containers"),
        (OK + b"[" * 100_000, "the container socket gives no valid list of containers"),
        (OK + b'[{"x": ' + b"[" * 100_000, "the container socket gives no valid list of containers"),
        (OK + b"[]", "the container socket does not know this container"),
        (containers((OTHER, ["/other"])), "the container socket does not know this container"),
        (containers((ID, [])), "the container socket does not know this container"),
        (containers((ID, ["", "/", "/a/b"])), "the container socket does not know this container"),
        (OK + b" " * (container_socket.MOST_BYTES + 1), "the container socket answers with more than a list of containers"),
    ],
)  # fmt: skip
def test_answer_that_is_none_has_a_reason(engine: Engine, answer: bytes, reason: str) -> None:
    engine.pieces = [answer]
    assert problem(engine) == reason


def test_answer_that_trickles_ends_at_the_deadline(engine: Engine) -> None:
    """A time limit for each piece would wait for ever."""
    clock = iter(range(1000))
    engine.pieces = [b"HTTP/1.0 200 OK\r\n"]
    engine.waits.clear()
    assert problem(engine, lambda: next(clock) * 0.45) == "the container socket did not answer in time"


def test_socket_that_cannot_be_used_has_a_reason(tmp_path: Path) -> None:
    for path in (tmp_path / "none.sock", tmp_path, tmp_path / ("x" * 200)):
        with pytest.raises(SocketProblem, match="the container socket cannot be used: "):
            describe(str(path), ID)
