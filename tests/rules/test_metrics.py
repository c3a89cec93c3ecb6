"""The metrics of rules come from the schema, with labels and units."""

from __future__ import annotations

import msgspec

from monitor.rules.metrics import COUNTERS, LIMITS, label_of, metrics, text_of
from monitor.telemetry.schema import Gpu


def test_every_counter_and_limit_is_a_metric() -> None:
    assert set(COUNTERS) <= metrics().keys()
    assert {f"gpu.{limit}" for limit in LIMITS} <= metrics().keys()


def test_schema_numbers_are_metrics_while_names_and_times_are_not() -> None:
    found = {metric.field for metric in metrics().values() if metric.of == "gpu"}
    assert {"temperature_celsius", "ecc_uncorrected_volatile", "persistence_mode", "utilization_percent"} <= found
    assert not found & {"uuid", "name", "index", "since", "fans", "processes", "clock_event_reasons", "unavailable"}
    assert found <= {field.name for field in msgspec.structs.fields(Gpu)}


def test_values_are_shown_in_their_unit() -> None:
    assert text_of("gpu.temperature_celsius", 88) == "88\u2009°C"
    assert text_of("gpu.memory_used_bytes", 3 << 30) == "3.0\u2009GiB"
    assert text_of("system.load_1m", 2.5) == "2.5"
    assert text_of("gpu.pcie_replays", 1234567) == "1234567"
    assert text_of("gpu.persistence_mode", 0) == "no"
    assert text_of("health.age_seconds", 72) == "1\u2009min 12\u2009s"
    assert text_of("gpu.of_a_later_version", 7.5) == "7.5"


def test_labels_use_the_official_spelling_of_terms() -> None:
    assert label_of("gpu.sm_clock_mhz") == "SM clock"
    assert label_of("gpu.pcie_rx_bytes_per_second") == "PCIe received"
    assert label_of("system.load_1m") == "load of 1 min"
