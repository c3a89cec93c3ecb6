"""Where daphne serves: how long a request may take to arrive, and how large it may be, before anything is done about it.

Twisted ends a connection that is silent for a minute, so that a client which sends a byte now and then (slow loris) could
keep one for ever; and it writes a body of any size to the disk before the application is asked.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

from monitor.http.body_limit import LARGEST_BODY, REFUSAL

REQUEST_SECONDS = 20
"""From the connection, or the answer before, to the end of the headers; and as long again for a body, however small."""
SLOWEST_BYTES_PER_SECOND = 200_000
"""A larger body has the time that it takes at this pace."""
TOO_LARGE = "\r\n".join(
    (
        "HTTP/1.1 413 Content Too Large",
        *(f"{name}: {value}" for name, value in REFUSAL.items()),
        "Content-Length: 0\r\n\r\n",
    )
).encode()


def limit_requests(*, seconds: float = REQUEST_SECONDS) -> None:
    """Limit daphne's requests, WebSocket handshakes included; nothing where another server runs the application.

    As in daphne_guard.py, daphne and Twisted take no argument for it (Twisted 26, web/http.py). Headers of more than 16 KiB
    are refused by Twisted itself (HTTPChannel.totalHeadersSize).
    """
    protocol = sys.modules.get("daphne.http_protocol")
    if protocol is None:
        return
    from twisted.web.http import HTTPChannel

    request_class: Any = protocol.WebRequest
    got_length, handle_chunk = request_class.gotLength, request_class.handleContentChunk
    made = protocol.HTTPFactory.buildProtocol

    @functools.wraps(made)
    def build(factory: Any, address: Any) -> Any:
        channel = made(factory, address)
        if channel is not None:
            channel.timeOut = seconds
        return channel

    @functools.wraps(got_length)
    def limited_length(request: Any, length: int | None) -> None:
        got_length(request, length)
        if length:
            request.channel.setTimeout(seconds + length / SLOWEST_BYTES_PER_SECOND)
            _refuse_if_larger(request, length)

    @functools.wraps(handle_chunk)
    def limited_chunk(request: Any, data: bytes) -> None:
        # A body without a length, sent in chunks, is measured as it comes.
        if not _refuse_if_larger(request, request.content.tell() + len(data)):
            handle_chunk(request, data)

    # Received bytes give no more time: what is left of it runs from the beginning of the request.
    HTTPChannel.resetTimeout = lambda _channel: None  # type: ignore[method-assign]
    protocol.HTTPFactory.buildProtocol = build
    request_class.gotLength = limited_length
    request_class.handleContentChunk = limited_chunk


def _refuse_if_larger(request: Any, size: int) -> bool:
    channel = request.channel
    if size <= LARGEST_BODY:
        return False
    request.requestHeaders.removeHeader(b"Expect")  # or it would be told to go on
    channel.transport.write(TOO_LARGE)
    channel.loseConnection()
    return True
