"""nvtop of every version: detected, read as a loop or one reading at a time, its broken JSON repaired."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.sanitize import with_plain_texts
from monitor.telemetry.providers import nvtop_json
from monitor.telemetry.providers.plausible import Bounds
from monitor.telemetry.schema import Fan, Reading
from tests.telemetry.providers.fake_program import FakeProgram
from tests.telemetry.providers.reader import Reader, check_rules

Open = Callable[..., Reader]
Program = Callable[[str], FakeProgram]

L4: dict[str, Any] = {
    "device_name": "NVIDIA L4", "gpu_clock": "2040MHz", "mem_clock": "6251MHz", "temp": "58C", "fan_speed": None,
    "power_draw": "71W", "gpu_util": "97%", "encode": "0%", "decode": "12%", "mem_util": "61%",
    "mem_total": "24152899584", "mem_used": "14733168640", "mem_free": "9419730944",
    "processes": [
        {"pid": "41207", "cmdline": 'python serve.py --name "a"', "kind": "compute", "user": "ana", "gpu_usage": "96%",
         "gpu_mem_bytes_alloc": "14200864768", "gpu_mem_usage": "58%", "encode": "0%", "decode": "12%"},
        {"pid": "41207", "cmdline": 'python serve.py --name "a"', "kind": "graphic", "user": "ana", "gpu_usage": "96%",
         "gpu_mem_bytes_alloc": "14200864768", "gpu_mem_usage": "58%", "encode": "0%", "decode": "12%"},
        {"pid": "7", "cmdline": None, "kind": "N/A", "user": "", "gpu_usage": None,
         "gpu_mem_bytes_alloc": "18446744073709551615", "gpu_mem_usage": None, "encode": None, "decode": None},
    ],
}  # fmt: skip
RADEON: dict[str, Any] = {
    "device_name": "AMD Radeon 780M Graphics", "gpu_clock": "800MHz", "mem_clock": "2800MHz", "temp": "44C",
    "fan_speed": "CPU Fan", "power_draw": "6W", "gpu_util": None, "encode_decode": "5%", "mem_util": "8%",
    "mem_total": "17179869184", "mem_used": "1374389534", "mem_free": "15805479650", "processes": [],
}  # fmt: skip


def printed(*gpus: dict[str, Any]) -> str:
    """As nvtop prints it: one key per line."""
    return json.dumps(gpus, indent=1) + "\n"


def parsed(*gpus: dict[str, Any]) -> Any:
    return nvtop_json.parse(printed(*gpus).encode(), Bounds("nvtop"))


# ── Its output ────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_nvidia_and_an_integrated_gpu_are_read() -> None:
    card, radeon = parsed(L4, RADEON)
    assert (card.uuid, card.utilization_percent, card.power_watts, card.graphics_clock_mhz) == (
        "nvtop-0-nvidia-l4",
        97,
        71,
        2040,
    )
    assert (card.memory_used_bytes, card.decoder_utilization_percent, card.temperature_celsius) == (14733168640, 12, 58)
    assert card.memory_utilization_percent is None  # mem_util is used of total, not the controller's load
    assert card.memory_used_percent == pytest.approx(61, abs=0.1)
    assert card.fans is None
    assert (radeon.index, radeon.fans, radeon.brand, radeon.memory_is_unified) == (1, (), "Radeon", True)
    assert radeon.utilization_percent is radeon.encoder_utilization_percent is None
    assert "one engine" in radeon.unavailable["encoder_utilization_percent"]


def test_processes_are_merged_and_missing_values_are_unknown() -> None:
    serve, other = parsed(L4)[0].processes
    assert (serve.pid, serve.types, serve.user, serve.name) == (41207, ("compute", "graphics"), "ana", "python")
    assert (serve.memory_used_bytes, serve.sm_utilization_percent) == (14200864768, 96)
    assert other.memory_used_bytes is other.command is other.user is other.sm_utilization_percent is None
    assert "not available" in other.unavailable["memory_used_bytes"]


@pytest.mark.parametrize(
    ("given_fan", "fans"),
    [
        ("42%", (Fan(speed_percent=42),)),
        ("1061RPM", (Fan(speed_rpm=1061),)),
        ("CPU Fan", ()),
        (None, None),
        ("?", None),
    ],
)
def test_fan_speed_is_in_percent_or_rpm_or_missing(given_fan: str | None, fans: object) -> None:
    assert parsed({**L4, "fan_speed": given_fan})[0].fans == fans


def test_fahrenheit_is_converted_to_celsius() -> None:
    assert parsed({**L4, "temp": "97F"})[0].temperature_celsius == pytest.approx(36.1)


def test_oldest_supported_version_prints_eight_keys() -> None:
    keys = ("device_name", "gpu_clock", "mem_clock", "temp", "fan_speed", "power_draw", "gpu_util", "mem_util")
    (gpu,) = parsed({key: L4[key] for key in keys})
    assert gpu.memory_used_percent == 61
    assert gpu.memory_total_bytes is gpu.processes is None


def test_commas_that_two_versions_omit_are_restored() -> None:
    broken = printed({key: value for key, value in L4.items() if key != "processes"})
    for key in ("mem_util", "mem_total", "mem_used"):
        broken = broken.replace(f'"{key}": "{L4[key]}",', f'"{key}": "{L4[key]}"')
    with pytest.raises(json.JSONDecodeError):
        json.loads(broken)
    (gpu,) = nvtop_json.parse(broken.encode(), Bounds("nvtop"))
    assert (gpu.memory_total_bytes, gpu.memory_used_bytes) == (24152899584, 14733168640)


def test_name_with_quotes_and_invalid_utf8_is_kept() -> None:
    text = printed(L4).encode().replace(b"NVIDIA L4", b'Card "X" \\ \xff\x01')
    (gpu,) = nvtop_json.parse(text, Bounds("nvtop"))
    assert gpu.name.startswith('Card "X" \\ \ufffd')


@given(st.binary(max_size=40).filter(lambda name: b"\n" not in name and b"\r" not in name))
def test_any_name_is_read(name: bytes) -> None:
    (gpu,) = nvtop_json.parse(printed(L4).encode().replace(b"NVIDIA L4", name), Bounds("nvtop"))
    assert gpu.utilization_percent == 97


@settings(max_examples=100)
@given(st.integers(0, 1500), st.integers(0, 300), st.binary(max_size=12).filter(lambda text: b"{" not in text))
def test_damage_to_one_gpu_costs_no_other(at: int, length: int, instead: bytes) -> None:
    text = printed(RADEON, L4, RADEON).encode()
    start, end = text.index(b'"NVIDIA L4"'), text.rindex(b"{")
    at = min(start + at, end - 20)
    damaged = text[:at] + instead + text[min(at + length, end - 20) :]
    gpus = nvtop_json.parse(damaged, Bounds("nvtop"))
    assert [gpu.name for gpu in (gpus[0], gpus[-1])] == [RADEON["device_name"]] * 2
    assert gpus[0] == parsed(RADEON)[0]
    assert gpus[-1].power_watts == 6
    assert len(gpus) == 3
    msgspec.json.encode(with_plain_texts(gpus))


def test_lines_of_a_damaged_part_are_read() -> None:
    text = printed(L4).replace('"NVIDIA L4"', "NVIDIA L4")
    (gpu,) = nvtop_json.parse(text.encode(), Bounds("nvtop"))
    assert (gpu.name, gpu.utilization_percent, gpu.processes) == ("GPU", 97, None)
    assert gpu.unavailable["processes"] == "this GPU's part of nvtop's output is damaged"


@pytest.mark.parametrize(
    ("key", "text", "metric", "words"),
    [
        ("temp", "511C", "temperature_celsius", "nvtop reports 511 °C"),
        ("power_draw", "3868W", "power_watts", "3868 W"),
        ("gpu_util", "4294967295%", "utilization_percent", "4294967295 %"),
        ("gpu_clock", "4294967295MHz", "graphics_clock_mhz", "4294967295 MHz"),
        ("mem_used", "18446744073709551615", "memory_used_bytes", "not available"),
        ("mem_used", "18446744073709551603", "memory_used_bytes", "18446744073709551603 bytes"),
        ("mem_used", "24152899585", "memory_used_bytes", "more than the total"),
        ("mem_used", "much", "memory_used_bytes", "'much'"),
        ("fan_speed", "65535RPM", "fans", "65535 rpm"),
        ("fan_speed", "250%", "fans", "250 %"),
    ],
)
def test_what_no_gpu_can_have_is_unknown_with_what_was_reported(key: str, text: str, metric: str, words: str) -> None:
    (gpu,) = parsed({**L4, key: text})
    assert getattr(gpu, metric) is None
    assert words in gpu.unavailable[metric]


@settings(max_examples=100)
@given(
    st.sampled_from(sorted(L4)),
    st.builds(
        lambda number, unit: f"{number}{unit}",
        st.integers() | st.floats(),
        st.sampled_from(["", "%", "C", "F", "W", "GHz", "RPM"]),
    )
    | st.text(max_size=30)
    | st.integers()
    | st.none()
    | st.lists(st.none() | st.integers() | st.just({"pid": 1}) | st.just({"pid": "9" * 30})),
)
def test_any_value_of_any_key_gives_a_reading_that_can_be_sent(key: str, given_value: Any) -> None:
    (gpu,) = parsed({**L4, key: given_value})
    reading = with_plain_texts(Reading(sampled_at=1.0, gpus=(gpu,)))
    check_rules(msgspec.json.decode(msgspec.json.encode(reading), type=Reading))


@given(st.lists(st.integers(1, 300), max_size=40), st.booleans())
def test_arrays_are_read_whole_however_the_stream_is_cut(cuts: list[int], with_line_ends: bool) -> None:
    one = printed(L4, RADEON).encode() if with_line_ends else printed(L4, RADEON).strip().encode()
    stream, buffer, found = one * 3, bytearray(), []
    while stream:
        size = cuts.pop() if cuts else len(stream)
        buffer += stream[:size]
        stream = stream[size:]
        while (document := nvtop_json.split(buffer)) is not None:
            found.append(document)
    assert found == [one.strip()] * 3


# ── The program ───────────────────────────────────────────────────────────────────────────────────────────────────────


def version(text: str) -> list[dict[str, object]]:
    return [{"out": f"nvtop version {text}\n"}]


@pytest.mark.slow
def test_version_with_a_loop_is_started_once(open_reader: Open, fake_program: Program) -> None:
    program = fake_program("nvtop")
    steps: list[dict[str, object]] = [{"out": printed(L4)}, {"sleep": 0.05}, {"repeat": 0}]
    reader = open_reader("nvtop", program.plays({"--version": version("3.3.2"), "-l": steps}), interval_seconds=0.5)
    assert reader.read().gpus[0].name == "NVIDIA L4"
    assert reader.read().sampled_at > 0
    assert [call[1:] for call in program.calls] == [["--version"], ["-l", "-d", "5"]]


@pytest.mark.slow
def test_version_without_a_loop_is_run_for_each_reading(open_reader: Open, fake_program: Program) -> None:
    program = fake_program("nvtop")
    reader = open_reader("nvtop", program.plays({"--version": version("3.2.0"), "-s": [{"out": printed(L4)}]}))
    reader.read()
    reader.read()
    assert [call[1:] for call in program.calls][1:] == [["-s"], ["-s"]]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scenario", "reason"),
    [
        ({"--version": version("3.1.0")}, "nvtop 3.1.0 is too old"),
        ({"--version": version("3.0.1")}, "too old"),
        ({"--version": version("3.2.0"), "-s": [{"out": "No GPU to monitor.\n"}]}, "no GPU to monitor"),
        ({"--version": version("3.3.2"), "-l": [{"out": "No GPU to monitor.\n"}]}, "no GPU to monitor"),
        ({"--version": version("3.2.0"), "-s": [{"out": "[\n]\n"}]}, "no GPU to monitor"),
        ({"--version": version("3.3.2"), "-l": [{"out": printed(L4)[:400]}, {"signal": signal.SIGSEGV}]}, "SIGSEGV in the middle"),
        ({"--version": version("3.2.0"), "-s": [{"out": "[\n  nonsense\n]\n"}]}, "Cannot read the output"),
        ({"--version": version("3.2.0"), "-s": [{"err": "Unhandled error in getopt missing argument"}, {"exit": 1}]}, "too old"),
    ],
)  # fmt: skip
def test_each_failure_at_the_start_has_a_reason(
    open_reader: Open, fake_program: Program, scenario: dict[str, list[dict[str, object]]], reason: str
) -> None:
    failed = open_reader("nvtop", fake_program("nvtop").plays(scenario)).failure()
    assert reason in failed.reason
    assert failed.fix


@pytest.mark.slow
def test_missing_program_is_reported(open_reader: Open) -> None:
    failed = open_reader("nvtop", {"PATH": "/nonexistent"}).failure()
    assert failed.reason == "`nvtop` is not in PATH."


@pytest.mark.slow
def test_crash_within_an_array_is_an_error_and_gives_no_reading(open_reader: Open, fake_program: Program) -> None:
    steps: list[dict[str, object]] = [
        {"out": printed(L4)},
        {"sleep": 0.2},
        {"out": printed(L4)[:300]},
        {"signal": signal.SIGSEGV},
    ]
    reader = open_reader("nvtop", fake_program("nvtop").plays({"--version": version("3.3.2"), "-l": steps}))
    assert len(reader.read().gpus) == 1
    assert "SIGSEGV in the middle" in reader.failure().reason
