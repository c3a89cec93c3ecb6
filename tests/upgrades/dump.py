"""`python -m tests.upgrades.dump [NAME]`: saves the database of this version as SQL, with rows written by a running
server. Every release has one (docs/upgrading.md); NAME defaults to the version.
"""

from __future__ import annotations

import contextlib
import sqlite3
import sys
import tempfile
from pathlib import Path

from monitor.version import __version__
from tests.support.servers import Server, wait_for

SCHEMAS = Path(__file__).parent / "schemas"
ADMINISTRATOR, PASSWORD = "root", "correct horse battery"
"""The account in every saved database."""
DATABASE = "gpumon.sqlite3"

ALWAYS_FIRING = """\
gpumon_rules: 1
rules:
- name: Warmer than ice
  kind: threshold
  metric: gpu.temperature_celsius
  comparator: '>='
  threshold: 1.0
  for_seconds: 0.0
"""


def dump(name: str) -> Path:
    """Run a server with simulated GPUs on a fresh data folder until an alert is written, and save its database."""
    with tempfile.TemporaryDirectory() as folder:
        data_dir = Path(folder)
        server = Server(
            data_dir, is_first_start=True, telemetry_provider="simulated", simulated_gpus=2, poll_interval_ms=200
        )
        server.manage("migrate")
        server.make_superuser(ADMINISTRATOR, PASSWORD)
        rules = data_dir / "rules.yaml"
        rules.write_text(ALWAYS_FIRING)
        server.manage("alerts", "import", str(rules))
        server.start()
        try:
            wait_for(lambda: count(data_dir / DATABASE, "monitor_alertevent") or None, "an alert to be written")
        finally:
            server.stop()
        kept = SCHEMAS / f"{name}.sql"
        kept.write_text(as_sql(data_dir / DATABASE))
        return kept


def count(database: Path, table: str) -> int:
    """The number of rows of a table."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        answer: int = connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        return answer


def as_sql(database: Path) -> str:
    """The whole database as SQL statements."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        return "\n".join(connection.iterdump()) + "\n"


def load(sql: Path, database: Path) -> None:
    """Create a database from SQL statements."""
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.executescript(sql.read_text())


if __name__ == "__main__":
    print(dump(sys.argv[1] if len(sys.argv) > 1 else __version__))
