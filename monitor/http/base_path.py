"""Serves gpumon below a path, such as `/gpus/` on a site that also serves other things: GPU_MONITOR_BASE_PATH.

The setting is the only way: the servers' own (daphne's header `Daphne-Root-Path`, which any client can send, and uvicorn's
`--root-path`) are ignored.
"""

from __future__ import annotations

from django.urls import set_script_prefix

from monitor.http.asgi_types import App, Receive, Scope, Send


class BasePath:
    """ASGI middleware: puts every request below the base path, whether the proxy in front kept or stripped the path.

    Requests without it, such as `/api/health`, work too: a container's health check and Prometheus ask the server directly.
    """

    def __init__(self, app: App, base_path: str) -> None:
        """`base_path`: empty, or such as `/gpus`, without a slash at the end."""
        self._app = app
        self._base_path = base_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            scope = {**scope, "root_path": self._base_path, "path": self._below(scope["path"])}
            # Django does this for pages, but the pieces sent on a socket contain links as well.
            set_script_prefix(f"{self._base_path}/")
        await self._app(scope, receive, send)

    def _below(self, path: str) -> str:
        is_below = path == self._base_path or path.startswith(f"{self._base_path}/")
        return path if is_below else self._base_path + path
