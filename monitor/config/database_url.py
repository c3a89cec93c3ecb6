"""GPU_MONITOR_DATABASE_URL: the PostgreSQL server that holds everything, as a URI in the form that libpq documents.

https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

SCHEMES = ("postgresql", "postgres")
DEFAULT_PORT = 5432
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
PARAMETERS = frozenset(
    {"host", "port", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslcrl", "channel_binding", "gssencmode"}
    | {"passfile", "application_name"}
)
"""The connection parameters that can follow the `?`."""
KEEP_ALIVE: dict[str, str | int] = {
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}
"""How soon a connection to a server that has vanished is closed: within a minute, not after hours."""
FORM = "postgresql://user:password@host:5432/name?sslmode=require"
SOCKET_FORM = "postgresql://user@/name?host=/var/run/postgresql"
HIDDEN = "***"


class DatabaseAddress(NamedTuple):
    """Where a PostgreSQL database is, and how to log in."""

    host: str
    """A name, an address, or the folder of a Unix socket, which begins with `/`; empty: libpq's own default, a socket."""
    port: int
    name: str
    user: str
    password: str
    parameters: dict[str, str]
    """Further connection parameters, such as sslmode."""


def place(host: str, port: int) -> str:
    """`host:port`, for messages."""
    if not host:
        return f"the local socket, port {port}"
    if host.startswith("/"):
        return f"{host}, port {port}"
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def parse(url: str) -> DatabaseAddress:
    """The address in a URL. Raises ValueError, whose text is what is right and never a part of the URL with a password."""
    parts = _split(url)
    parameters = _parameters(parts.query)
    host = parameters.pop("host", "") or _host(parts.netloc)
    port = parameters.pop("port", "") or str(parts.port or DEFAULT_PORT)
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= 65_535):
        raise ValueError(f"a URL such as {FORM}, with a port from 1 to 65535")
    name = unquote(parts.path.removeprefix("/"))
    if not name or "/" in name:
        raise ValueError(f"a URL such as {FORM}, which names one database after the host")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if any("\0" in text for text in (host, name, user, password)):
        raise ValueError(f"a URL such as {FORM}, without the character NUL")
    return DatabaseAddress(host, int(port), name, user, password, parameters)


def masked(url: str) -> str:
    """The URL for people, with *** in place of its password; a text that is no such URL is not shown at all."""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme.lower() not in SCHEMES:
        return "(not shown)"
    rest, question_mark, query = rest.partition("?")
    if question_mark and "@" in query:  # a password with an unescaped ?
        return f"{scheme}://{HIDDEN}"
    user_info, at, place = rest.rpartition("@")
    user, colon, _ = user_info.partition(":")
    shown = f"{scheme}://{user}{colon and ':' + HIDDEN}{at}{place}"
    if not question_mark:
        return shown
    pairs = (pair.partition("=") for pair in query.split("&"))
    return f"{shown}?" + "&".join(f"{name}={value if name in PARAMETERS else HIDDEN}" for name, _, value in pairs)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # checked only now
    except ValueError:
        raise ValueError(
            f"a URL such as {FORM}, with a port from 1 to 65535, and with special characters of the password written as in "
            "%40 for @"
        ) from None
    if parts.scheme not in SCHEMES or not url[len(parts.scheme) :].startswith("://"):
        raise ValueError(f"a URL such as {FORM}, or {SOCKET_FORM} for a Unix socket")
    if parts.fragment:
        raise ValueError(f"a URL such as {FORM}, with special characters of the password written as in %23 for #")
    return parts


def _host(netloc: str) -> str:
    """As written: `hostname` of urllib is in lower case, and the folder of a socket need not be."""
    place = netloc.rpartition("@")[2]
    return place[1:].partition("]")[0] if place.startswith("[") else unquote(place.partition(":")[0])


def _parameters(query: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name not in PARAMETERS:  # it is not repeated: it can be the end of a password with an unescaped ?
            raise ValueError(f"a URL such as {FORM}; the parameters after the ? are {', '.join(sorted(PARAMETERS))}")
        found[name] = value
    if found.get("sslmode", "prefer") not in SSL_MODES:
        raise ValueError(f"a URL whose sslmode is one of {', '.join(SSL_MODES)}")
    return found
