"""Serving below a path, such as `/gpus/` of a site that has more to show: GPU_MONITOR_BASE_PATH.

The servers' own ways (daphne's header `Daphne-Root-Path`, which any client may send, uvicorn's `--root-path`) are passed
over, so that there is one: the setting.
"""

from __future__ import annotations

from django.urls import set_script_prefix

from monitor.http.proxies import App, Receive, Scope, Send


class BasePath:
    """Around the application: every request is below the base path, whether the proxy in front left it on or took it off.

    So `/api/health` is answered too, for those who ask the server itself: a container's health check, Prometheus.
    """

    def __init__(self, app: App, base_path: str) -> None:
        """`base_path`: empty, or with a slash before and none behind, such as `/gpus`."""
        self._app = app
        self._base_path = base_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in {"http", "websocket"}:
            scope = {**scope, "root_path": self._base_path, "path": self._below(scope["path"])}
            # Django does this for pages; the pieces that a socket sends have links as well.
            set_script_prefix(f"{self._base_path}/")
        await self._app(scope, receive, send)

    def _below(self, path: str) -> str:
        is_below = path == self._base_path or path.startswith(f"{self._base_path}/")
        return path if is_below else self._base_path + path
