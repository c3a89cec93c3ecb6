"""An upgrade moves settings from their own columns to the JSON column, and a downgrade moves them back.

tests/upgrades/test_releases.py upgrades databases without settings.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from tests.support.servers import Server
from tests.upgrades.dump import DATABASE, SCHEMAS, load

pytestmark = pytest.mark.slow

BEFORE = {
    "poll_interval_ms": 250,
    "enable_system_metrics": 0,
    "telemetry_provider": "nvidia_smi",
    "show_commands": "name",
    "idle_held_utilization_percent": 0,
}


def row(database: Path) -> dict[str, Any]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.row_factory = sqlite3.Row
        (found,) = connection.execute("SELECT * FROM monitor_sitesettings")
        return dict(found)


def test_settings_of_the_admin_survive_an_upgrade_and_a_downgrade(tmp_path: Path) -> None:
    database, server = tmp_path / DATABASE, Server(tmp_path, is_first_start=True)
    load(SCHEMAS / "next.sql", database)
    server.manage("migrate", "monitor", "0012")
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute(
            f"INSERT INTO monitor_sitesettings (id, {', '.join(BEFORE)}, updated_at) "
            f"VALUES (1, {', '.join('?' * len(BEFORE))}, '2026-11-01 12:00:00')",
            tuple(BEFORE.values()),
        )
        connection.commit()
    server.manage("migrate")
    after = row(database)
    assert set(after) == {"id", "overrides", "updated_at"}
    assert json.loads(after["overrides"]) == {**BEFORE, "enable_system_metrics": False}
    assert after["updated_at"] == "2026-11-01 12:00:00"
    server.manage("migrate", "monitor", "0012")
    before = row(database)
    assert {name: before[name] for name in BEFORE} == BEFORE
    assert before["log_level"] is None
