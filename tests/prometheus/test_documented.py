"""docs/prometheus.md names every metric, each beside what the other exporters call it, and every alert rule."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

import pytest
import yaml

from monitor.prometheus import dcgm, nvidia_smi, own_fields
from monitor.prometheus.fields import Field
from tests.support.servers import ROOT

TEXT = (ROOT / "docs/prometheus.md").read_text()
NAME = re.compile(r"`([A-Za-z0-9_*]+)(?:\{[^`]*\})?`")
NAMED = set(NAME.findall(TEXT))
OWN_OF = {
    **{field.source: field.name for field in own_fields.GPU_FIELDS},
    **{
        f"ecc_{type_}_{counter}": f'gpumon_gpu_ecc_errors_total{{type="{type_}", counter="{counter}"}}'
        for type_ in ("corrected", "uncorrected")
        for counter in ("volatile", "aggregate")
    },
    "clock_event_reasons": "gpumon_gpu_clock_event_reason{reason}",
    "compute_mode": "gpumon_gpu_info{name, pci_bus_id, …}",
    "fabric_state": "gpumon_gpu_fabric_state{state}",
    "fans": "gpumon_gpu_fan_speed_ratio{fan}",
    "index": "gpu",
    "recovery_action": "gpumon_gpu_recovery_action{action}",
}
"""gpumon's own name of each field of the schema that another exporter shows."""


class Row(NamedTuple):
    """The names in one row of the table."""

    own: str
    dcgm: list[str]
    nvidia_smi: list[str]


def rows() -> list[Row]:
    cells = [line.strip("|").split(" | ") for line in TEXT.splitlines() if line.startswith("| ")]
    return [
        Row(re.findall("`([^`]+)`", three[0])[0], NAME.findall(three[1]), NAME.findall(three[2]))
        for three in cells
        if len(three) == 3 and "`" in three[0]
    ]


@pytest.mark.parametrize(
    ("exporter", "fields"),
    [("dcgm", (*dcgm.GPU_FIELDS, *dcgm.ACTIVITY_FIELDS, *dcgm.MEMORY_FIELDS)), ("nvidia_smi", nvidia_smi.GPU_FIELDS)],
    ids=["dcgm", "nvidia_smi"],
)
def test_name_of_another_exporter_is_beside_our_own(exporter: str, fields: tuple[Field, ...]) -> None:
    beside = {name: row.own for row in rows() for name in getattr(row, exporter) if "instance" not in row.own}
    for field in fields:
        (own,) = {own for name, own in beside.items() if fnmatchcase(field.name, name)}
        assert own == OWN_OF[field.source], field.name


def test_table_names_no_metric_that_is_not_exported() -> None:
    exported = [
        field.name for field in (*dcgm.GPU_FIELDS, *dcgm.ACTIVITY_FIELDS, *dcgm.MEMORY_FIELDS, *nvidia_smi.GPU_FIELDS)
    ]
    exported += [field.name for field in nvidia_smi.MIG_FIELDS] + literals("nvidia_smi") + [dcgm.XID]
    for row in rows():
        for name in (*row.dcgm, *row.nvidia_smi):
            assert any(fnmatchcase(each, name) for each in exported) or name == "gpu", name


def test_every_name_of_our_own_is_documented() -> None:
    ours = set(literals("gpumon"))
    assert sorted(ours - NAMED) == []
    assert sorted(name for name in NAMED - ours if re.match("gpumon_(?!token)", name)) == []


def literals(prefix: str) -> list[str]:
    """The names that the code of the vocabularies spells out."""
    code = "".join(path.read_text() for path in sorted((ROOT / "monitor/prometheus").glob("*.py")))
    return re.findall(rf'"({prefix}_\w*[a-z0-9])"', code)


def test_reason_is_given_for_what_is_missing() -> None:
    missing = TEXT[TEXT.index("## Moving from DCGM exporter") :]
    named = NAME.findall(missing)
    for name in (*dcgm.NOT_EXPORTED, *nvidia_smi.NOT_EXPORTED):
        assert any(fnmatchcase(name, pattern) for pattern in named), name


def test_every_alert_rule_is_listed_by_its_severity() -> None:
    listed = dict(re.findall(r"^\| (critical|warning|info) \| (.*) \|$", TEXT, re.MULTILINE))
    for severity, alerts in listed.items():
        assert sorted(NAME.findall(alerts)) == sorted(name for name, found in alert_rules() if found == severity)


def alert_rules() -> Iterator[tuple[str, str]]:
    """Name and severity of each."""
    for group in yaml.safe_load((ROOT / "deploy/prometheus/gpumon.rules.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["labels"]["severity"]
