"""The tests of what gpumon stores, run on PostgreSQL: its tables are made by every migration, from nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgresql.cluster import Cluster
from tests.support.servers import ROOT

TESTS = (
    "tests/alerts/test_default_rule_names.py",
    "tests/alerts/test_engine.py",
    "tests/alerts/test_evidence_recorder.py",
    "tests/alerts/test_rule_rows.py",
    "tests/notifications/test_outbox.py",
    "tests/notifications/test_notifier.py::test_failing_message_delays_its_own_channel_only",
    "tests/access/test_backends.py",
    "tests/access/test_tokens.py",
    "tests/history/test_recorder.py",
    "tests/history/test_queries.py",
    "tests/usage/test_ledger.py",
    "tests/web/pages/test_alert_history.py",
)
ABOUT_SQLITE = (
    "digest_holds_any_number",
    "locked_database",
    "damaged_file",
    "deleted_file",
    "full_disk",
    "whatever_happens",
    "any_span_at_any_width",
)
"""Tests about files, or with thousands of random cases: the latter are about arithmetic."""


@pytest.mark.slow
def test_what_is_stored_behaves_the_same_on_postgresql(cluster: Cluster, tmp_path: Path) -> None:
    without = " and ".join(f"not {name}" for name in ABOUT_SQLITE)
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly", "-k", without, *TESTS],
        cwd=ROOT,
        env={
            **os.environ,
            "GPU_MONITOR_DATABASE_URL": cluster.url(),
            "GPU_MONITOR_DATA_DIR": str(tmp_path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout[-8000:] + ended.stderr[-2000:]
    assert " passed" in ended.stdout
