"""The close code and reason of a WebSocket."""

from __future__ import annotations

from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection


def end_of(client: ClientConnection) -> tuple[int | None, str]:
    """Read until the server closes the socket; returns the code and reason."""
    try:
        while True:
            client.recv(timeout=40)
    except ConnectionClosed as closed:
        return (closed.rcvd.code, closed.rcvd.reason) if closed.rcvd else (None, "")
