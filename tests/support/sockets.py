"""WebSockets to the servers of tests."""

from __future__ import annotations

from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync import client as sync_client
from websockets.sync.client import ClientConnection


def connect(address: str, **options: Any) -> ClientConnection:
    """With more time for the handshake than the library's ten seconds, which a server on a busy machine can need."""
    return sync_client.connect(address, open_timeout=40, **options)


def end_of(client: ClientConnection) -> tuple[int | None, str]:
    """Read until the server closes the socket; returns the code and reason."""
    try:
        while True:
            client.recv(timeout=40)
    except ConnectionClosed as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (None, "")
