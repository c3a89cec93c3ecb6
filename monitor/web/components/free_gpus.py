"""Free GPUs to choose from: the button of the dashboard, and what its picker and the page /free show."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from monitor import formats
from monitor.live.pieces import Value
from monitor.telemetry.free.choice import FreeGpu, FreeGpus, PlaceOf, choose, free_count
from monitor.telemetry.free.topology import place_of
from monitor.telemetry.free.wanted import MOST_GPUS, Wanted, wanted_of
from monitor.telemetry.schema import GpuUse, Snapshot
from monitor.web.components.live_pieces import LivePieces

_MEMORY = ("0", "10GiB", "20GiB", "40GiB", "80GiB", "140GiB")
_IDLE = (("0", "now"), ("1min", "≥ 1 min"), ("5min", "≥ 5 min"), ("15min", "≥ 15 min"), ("1h", "≥ 1 h"))


def free_button(snapshot: Snapshot, uses: Sequence[GpuUse], live: LivePieces) -> Value:
    """The button that opens the picker, with the number of free GPUs."""
    count = free_count(snapshot.gpus, uses)
    if snapshot.stale:
        why = "The readings are stale: whether a GPU is free is not known now."
    elif not count:
        why = "No GPU is free. A command can wait for one."
    else:
        why = "Choose GPUs, and copy a line that starts a program on them"
    label = f"{count} free GPU{'' if count == 1 else 's'}" if count else "No free GPU"
    return live.text("free-gpus", label, ("data-free", "" if snapshot.stale else str(count)), ("title", why))


class Option(NamedTuple):
    """Of a select."""

    value: str
    label: str
    is_chosen: bool


class Line(NamedTuple):
    """A line to copy."""

    label: str
    text: str


class Pick(NamedTuple):
    """A chosen GPU."""

    gpu: FreeGpu
    text: str
    beside: str


class FreeForm:
    """The form, with what was chosen. `problem`: why the parameters of the address are not used."""

    def __init__(self, query: Mapping[str, str]) -> None:
        self.problem = ""
        try:
            self.wanted = wanted_of({name: query[name] for name in ("count", "memory", "idle_for") if query.get(name)})
        except ValueError as error:
            self.problem, self.wanted = formats.sentence(error), Wanted()
        given = {"memory": "0", "idle_for": "0", **({} if self.problem else query)}
        self.most = MOST_GPUS
        self.memories = _options(
            [(size, f"≥ {size[:-3]}{formats.THIN}GiB" if size != "0" else "any") for size in _MEMORY], given["memory"]
        )
        self.idle_times = _options(_IDLE, given["idle_for"])
        self.memory, self.idle_for = given["memory"], given["idle_for"]
        self.host = query.get("host", "")


def _options(known: Sequence[tuple[str, str]], chosen: str) -> list[Option]:
    """The known values, and the chosen one if it is another."""
    others = [] if chosen in dict(known) else [(chosen, f"≥ {chosen}")]
    return [Option(value, label, value == chosen) for value, label in (*known, *others)]


class FreeChoice:
    """The GPUs for a form, and the lines that start a program on them; or why there are none."""

    def __init__(
        self, snapshot: Snapshot, form: FreeForm, free_seconds: Mapping[str, float], *, place: PlaceOf = place_of
    ) -> None:
        self.form = form
        self.picks: list[Pick] = []
        self.lines: list[Line] = []
        self.reason = form.problem
        if snapshot.sampled_at is None:
            why = "No data source responds" if snapshot.providers and not snapshot.provider else "No reading yet"
            self.reason = f"{why}: which GPUs are free is not known."
        elif snapshot.stale:
            self.reason = "The readings are stale: which GPUs are free is not known now."
        elif not form.problem:
            found = choose(snapshot, form.wanted, free_seconds, place=place)
            self.reason = found.reason or ""
            self.picks = [Pick(gpu, _in_words(gpu), _beside(gpu)) for gpu in found.gpus]
            self.lines = list(_lines(found))
        if not form.problem:
            self.lines.append(Line("Wait", _wait_line(form)))


def _in_words(gpu: FreeGpu) -> str:
    """80.0 GiB, free for 41 min."""
    words = [] if gpu.memory_free_bytes is None else [formats.memory(gpu.memory_free_bytes)]
    words.append("free" if gpu.free_seconds < 1 else f"free for {formats.duration(gpu.free_seconds)}")
    return ", ".join(words)


def _beside(gpu: FreeGpu) -> str:
    """The chosen GPUs that are connected with it: NVLink with 1 · PCIe switch with 1, 2."""
    if gpu.device.startswith("MIG-"):
        return "MIG instance"
    connected = (("NVLink", gpu.nvlink_with), ("PCIe switch", gpu.switch_with))
    return " · ".join(f"{by} with {', '.join(map(str, indexes))}" for by, indexes in connected if indexes)


def _lines(found: FreeGpus) -> list[Line]:
    if found.cuda_visible_devices is None:
        return []
    devices = found.cuda_visible_devices
    order = f"CUDA_DEVICE_ORDER={found.cuda_device_order} " if found.cuda_device_order else ""
    assignment = f"{order}CUDA_VISIBLE_DEVICES={devices}"
    return [
        Line("Shell", assignment),
        Line("Docker", f"--gpus '\"device={devices}\"'"),
        Line("torchrun", f"{assignment} torchrun --nproc-per-node {len(found.gpus)} train.py"),
    ]


def _wait_line(form: FreeForm) -> str:
    options = [f"--count {form.wanted.gpu_count}"]
    if form.wanted.memory_bytes:
        options.append(f"--memory {shlex.quote(form.memory)}")
    if form.wanted.idle_seconds:
        options.append(f"--idle-for {shlex.quote(form.idle_for)}")
    return f"gpumon wait {' '.join(options)} -- python train.py"
