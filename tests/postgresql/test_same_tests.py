"""The tests of what gpumon stores, run on PostgreSQL: its tables are made by every migration, from nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.postgresql.cluster import Cluster
from tests.support.servers import ROOT

_TAKEOVER = "tests/alerts/test_takeover.py::test"
_RECORDER = "tests/history/test_recorder.py::test"
TESTS = (
    "tests/alerts/test_default_rule_names.py",
    "tests/alerts/test_engine.py",
    "tests/alerts/test_fleet_alerts.py",
    "tests/alerts/test_rule_rows.py",
    f"{_TAKEOVER}_alert_that_was_judged_but_not_written_is_opened_once_by_the_next_engine",
    f"{_TAKEOVER}_alert_that_was_written_is_neither_opened_nor_sent_again",
    f"{_TAKEOVER}_events_of_a_host_are_written_together_with_its_position",
    "tests/notifications/test_claims.py",
    "tests/notifications/test_outbox.py",
    "tests/notifications/test_notifier.py::test_failing_message_delays_its_own_channel_only",
    "tests/access/test_backends.py",
    "tests/access/test_tokens.py",
    f"{_RECORDER}_readings_are_stored_once_a_minute_and_seen_in_memory_before_that",
    f"{_RECORDER}_an_orderly_end_loses_nothing",
    f"{_RECORDER}_a_killed_server_loses_the_last_minute_at_most_and_the_rest_is_rolled_up",
    f"{_RECORDER}_a_clock_set_back_adds_to_the_seconds_that_are_there",
    f"{_RECORDER}_a_gap_that_goes_on_is_one_row",
    f"{_RECORDER}_a_switched_off_history_stores_nothing_and_the_time_is_not_recorded",
    "tests/history/test_other_hosts.py",
    "tests/history/test_queries.py",
    "tests/usage/test_ledger.py",
    "tests/usage/test_other_hosts.py",
    "tests/web/pages/test_alert_history.py",
)
NOT_HERE = ("digest_holds_any_number", "any_span_at_any_width", "every_tier_has_each_reading_once")
"""One sets a limit of SQLite, two are about arithmetic, with many random cases."""


@pytest.mark.slow
def test_what_is_stored_behaves_the_same_on_postgresql(cluster: Cluster, tmp_path: Path) -> None:
    without = " and ".join(f"not {name}" for name in NOT_HERE)
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
