"""Configuration drift: which hosts are marked, and what the mark says."""

from __future__ import annotations

from monitor.fleet.host_summary import HostSummary
from monitor.web.hosts.drift import drifts_of
from tests.support.snapshots import gpu
from tests.web.hosts.facts import summary


def texts(*hosts: HostSummary) -> dict[str, list[str]]:
    return {name: [drift.text for drift in drifts] for name, drifts in drifts_of(hosts).items()}


def test_driver_that_differs_within_a_tag_is_marked_with_what_the_others_have() -> None:
    many = [summary(f"a{number}", tags=("train",)) for number in range(3)]
    found = drifts_of([*many, summary("b", driver="570.124", tags=("rack", "train"))])
    assert {name: list(drifts) for name, drifts in found.items()} == {
        "b": [("≠ driver 570.124", "Differs within tag train: 580.1 on 3 hosts, 570.124 here")]
    }


def test_hosts_without_a_common_tag_are_not_compared() -> None:
    assert (
        texts(summary("a", tags=("one",)), summary("b", driver="570", tags=("two",)), summary("c", driver="560")) == {}
    )


def test_without_a_most_common_value_all_are_marked() -> None:
    hosts = summary("a", tags=("lab",)), summary("b", driver="570", tags=("lab",))
    assert texts(*hosts) == {"a": ["≠ driver 580.1"], "b": ["≠ driver 570"]}


def test_modes_are_compared_by_gpus_of_one_model() -> None:
    usual = [gpu(index, ecc_is_enabled=True, vbios_version="96.0") for index in range(4)]
    off = [gpu(index, ecc_is_enabled=index != 3, vbios_version="96.0") for index in range(4)]
    other = gpu(0, name="NVIDIA L40S", ecc_is_enabled=False, vbios_version="95.0")
    found = drifts_of(
        [summary("a", *usual, tags=("x",)), summary("b", *off, tags=("x",)), summary("c", other, tags=("x",))]
    )
    assert [(name, drift.text, drift.title) for name, drifts in found.items() for drift in drifts] == [
        ("b", "≠ ECC off", "Differs within tag x (H100 80GB HBM3): on on 7 GPUs, off on 1 here")
    ]


def test_unknown_values_are_no_drift() -> None:
    assert texts(summary("a", gpu(0), tags=("x",)), summary("b", gpu(0, ecc_is_enabled=True), tags=("x",))) == {}
