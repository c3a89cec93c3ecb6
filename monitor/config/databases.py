"""Django's DATABASES, from the settings: PostgreSQL at GPU_MONITOR_DATABASE_URL, or SQLite in the data folder."""

from __future__ import annotations

import importlib.util
import socket
from pathlib import Path
from typing import Any

from monitor.config.database_url import KEEP_ALIVE, DatabaseAddress
from monitor.config.model import Config

INSTALL = (
    "`pip install --require-hashes --requirement requirements-postgresql.lock` (a wheel: `pipx inject gpumon "
    "'psycopg[binary]'`)"
)

_HISTORY_PRAGMAS = " PRAGMA secure_delete=FAST;"
"""Some builds of SQLite, Debian's among them, write zeros over deleted rows. FAST does so within pages that stay in use, and writes
no page only because it became free (https://www.sqlite.org/pragma.html#pragma_secure_delete): a tenth of all that is written."""


def databases(config: Config) -> dict[str, dict[str, Any]]:
    """By alias. Exits if PostgreSQL is wanted and its driver is not installed."""
    address = config.database_address
    if address is not None:
        return {"default": postgresql(address)}
    return {
        "default": _sqlite(config.data_dir / "gpumon.sqlite3"),
        # Stored history and usage. If it is lost, a new one begins.
        "history": {**_sqlite(config.data_dir / "history.sqlite3", pragmas=_HISTORY_PRAGMAS), "IS_REPLACEABLE": True},
    }


def _sqlite(file: Path, *, pragmas: str = "") -> dict[str, Any]:
    return {
        "ENGINE": "monitor.sqlite",
        "NAME": file,
        "OPTIONS": {
            # Writers queue at their first statement instead of failing at their first write.
            "transaction_mode": "IMMEDIATE",
            "timeout": 20,
            # With a write-ahead log (monitor/sqlite/journal.py), NORMAL can lose only the last transactions, and only if power
            # fails (https://www.sqlite.org/pragma.html#pragma_synchronous).
            "init_command": f"PRAGMA synchronous=NORMAL; PRAGMA cache_size=-8000;{pragmas}",
        },
    }


def postgresql(address: DatabaseAddress) -> dict[str, Any]:
    """Django's settings of the database at this address. Exits if the driver is not installed."""
    if importlib.util.find_spec("psycopg") is None:
        raise SystemExit(
            f"gpumon: GPU_MONITOR_DATABASE_URL needs the package psycopg, which is not installed: {INSTALL}"
        )
    return {
        "ENGINE": "monitor.postgresql",
        "NAME": address.name,
        "USER": address.user,
        "PASSWORD": address.password,
        "HOST": address.host,
        "PORT": address.port,
        "OPTIONS": {
            **KEEP_ALIVE,
            # Not a standby, which answers at the same address during a failover.
            "target_session_attrs": "read-write",
            "application_name": f"gpumon on {socket.gethostname()}",
            **address.parameters,
        },
    }
