"""Every GPU that the driver lists is shown once, under an identity of its own, whatever UUIDs the driver reports."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.telemetry.sampler.roster import Roster
from monitor.telemetry.schema import Gpu

REAL = "GPU-11111111-2222-3333-4444-555555555555"
ODD = st.sampled_from(["", "GPU-", "GPU-00000000-0000-0000-0000-000000000000", "N/A", REAL, "a/b", "pci-0000:01:00.0",
                       "index-1", "GPU-a"]) | st.text(max_size=100)  # fmt: skip
PLACES = st.sampled_from([None, "0000:01:00.0", "0000:02:00.0", "n/a", "?#"])


def gpu(index: int, uuid: str, **values: object) -> Gpu:
    return Gpu(index=index, uuid=uuid, name="K80", **values)  # type: ignore[arg-type]


def place(number: int) -> str:
    return f"0000:{number:02x}:00.0"


def test_boards_with_an_empty_uuid_are_told_apart_by_their_pci_address() -> None:
    """Of four K80 whose UUID is "GPU-" only the last was shown."""
    roster = Roster()
    listed = [gpu(index, "GPU-", pci_bus_id=place(index)) for index in range(4)] + [gpu(4, REAL)]
    gpus = roster.update(listed, 1.0)
    assert [(each.index, each.uuid) for each in gpus] == [
        *((index, f"pci-{place(index)}") for index in range(4)),
        (4, REAL),
    ]
    assert [each.uuid_is_substitute for each in gpus] == [True, True, True, True, False]
    (notice,) = roster.notices
    assert notice.text.startswith("GPUs 0, 1, 2, 3: the driver reports no UUID, or the same one")


def test_shared_uuid_identifies_neither_gpu_even_when_one_is_gone() -> None:
    roster = Roster()
    both = [gpu(0, REAL, pci_bus_id=place(1)), gpu(1, REAL, pci_bus_id=place(2))]
    assert [each.uuid for each in roster.update(both, 1.0)] == [f"pci-{place(1)}", f"pci-{place(2)}"]
    gpus = roster.update(both[:1], 2.0)
    assert [(each.uuid, each.state) for each in gpus] == [(f"pci-{place(1)}", "ok"), (f"pci-{place(2)}", "lost")]
    assert gpus[1].uuid_is_substitute


def test_gpu_whose_uuid_is_later_reported_twice_is_not_lost() -> None:
    roster = Roster()
    roster.update([gpu(0, REAL, pci_bus_id=place(1))], 1.0)
    gpus = roster.update([gpu(0, REAL, pci_bus_id=place(1)), gpu(1, REAL, pci_bus_id=place(2))], 2.0)
    assert [(each.uuid, each.state) for each in gpus] == [(f"pci-{place(1)}", "ok"), (f"pci-{place(2)}", "ok")]


@pytest.mark.parametrize("uuid", [REAL, "GPU-0", "a", "nvtop-0-amd-radeon-780m-graphics"])
def test_usable_uuid_is_kept_without_a_notice(uuid: str) -> None:
    roster = Roster()
    (only,) = roster.update([gpu(0, uuid)], 1.0)
    assert (only.uuid, only.uuid_is_substitute) == (uuid, not uuid.startswith("GPU-"))
    assert roster.notices == ()


def test_gpus_are_in_the_order_of_their_index() -> None:
    assert [each.index for each in Roster().update([gpu(2, "c"), gpu(0, "a"), gpu(1, "b")], 1.0)] == [0, 1, 2]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 3), ODD, PLACES, st.sampled_from(["ok", "asleep", "lost"])), max_size=5),
                min_size=1, max_size=4))  # fmt: skip
def test_no_gpu_is_dropped_and_no_identity_given_twice(readings: list[list[tuple[int, str, str | None, str]]]) -> None:
    roster = Roster()
    for at, reading in enumerate(readings):
        listed = [
            gpu(index, uuid, pci_bus_id=pci, state=state, since=1.0, bar1_total_bytes=number)
            for number, (index, uuid, pci, state) in enumerate(reading)
        ]
        gpus = roster.update(listed, float(at))
        uuids = [each.uuid for each in gpus]
        assert len(set(uuids)) == len(uuids)
        assert len(gpus) >= len(listed)
        assert all(uuid and "/" not in uuid and uuid.isprintable() for uuid in uuids)
        assert [each.index for each in gpus] == sorted(each.index for each in gpus)
