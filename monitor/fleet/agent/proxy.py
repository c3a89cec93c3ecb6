"""The proxy through which an agent reaches its hub: that of the environment, as other programs use it."""

from __future__ import annotations

from urllib.parse import urlsplit

from websockets.proxy import get_proxy
from websockets.uri import parse_uri

from monitor.config.hosts import is_loopback


def proxy_of(url: str) -> str | None:
    """For this WebSocket, by HTTPS_PROXY, HTTP_PROXY and NO_PROXY; None without one, and for this host itself."""
    return None if is_loopback(urlsplit(url).hostname or "") else get_proxy(parse_uri(url))


def place_of(proxy: str) -> str:
    """Host and port, without the password that a proxy's URL can have."""
    return urlsplit(proxy).netloc.rpartition("@")[2]
