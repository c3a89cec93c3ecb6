"""Where daphne serves: its header `Daphne-Root-Path`, for proxies, ends in status 500 when it is not ASCII. Here, in 400."""

from __future__ import annotations

import functools
import sys
from typing import Any

HEADER = b"daphne-root-path"


def refuse_garbled_root_paths() -> None:
    """Guard daphne's requests, WebSocket handshakes included; nothing where another server runs the application.

    Daphne has loaded its protocols before it imports an application, so one that is not there is not in use. It takes
    neither a protocol nor a request class as an argument, hence this wrapper (daphne 4.2, http_protocol.py, process).
    """
    protocol = sys.modules.get("daphne.http_protocol")
    if protocol is None:
        return
    process = protocol.WebRequest.process

    @functools.wraps(process)
    def guarded(request: Any) -> Any:
        if all(value.isascii() for value in request.requestHeaders.getRawHeaders(HEADER, ())):
            return process(request)
        return request.basic_error(400, b"Bad Request", "Invalid root path")

    protocol.WebRequest.process = guarded
