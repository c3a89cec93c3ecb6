"""Asks Docker or Podman for the name of a container, over the Unix socket of their API: one GET request, which changes nothing."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote

import msgspec

from monitor.unreadable import UNREADABLE

DEADLINE_SECONDS = 2.0
"""For the whole exchange, however slowly the answer arrives."""
MOST_BYTES = 1 << 20
"""Far above the description of one container."""
_PIECE_BYTES = 1 << 16


class SocketProblem(Exception):
    """Why the socket gave no name, as the reason for an unknown value."""


class Described(NamedTuple):
    """What the engine says of a container."""

    name: str
    pod_name: str | None
    """namespace/name, if kubelet started the container."""


class _Container(msgspec.Struct):
    id: str = msgspec.field(name="Id", default="")
    names: list[str] = msgspec.field(name="Names", default_factory=list)


_decoder = msgspec.json.Decoder(list[_Container])


def describe(path: str, container_id: str, monotonic: Callable[[], float] = time.monotonic) -> Described:
    """The container with this id. Raises SocketProblem."""
    status, body = _answer(path, _request(container_id), monotonic() + DEADLINE_SECONDS, monotonic)
    if status != b"200":
        raise SocketProblem(f"the container socket answers with status {status[:3].decode('ascii', 'replace')}")
    try:
        containers = _decoder.decode(body)
    except UNREADABLE as error:
        raise SocketProblem("the container socket gives no valid list of containers") from error
    names = next((each.names for each in containers if each.id == container_id), ())
    name = _own_name(names)
    if not name:
        raise SocketProblem("the container socket does not know this container")
    return in_kubernetes(name) or Described(name, None)


def in_kubernetes(name: str) -> Described | None:
    """What kubelet says in the names that it makes for Docker and CRI-O: k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT."""
    parts = name.split("_")
    if len(parts) != 6 or parts[0] != "k8s":
        return None
    _, container, pod, namespace, _, _ = parts
    return Described(container, f"{namespace}/{pod}")


def _own_name(names: list[str] | tuple[str, ...]) -> str:
    """Docker lists the aliases of a linked container too, which have two slashes: /web/db."""
    bare = [name.strip("/") for name in names]
    return next((name for name in bare if name and "/" not in name), "")


def _request(container_id: str) -> bytes:
    # The list has neither the environment nor the mounts of a container, which the inspection of one has.
    # Version 1.0 of HTTP has no chunks: the answer ends with the connection.
    filters = quote(msgspec.json.encode({"id": [container_id]}))
    return f"GET /containers/json?all=true&filters={filters} HTTP/1.0\r\nHost: localhost\r\n\r\n".encode("ascii")


def _answer(path: str, request: bytes, deadline: float, monotonic: Callable[[], float]) -> tuple[bytes, bytes]:
    """The status and the body."""
    received = bytearray()
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_left(deadline, monotonic))
            connection.connect(path)
            connection.settimeout(_left(deadline, monotonic))
            connection.sendall(request)
            while True:
                connection.settimeout(_left(deadline, monotonic))
                piece = connection.recv(_PIECE_BYTES)
                if not piece:
                    break
                received += piece
                if len(received) > MOST_BYTES:
                    raise SocketProblem("the container socket answers with more than a list of containers")
    except TimeoutError as error:
        raise SocketProblem("the container socket did not answer in time") from error
    except OSError as error:
        raise SocketProblem(f"the container socket cannot be used: {error.strerror or error}") from error
    head, _, body = bytes(received).partition(b"\r\n\r\n")
    words = head.split(b"\r\n", 1)[0].split(b" ", 2)
    if len(words) < 2 or not words[0].startswith(b"HTTP/"):
        raise SocketProblem("the container socket does not speak HTTP")
    return words[1], body


def _left(deadline: float, monotonic: Callable[[], float]) -> float:
    left = deadline - monotonic()
    if left <= 0:
        raise TimeoutError
    return left
