"""GPU_MONITOR_REDIS_URL: the Redis server that carries readings between the processes of a fleet, as a URI that redis-py reads.

https://redis.readthedocs.io/en/stable/connections.html#redis.Redis.from_url
"""

from __future__ import annotations

import importlib.util
from urllib.parse import parse_qsl, unquote, urlsplit

DEFAULT_PORT = 6379
FORM = "redis://user:password@host:6379/0, or rediss:// for TLS"  # pragma: allowlist secret
PARAMETERS = frozenset({"ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname"})
"""Those that can follow the `?` of a rediss:// URL."""
INSTALL = (
    "`pip install --require-hashes --requirement requirements-fleet.lock` (a wheel: `pipx inject gpumon redis "
    "'psycopg[binary]'`)"
)


def check(url: str) -> None:
    """Raises ValueError, whose text is what is right and never a part of the URL with a password."""
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError:
        raise ValueError(
            f"a URL such as {FORM}, with special characters of the password written as in %40 for @"
        ) from None
    if parts.scheme not in ("redis", "rediss") or not host or parts.fragment or port == 0:
        raise ValueError(f"a URL such as {FORM}, with special characters of the password written as in %23 for #")
    database = parts.path.removeprefix("/")
    if database and not (database.isascii() and database.isdigit()):
        raise ValueError(f"a URL such as {FORM}, which ends with the number of a database")
    allowed = PARAMETERS if parts.scheme == "rediss" else frozenset()
    if not {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)} <= allowed:
        raise ValueError(
            f"a URL such as {FORM}; the parameters after the ? of rediss:// are {', '.join(sorted(PARAMETERS))}"
        )


def password_of(url: str) -> str:
    """Empty if there is none."""
    return unquote(urlsplit(url).password or "")


def place(url: str) -> str:
    """`host:port`, for messages."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return f"{f'[{host}]' if ':' in host else host}:{parts.port or DEFAULT_PORT}"


def require_client() -> None:
    """Exit if the package redis is not installed."""
    if importlib.util.find_spec("redis") is None:
        raise SystemExit(f"gpumon: GPU_MONITOR_REDIS_URL needs the package redis, which is not installed: {INSTALL}")
