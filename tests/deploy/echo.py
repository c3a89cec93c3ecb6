"""An ASGI application behind the project's middleware that returns the client it sees, to test nginx and the server."""

from __future__ import annotations

import json
import os
from typing import Any

from monitor.http.base_path import BasePath
from monitor.http.proxies import PROXY, TrustedProxies


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Return the client's address, scheme, host, path and whether a trusted proxy sent them, as JSON."""
    if scope["type"] == "lifespan":
        return
    told = {
        "client": scope["client"] and scope["client"][0],
        "scheme": scope.get("scheme", "ws"),  # daphne omits it for sockets
        "host": dict(scope["headers"])[b"host"].decode(),
        "path": scope["path"],
        "by_proxy": scope[PROXY],
        "headers": sorted(name.decode() for name, _ in scope["headers"]),
    }
    text = json.dumps(told)
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", "text": text})
        await receive()  # until the client has read it and leaves
        return
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(b"content-length", str(len(text)).encode())]}
    )
    await send({"type": "http.response.body", "body": text.encode()})


application = TrustedProxies(BasePath(echo, ""), os.environ["GPU_MONITOR_TRUSTED_PROXIES"].split(","))
