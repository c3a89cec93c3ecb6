"""A server whose database is PostgreSQL: what is kept there, and what goes on while it hangs, is gone, or is lost."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import pytest

from monitor.server import startup
from monitor.server.startup import CannotStart
from tests.postgresql.cluster import PASSWORD, Cluster
from tests.support.servers import Server, wait_for

pytestmark = pytest.mark.slow

TWO_RULES = """
from monitor.models import AlertRule
always = {"metric": "gpu.memory_total_bytes", "comparator": ">=", "threshold": 1, "severity": "info"}
AlertRule.objects.create(name="At once", **always)
AlertRule.objects.create(name="Later", for_seconds=10, **always)
"""


@pytest.fixture(scope="module")
def site(shared_cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(
        tmp_path_factory.mktemp("site"),
        is_first_start=True,
        database_url=shared_cluster.new_database("site"),
        telemetry_provider="simulated",
        poll_interval_ms=200,
    )
    process = server.launch()
    wait_for(lambda: server.listens() or process.poll() is not None, "the server, which makes its tables", seconds=90)
    yield server
    log = server.log
    assert server.stop() == 0
    assert PASSWORD not in log


def refused(server: Server) -> str:
    """The log of a server that cannot start."""
    assert server.launch().wait(60) == 1
    return server.log


def status_with_token(server: Server) -> int:
    """Of a request whose token has to be looked up."""
    request = urllib.request.Request(f"{server.url}/api/snapshot", headers={"Authorization": "Bearer gpumon_unknown"})
    with pytest.raises(urllib.error.HTTPError) as raised, urllib.request.urlopen(request, timeout=40):
        pass
    raised.value.close()
    return raised.value.code


def test_everything_is_in_postgresql_and_the_history_too(site: Server, cluster: Cluster) -> None:
    tables = set(cluster.run("SELECT tablename FROM pg_tables WHERE schemaname = 'public'", "site").split())
    assert {"auth_user", "django_session", "monitor_alertrule", "monitor_historychunk"} <= tables
    assert [*site.data_dir.glob("*.sqlite3*")] == []
    assert (site.data_dir / "initialized-postgresql").exists()
    wait_for(lambda: site.health()["problems"] == {}, "everything to be well", seconds=90)


def test_live_pages_go_on_while_postgresql_hangs(site: Server, cluster: Cluster) -> None:
    assert status_with_token(site) == 401
    cluster.freeze()
    wait_for(lambda: "database" in site.health()["problems"], "the problem in /api/health", seconds=40)
    for path in ("/", "/api/health", "/api/snapshot"):
        assert site.get(path)[0] == 200, path
    assert site.json("/api/snapshot")["stale"] is False
    assert status_with_token(site) == 503
    told = json.dumps(site.health()["problems"])
    assert f"{cluster.port}" not in told
    cluster.freeze(is_frozen=False)
    wait_for(lambda: not site.health()["problems"], "everything to be well again", seconds=60)
    assert status_with_token(site) == 401
    assert f"recovered: PostgreSQL at 127.0.0.1:{cluster.port} answers" in site.log


def test_alerts_of_an_outage_are_saved_afterwards(site: Server, cluster: Cluster) -> None:
    site.manage("shell", "-c", TWO_RULES)
    times = "SELECT extract(epoch FROM fired_at) FROM monitor_alertevent WHERE rule_name = '{}' ORDER BY 1 LIMIT 1"
    wait_for(lambda: cluster.run(times.format("At once"), "site"), "the first alert", seconds=30)
    cluster.stop()
    gone_at = time.time()
    wait_for(lambda: "(rule 'Later')" in site.log, "the other alert", seconds=30)
    wait_for(lambda: "alerts cannot be saved" in site.health()["problems"].get("alerts", ""), "the problem")
    back_at = time.time()
    cluster.start()
    wait_for(lambda: not site.health()["problems"], "everything to be well again", seconds=30)
    assert gone_at < float(cluster.run(times.format("Later"), "site")) < back_at


def test_commands_say_what_is_for_postgresql(site: Server, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"the database is PostgreSQL; use pg_dump and pg_restore"):
        site.manage("backup", str(tmp_path / "backup"))
    assert not (tmp_path / "backup").exists()
    site.manage("makemigrations", "--check", "--dry-run")
    assert "✓ The database answers: PostgreSQL " in site.manage("doctor")


def test_lost_tables_do_not_become_a_new_installation(site: Server, cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "initialized-postgresql").touch()
    said = refused(Server(tmp_path, is_first_start=True, database_url=cluster.new_database("emptied_server")))
    assert "the database emptied_server of PostgreSQL at" in said
    assert "no admin account" not in said
    assert cluster.run("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'", "emptied_server") == "0"


def test_server_does_not_start_without_its_database_and_says_why(tmp_path: Path) -> None:
    said = refused(
        Server(tmp_path, is_first_start=True, database_url="postgresql://gpumon:hidden-password@127.0.0.1:1/gpumon")
    )
    assert "gpumon: PostgreSQL at 127.0.0.1:1 does not answer: " in said
    assert "hidden-password" not in said


def test_second_server_on_a_database_does_not_start(monkeypatch: pytest.MonkeyPatch) -> None:
    class Taken:
        def acquire(self, *, wait_seconds: float) -> None:
            raise startup.DatabaseTaken("another server (gpumon on first) uses the database")

    monkeypatch.setattr(startup, "server_lock", Taken)
    monkeypatch.setattr(startup, "lock_data_dir", lambda _folder: BytesIO())
    startup.prepare_server.cache_clear()
    with pytest.raises(CannotStart, match=r"\(gpumon on first\).*give each server a database of its own"):
        startup.prepare_server()
