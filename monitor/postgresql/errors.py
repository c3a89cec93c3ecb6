"""Explains why PostgreSQL cannot be used, and how to fix it. psycopg's own texts have several lines and repeat the address."""

from __future__ import annotations

import re
from typing import NamedTuple

_SERVER_SAYS = re.compile(r"\bFATAL:  ?")
_CONNECTING = re.compile(r"^(?:connection failed: )?connection (?:to server )?(?:at|on) .{1,400}? failed: ")


class _Meaning(NamedTuple):
    text: str
    """Completes `PostgreSQL at db:5432 …`."""
    fix: str = ""


_BY_STATE = {
    "57014": _Meaning("took too long over a statement, which was given up"),
    "55P03": _Meaning("waited too long for a lock", "`SELECT * FROM pg_locks` shows who holds it"),
    "40P01": _Meaning("gave up one of two transactions that waited for each other"),
    "53100": _Meaning("has no space left on its disk", "free some space there"),
    "53300": _Meaning("has no free connection", "raise max_connections, or end other programs' connections"),
    "57P01": _Meaning("closed the connection: it is shutting down"),
    "57P02": _Meaning("closed the connection: another of its processes crashed"),
    "57P03": _Meaning("does not accept connections yet", "it is starting up or shutting down"),
    "25006": _Meaning("is read-only", "GPU_MONITOR_DATABASE_URL must lead to the primary server, not to a standby"),
    "28000": _Meaning("refuses the login", "pg_hba.conf of the server lists who may connect from where"),
    "28P01": _Meaning("refuses the user or the password", "correct them in GPU_MONITOR_DATABASE_URL"),
    "3D000": _Meaning("has no database of this name", "create it: `createdb --owner=USER NAME`"),
    "42501": _Meaning("forbids this to the user", "make it the owner of the database and of its tables"),
    "XX001": _Meaning("reports damaged data", "restore a backup (docs/postgresql.md)"),
    "XX002": _Meaning("reports a damaged index", "`REINDEX DATABASE` builds it again"),
}
_BY_WORDS = (
    ("password authentication failed", _BY_STATE["28P01"]),
    ("no password supplied", _Meaning("wants a password", "add it to GPU_MONITOR_DATABASE_URL")),
    ("no pg_hba.conf entry", _BY_STATE["28000"]),
    ("authentication failed", _BY_STATE["28000"]),
    ("remaining connection slots", _BY_STATE["53300"]),
    ("too many clients", _BY_STATE["53300"]),
    ("too many connections", _BY_STATE["53300"]),
    ("the database system is", _BY_STATE["57P03"]),
    ("session is read-only", _BY_STATE["25006"]),
    ("server is in hot standby", _BY_STATE["25006"]),
    ("does not support SSL", _Meaning("has no TLS, and sslmode asks for it", "set up its TLS, or change sslmode")),
    ("certificate", _Meaning("has a certificate that sslmode does not accept", "check sslmode and sslrootcert")),
)
"""For errors at connecting, which have no code: libpq passes on only the server's words."""


def explain(error: Exception, place: str) -> str:
    """One sentence. `error`: from Django or psycopg. `place`: `host:port`."""
    meaning = _meaning(error)
    said = _said(error)
    detail = "" if said in meaning.text else f": {said}"
    return f"PostgreSQL at {place} {meaning.text}{detail}" + (f"; {meaning.fix}" if meaning.fix else "")


def brief(error: Exception) -> str:
    """The same for anyone: without host, user and database."""
    return f"PostgreSQL {_meaning(error).text}"


def _meaning(error: Exception) -> _Meaning:
    origin = _origin(error)
    known = _BY_STATE.get(getattr(origin, "sqlstate", None) or "")
    if known is not None:
        return known
    said = str(origin)
    for words, meaning in _BY_WORDS:
        if words in said:
            return meaning
    if 'database "' in said and "does not exist" in said:
        return _BY_STATE["3D000"]
    if getattr(origin, "sqlstate", None):
        return _Meaning("refuses a statement")
    if _SERVER_SAYS.search(said):
        return _Meaning("refuses the connection")
    if "closed the connection" in said or "connection is lost" in said or "connection is closed" in said:
        return _Meaning("closed the connection")
    return _Meaning("does not answer")


def _origin(error: Exception) -> Exception:
    """The first error: Django wraps psycopg's, and a lost connection wraps that once more."""
    while isinstance(error.__cause__, Exception):
        error = error.__cause__
    return error


def _said(error: Exception) -> str:
    """psycopg's first line, without the address."""
    first = str(_origin(error)).strip().partition("\n")[0]
    return _SERVER_SAYS.sub("", _CONNECTING.sub("", first)).removeprefix("PostgreSQL ")
