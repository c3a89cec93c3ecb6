"""What is read of a GPU host, damaged: output of nvidia-smi and nvtop, recordings, and the sampler's messages.

A reading is made of it, which can be sent and shown, or a named error that says what is wrong.
"""

from __future__ import annotations

import contextlib
import io
import json
from typing import Any

import msgspec
import pytest

from monitor.sanitize import with_plain_texts
from monitor.telemetry import recording
from monitor.telemetry.gpu_use import IdleLimits
from monitor.telemetry.host.processes import without_command_secrets
from monitor.telemetry.providers import nvtop_json
from monitor.telemetry.providers.nvidia_smi import report, xml
from monitor.telemetry.providers.plausible import Bounds
from monitor.telemetry.providers.program import END_OF_OUTPUT, NotADocument
from monitor.telemetry.sampler import wire
from monitor.telemetry.sampler.snapshot_builder import SnapshotBuilder
from monitor.telemetry.schema import Reading
from tests.fuzz.campaign import Extent, Target, campaign, files
from tests.fuzz.framed import of_framed_values
from tests.fuzz.mutations import OF_BYTES, OF_TEXT, change_text_between_tags, of_values
from tests.support.servers import ROOT
from tests.telemetry.providers.reader import check_rules

pytestmark = pytest.mark.slow

MIB = 1 << 20


def most_calls(data: bytes) -> float:
    """In proportion to the size and, at least, to the objects in it: each GPU has a hundred metrics, or reasons for none."""
    return 20_000 + 3 * len(data) + 4000 * data.count(b"{")


def most_bytes(data: bytes) -> float:
    return 4 * MIB + 100 * len(data)


def show(reading: Reading) -> None:
    """What the sampler, and then the supervisor, do with a reading."""
    sendable = with_plain_texts(msgspec.structs.replace(reading, gpus=without_command_secrets(reading.gpus)))
    [received] = wire.MessageReader().feed(wire.encode(sendable))
    assert isinstance(received, Reading)
    shown(SnapshotBuilder("box", IdleLimits), received)


def shown(builder: SnapshotBuilder, reading: Reading) -> None:
    builder.take_reading(reading, reading.gpus, 1.0)
    snapshot = builder.snapshot(2.0, 2.0, stale_reason=None, interval_seconds=1.0, system=None)
    assert msgspec.json.decode(msgspec.json.encode(snapshot))["seq"] >= 1


# ── The programs ──────────────────────────────────────────────────────────────────────────────────────────────────────


def read_smi(data: bytes) -> None:
    buffer = bytearray(data + END_OF_OUTPUT)
    while (document := report.split(buffer)) is not None:
        try:
            reading = xml.parse(document, 1.0, Bounds("nvidia-smi"))
        except NotADocument:
            continue
        check_rules(reading)
        show(reading)


def read_nvtop(data: bytes) -> None:
    buffer = bytearray(data)
    while (document := nvtop_json.split(buffer)) is not None:
        try:
            reading = Reading(sampled_at=1.0, gpus=nvtop_json.parse(document, Bounds("nvtop")))
        except NotADocument:
            continue
        check_rules(reading)
        show(reading)


def test_fuzz_nvidia_smi(extent: Extent) -> None:
    real = (ROOT / "tests" / "fakes" / "smi").glob("*.xml")
    campaign(
        Target(
            "nvidia_smi",
            read_smi,
            (*OF_TEXT, change_text_between_tags, change_text_between_tags),
            mutation_count=600,
            # A GPU whose opening tag is damaged is one too.
            most_calls=lambda data: 20_000 + 3 * len(data) + 4000 * max(data.count(b"<gpu"), data.count(b"</gpu>")),
            most_bytes=most_bytes,
        ),
        files("nvidia_smi", *sorted(real)),
        extent,
    )


def test_fuzz_nvtop(extent: Extent) -> None:
    values = of_values(json.loads, lambda value: json.dumps(value, indent=1).encode() + b"\n")
    campaign(
        Target(
            "nvtop",
            read_nvtop,
            (*OF_TEXT, values, values, values),
            mutation_count=1500,
            # Of an array that is no JSON, four repairs are tried.
            most_calls=lambda data: most_calls(data) + 80 * data.count(b"\n]"),
            most_bytes=most_bytes,
        ),
        files("nvtop"),
        extent,
    )


# ── Recordings ────────────────────────────────────────────────────────────────────────────────────────────────────────


def read_recording(data: bytes) -> None:
    file = io.BufferedReader(io.BytesIO(data))
    builder, problem = SnapshotBuilder("box", IdleLimits), None
    try:
        header, readings = recording.read_file(file, name="recording")
        assert header.host == with_plain_texts(header.host)
        for reading in readings:
            wire.verify(wire.encode(reading))
            shown(builder, reading)
    except recording.BadRecording as error:
        problem = error
    assert problem is None or (problem.reason.startswith("recording") and problem.fix)
    assert file.closed


def lines(change: Any) -> Any:
    """A mutation of one line's value."""

    def change_line(data: bytes, chance: Any, corpus: Any) -> bytes:
        parts = data.splitlines()
        if not parts:
            return data
        at = chance.randrange(len(parts))
        return b"\n".join([*parts[:at], change(parts[at], chance, corpus), *parts[at + 1 :], b""])

    return change_line


def test_fuzz_recording(extent: Extent) -> None:
    values = lines(of_values(json.loads, lambda value: json.dumps(value).encode()))
    campaign(
        Target(
            "recording",
            read_recording,
            (*OF_TEXT, values, values, values, values),
            mutation_count=2000,
            most_calls=most_calls,
            most_bytes=most_bytes,
        ),
        files("recording"),
        extent,
    )


# ── The sampler's pipe ────────────────────────────────────────────────────────────────────────────────────────────────


def read_pipe(data: bytes) -> None:
    builder, reader = SnapshotBuilder("box", IdleLimits), wire.MessageReader()
    with contextlib.suppress(wire.WireError):
        for message in reader.feed(data):
            if isinstance(message, Reading):
                shown(builder, message)
            elif isinstance(message, wire.Selected):
                builder.take_selection(message)


def test_fuzz_pipe(extent: Extent) -> None:
    values = of_framed_values()
    campaign(
        Target(
            "pipe",
            read_pipe,
            (*OF_BYTES, values, values, values, values),
            mutation_count=2000,
            most_calls=most_calls,
            most_bytes=most_bytes,
        ),
        files("pipe"),
        extent,
    )
