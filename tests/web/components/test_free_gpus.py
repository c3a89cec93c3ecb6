"""The choice of free GPUs: the lines to copy, and what stands there instead when nothing can be offered."""

from __future__ import annotations

import pytest

from monitor.telemetry.schema import Gpu, NvLink, ProviderReport, Snapshot
from monitor.web.components.free_gpus import FreeChoice, FreeForm
from tests.support.snapshots import GIB, gpu, host


def free(index: int, **changes: object) -> Gpu:
    return gpu(index, use="free", utilization_percent=0.0, memory_used_bytes=0, **changes)


def choice(snapshot: Snapshot, **query: str) -> FreeChoice:
    return FreeChoice(snapshot, FreeForm(query), {"GPU-0": 2460.0})


def lines(made: FreeChoice) -> dict[str, str]:
    return {line.label: line.text for line in made.lines}


def test_lines_start_a_program_on_the_chosen_gpus() -> None:
    made = choice(host(free(0), free(1)), count="2", memory="40GiB", idle_for="0")
    assert lines(made) == {
        "Shell": "CUDA_VISIBLE_DEVICES=GPU-0,GPU-1",
        "Docker": "--gpus '\"device=GPU-0,GPU-1\"'",
        "torchrun": "CUDA_VISIBLE_DEVICES=GPU-0,GPU-1 torchrun --nproc-per-node 2 train.py",
        "Wait": "gpumon wait --count 2 --memory 40GiB -- python train.py",
    }
    assert [pick.text for pick in made.picks] == ["80.0\u2009GiB, free for 41\u2009min 0\u2009s", "80.0\u2009GiB, free"]


def test_neighbours_by_nvlink_are_named() -> None:
    links = (NvLink(link=0, is_active=True, peer_type="switch"),)
    made = choice(host(free(0, nvlinks=links), free(1, nvlinks=links), free(2)), count="2")
    assert [(pick.gpu.index, pick.beside) for pick in made.picks] == [(0, "NVLink with 1"), (1, "NVLink with 0")]


def test_indexes_are_given_with_the_order_in_which_cuda_must_count() -> None:
    made = lines(choice(host(free(3, uuid="pci-0000:3b:00.0"))))
    assert made["Shell"] == "CUDA_DEVICE_ORDER=PCI_BUS_ID CUDA_VISIBLE_DEVICES=3"
    assert made["Docker"] == "--gpus '\"device=3\"'"


@pytest.mark.parametrize(
    ("snapshot", "reason"),
    [
        (host(gpu(0, use="busy")), "No GPU is free."),
        (host(free(0), stale=True), "The readings are stale: which GPUs are free is not known now."),
        (host(sampled_at=None), "No reading yet: which GPUs are free is not known."),
        (
            host(sampled_at=None, provider=None, providers=(ProviderReport(name="nvtop", reason="not in PATH"),)),
            "No data source responds: which GPUs are free is not known.",
        ),
    ],
)
def test_without_gpus_there_is_the_reason_and_a_line_that_waits(snapshot: Snapshot, reason: str) -> None:
    made = choice(snapshot)
    assert (made.reason, made.picks) == (reason, [])
    assert lines(made) == {"Wait": "gpumon wait --count 1 -- python train.py"}


@pytest.mark.parametrize("query", [{"count": "0"}, {"memory": "20"}, {"memory": "<b>"}, {"idle_for": "soon"}])
def test_wrong_parameters_are_named_and_offer_nothing(query: dict[str, str]) -> None:
    made = choice(host(free(0)), **query)
    assert made.reason.startswith(f"{next(iter(query)).capitalize()} is ")
    assert (made.picks, made.lines) == ([], [])


def test_form_keeps_a_value_that_is_not_in_its_list() -> None:
    form = FreeForm({"memory": "33GiB", "idle_for": "2h"})
    assert [option.label for option in form.memories if option.is_chosen] == ["≥ 33GiB"]
    assert [option.value for option in form.idle_times if option.is_chosen] == ["2h"]
    assert form.wanted.memory_bytes == 33 * GIB
