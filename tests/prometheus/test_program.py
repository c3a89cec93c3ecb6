"""What /metrics says of gpumon itself."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from monitor.prometheus.fleet_hosts import FleetHostFigures
from monitor.prometheus.program import Program, program
from monitor.prometheus.stage import MetricsStage
from monitor.telemetry.sampler.status import Status
from tests.prometheus.promtool import complaints
from tests.support.snapshots import alert


def figures(**changes: Any) -> Program:
    """A server that has run for a while."""
    values: dict[str, Any] = {
        "version": "1.2.3",
        "sampler": Status(readings=100, restarts=2),
        "tick_count": 110,
        "tick_seconds": 0.55,
        "stages": ("hub", "alerts"),
        "problems": ("alerts",),
        "clients": {"gpu": 3, "dashboard": 0},
        "dropped_frames": 7,
        "alerts": (alert(1), alert(2, severity="info"), alert(3, severity="info")),
        "notifications_waiting": 4,
        "notifications": {"sent": 9, "failed": 1},
        "database_bytes": {"gpumon": 4096, "history": 8192},
    }
    return Program(**{**values, **changes})


def body_of(shown: Program, accept: str = "") -> str:
    return MetricsStage(lambda: program(shown)).body(["own"], accept, has_details=True).plain.decode()


def test_figures_have_a_metric_each() -> None:
    text = body_of(figures())
    for line in (
        'gpumon_build_info{version="1.2.3"} 1.0',
        "gpumon_readings_total 100.0",
        "gpumon_sampler_restarts_total 2.0",
        "gpumon_tick_seconds_count 110.0",
        "gpumon_tick_seconds_sum 0.55",
        'gpumon_stage_problem{stage="hub"} 0.0',
        'gpumon_stage_problem{stage="alerts"} 1.0',
        'gpumon_clients{kind="gpu"} 3.0',
        "gpumon_dropped_frames_total 7.0",
        'gpumon_alerts_open{severity="info"} 2.0',
        'gpumon_alerts_open{severity="warning"} 0.0',
        'gpumon_alerts_open{severity="critical"} 1.0',
        "gpumon_notifications_waiting 4.0",
        'gpumon_notifications_total{result="failed"} 1.0',
        'gpumon_database_bytes{database="history"} 8192.0',
    ):
        assert f"\n{line}\n" in f"\n{text}"


@pytest.mark.slow
def test_hosts_of_a_fleet_have_metrics_while_they_can_send() -> None:
    hosts = (
        FleetHostFigures("gpu07", "active", True, 0.5, -3.25),
        FleetHostFigures("gpu08", "may_be_off", False, 900.0, None),
        FleetHostFigures("gpu09", "active", None, None, None),
        FleetHostFigures("gpu10", "retired", False, None, None),
    )
    text = body_of(figures(hosts=hosts))
    assert [line for line in text.splitlines() if line.startswith("gpumon_fleet")] == [
        'gpumon_fleet_hosts{state="active"} 2.0',
        'gpumon_fleet_hosts{state="may_be_off"} 1.0',
        'gpumon_fleet_hosts{state="pending"} 0.0',
        'gpumon_fleet_hosts{state="retired"} 1.0',
        'gpumon_fleet_hosts{state="revoked"} 0.0',
        'gpumon_fleet_host_up{host="gpu07",state="active"} 1.0',
        'gpumon_fleet_host_up{host="gpu08",state="may_be_off"} 0.0',
        'gpumon_fleet_host_age_seconds{host="gpu07"} 0.5',
        'gpumon_fleet_host_age_seconds{host="gpu08"} 900.0',
        'gpumon_fleet_host_clock_offset_seconds{host="gpu07"} -3.25',
    ]
    assert complaints(text) == ""
    assert "gpumon_fleet" not in body_of(figures())


def test_unknown_figures_are_absent() -> None:
    """The outbox before its first look; the files of a database that PostgreSQL holds."""
    text = body_of(figures(notifications_waiting=None, database_bytes={}))
    assert "gpumon_notifications_waiting" not in text
    assert "gpumon_database_bytes" not in text


@pytest.mark.slow
def test_both_formats_are_valid() -> None:
    assert complaints(body_of(figures())) == ""
    families = {
        family.name for family in text_string_to_metric_families(body_of(figures(), "application/openmetrics-text"))
    }
    assert {"gpumon_build", "gpumon_readings", "gpumon_tick_seconds", "process_cpu_seconds"} <= families
