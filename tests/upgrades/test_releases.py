"""The server upgrades a database of any earlier release at startup without losing data."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
import requests

from monitor.config.paths import BASE_DIR
from tests.support.prepared_folder import prepare
from tests.support.servers import Server
from tests.upgrades.dump import ADMINISTRATOR, DATABASE, PASSWORD, SCHEMAS, count, load

pytestmark = pytest.mark.slow

KEPT = sorted(SCHEMAS.glob("*.sql"))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The schema of a new database of this version."""
    folder = tmp_path_factory.mktemp("fresh")
    prepare(folder)
    return schema(folder / DATABASE)


def schema(database: Path) -> dict[str, Any]:
    """Columns and indices of each table, and the applied migrations, regardless of their order."""
    with contextlib.closing(sqlite3.connect(database)) as connection:

        def ask(question: str) -> list[tuple[Any, ...]]:
            return connection.execute(question).fetchall()

        found: dict[str, Any] = {"migrations": sorted(ask("SELECT app, name FROM django_migrations"))}
        for (table,) in ask("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"):
            columns = sorted(
                (name, kind, not_null, default, key)
                for _, name, kind, not_null, default, key in ask(f"PRAGMA table_info({table})")
            )
            indices = sorted(
                (is_unique, sorted(str(column) for _, _, column in ask(f"PRAGMA index_info({name})")))
                for _, name, is_unique, *_ in ask(f"PRAGMA index_list({table})")
            )
            found[table] = (columns, indices)
        return found


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.stem)
def test_startup_upgrades_the_database_and_its_administrator_can_still_log_in(
    kept: Path, fresh: dict[str, Any], tmp_path: Path
) -> None:
    database = tmp_path / DATABASE
    load(kept, database)
    events = count(database, "monitor_alertevent") if "monitor_alertevent" in kept.read_text() else 0
    server = Server(tmp_path, is_first_start=True, telemetry_provider="simulated", simulated_gpus=2).start()
    try:
        with requests.Session() as browser:
            form = browser.get(f"{server.url}/admin/login/", timeout=40).text
            token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', form)
            assert token is not None
            who = {"username": ADMINISTRATOR, "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
            answer = browser.post(f"{server.url}/admin/login/?next=/admin/", data=who, timeout=40)
            assert (answer.status_code, answer.url) == (200, f"{server.url}/admin/")
        assert server.get("/")[0] == 200
    finally:
        server.stop()
    assert schema(database) == fresh, "a kept schema differs from a fresh one: was a migration edited that is in use?"
    assert count(database, "monitor_alertevent") >= events
    assert count(database, "monitor_alertrule") > 0
    assert count(database, "monitor_sitesettings") == 0, "settings were made that nobody had set"


def test_every_release_in_the_changelog_has_a_saved_database() -> None:
    released = re.findall(r"^## (\d+\.\d+\.\d+)", (BASE_DIR / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert {*released} <= {path.stem for path in KEPT}
