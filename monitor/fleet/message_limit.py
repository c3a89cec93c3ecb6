"""The size of the messages that a socket accepts. Servers have one limit for all sockets, made for browsers' few words."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any


def accept_messages_of(send: Callable[..., Any], size: int) -> None:
    """Accept messages of this many bytes on the socket of this ASGI `send`: daphne's or uvicorn's, as in live/backpressure.py.
    Other servers keep their own limit.
    """
    if isinstance(send, partial) and send.args and hasattr(send.args[0], "maxMessagePayloadSize"):
        protocol = send.args[0]
        protocol.maxMessagePayloadSize = protocol.maxFramePayloadSize = size
        return
    connection = getattr(getattr(send, "__self__", None), "conn", None)
    if hasattr(connection, "max_message_size"):
        connection.max_message_size = size  # type: ignore[union-attr]
