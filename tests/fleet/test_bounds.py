"""What no host may send, because it would break a page: refused with its place, before anything is done with it."""

from __future__ import annotations

import math
from typing import Any

import msgspec
import pytest

from monitor.fleet import bounds
from monitor.fleet.protocol import ProtocolError, SnapshotMessage, decode_from_agent
from monitor.telemetry.schema import Fan, System
from tests.support.snapshots import gpu, host, process


def received(snapshot: Any) -> None:
    message = decode_from_agent(msgspec.msgpack.encode({"type": "snapshot", "snapshot": snapshot}))
    assert isinstance(message, SnapshotMessage)
    bounds.check(message.snapshot)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300])
@pytest.mark.parametrize(
    "field", ["power_watts", "temperature_celsius", "since", "utilization_percent", "energy_joules"]
)
def test_numbers_that_no_driver_has_are_refused(field: str, value: float) -> None:
    with pytest.raises(ProtocolError, match=rf"gpus.*\.{field}"):
        received(host(gpu(0, **{field: value})))


def test_times_outside_of_the_calendar_are_refused() -> None:
    for wrong in (-1.0, 1e12):
        with pytest.raises(ProtocolError, match="started_at"):
            received(host(gpu(0, processes=(process(1, started_at=wrong),))))
        with pytest.raises(ProtocolError, match="booted_at"):
            received(host(gpu(0), system=System(booted_at=wrong)))


@pytest.mark.parametrize("uuid", ["", " \x00", "a/b c", "x" * 97])
def test_gpus_that_no_address_can_name_are_refused(uuid: str) -> None:
    with pytest.raises(ProtocolError, match="GPU 0 has the UUID"):
        received(host(gpu(0, uuid=uuid)))


def test_more_than_a_host_has_is_refused() -> None:
    received(host(gpu(0, processes=tuple(process(pid) for pid in range(1000)))))
    with pytest.raises(ProtocolError, match="513 GPUs; a host may send 512"):
        received(host(*map(gpu, range(513))))
    many = tuple(process(pid) for pid in range(5001))
    with pytest.raises(ProtocolError, match="10002 processes; a host may send 10000"):
        received(host(gpu(0, processes=many), gpu(1, processes=many)))
    reasons = {f"reason {number}": "" for number in range(1025)}
    with pytest.raises(ProtocolError, match="1025 reasons"):
        received(host(gpu(0, processes=(process(1, unavailable=reasons),))))
    with pytest.raises(ProtocolError, match="2000 parts of a GPU"):
        received(host(gpu(0, fans=(Fan(speed_percent=1.0),) * 2000)))


def test_host_that_asks_to_be_silent_for_an_hour_is_refused() -> None:
    received(host(gpu(0), poll_interval_seconds=60.0))
    with pytest.raises(ProtocolError, match="a polling interval of 3600 s; an agent may have 60 s"):
        received(host(gpu(0), poll_interval_seconds=3600.0))


def test_figures_that_no_hardware_has_are_unknown_also_in_the_totals() -> None:
    believable = host(gpu(0), gpu(1))
    assert bounds.plausible(believable) is believable
    wild = bounds.plausible(host(gpu(0, power_watts=1e18), gpu(1)))
    assert wild.gpus[0].power_watts is None
    assert (wild.totals.power_watts, wild.totals.unavailable["power_watts"]) == (350.0, "unknown for GPU 0")


def test_host_with_other_gpus_each_time_is_refused() -> None:
    """History, usage and alerts keep something of each: a host that made up 500 a reading took the hub a gigabyte a minute."""
    seen = bounds.SeenGpus()

    def read(first: int, now: float) -> None:
        seen.add(host(*map(gpu, range(first, first + 500))), now)

    for now in range(100):
        read(0, now)
    read(500, 101)
    with pytest.raises(ProtocolError, match="more than 1024 different GPUs within an hour"):
        read(1000, 102)
    read(1000, 3601.5)
