"""Reports of nvidia-smi parse to the right values, and what is no value has a reason."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.telemetry.providers.nvidia_smi.xml import NUMBERS, parse
from monitor.telemetry.providers.plausible import Bounds
from monitor.telemetry.providers.program import NotADocument
from monitor.telemetry.schema import Gpu, Reading
from monitor.telemetry.totals import total
from tests.support.servers import ROOT
from tests.telemetry.providers.reader import check_rules

MIB = 1 << 20
OWN = ROOT / "tests/fakes/smi/h100-driver-580.xml"
WHOLE = ROOT / "tests/fakes/smi/h100-driver-580-load.xml"
"""A whole report, of an H100 under load in a virtual machine."""


def read(path: Path) -> Reading:
    reading = parse(path.read_bytes(), 1.0, Bounds("nvidia-smi"))
    reading = msgspec.json.decode(msgspec.json.encode(reading), type=Reading)
    check_rules(reading)
    return reading


def assert_values(gpu: Gpu, **expected: Any) -> None:
    assert {name: getattr(gpu, name) for name in expected} == expected


def test_a_whole_report_of_an_h100_under_load_is_read() -> None:
    (gpu,) = read(WHOLE).gpus
    assert_values(
        gpu,
        architecture="Hopper",
        pci_bus_id="0000:00:06.0",
        utilization_percent=99,
        memory_utilization_percent=32,
        temperature_celsius=60,
        memory_temperature_celsius=52,
        power_watts=748.66,
        power_average_watts=698.64,
        power_limit_watts=700.0,
        pcie_generation=5,
        pcie_width=16,
        pcie_rx_bytes_per_second=19_721_000,
        clock_event_reasons=("sw_power_cap",),
        ecc_is_enabled=True,
        persistence_mode=True,
        mig_mode=False,
    )
    parts = (gpu.memory_reserved_bytes, gpu.memory_used_bytes, gpu.memory_free_bytes)
    assert sum(part or 0 for part in parts) == pytest.approx(gpu.memory_total_bytes, abs=3 * MIB)  # each is rounded
    (process,) = gpu.processes or ()
    assert (process.types, process.memory_used_bytes) == (("compute",), 21482 * MIB)
    assert gpu.unavailable["retired_pages"] == "not supported by this GPU"


# ── Our own fixture ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_the_newest_schema_is_read() -> None:
    reading = read(OWN)
    assert (reading.driver_version, reading.cuda_version, reading.clamped_count) == ("580.82.07", "13.0", 1)
    assert_values(
        reading.gpus[0],
        index=0,
        uuid="GPU-aaaaaaaa-0000-4000-8000-000000000000",
        pci_bus_id="0000:1b:00.0",
        utilization_percent=100,
        memory_total_bytes=81559 * MIB,
        memory_used_bytes=70000 * MIB,
        power_watts=698.25,
        power_average_watts=640.10,
        power_limit_watts=700.0,
        pcie_tx_bytes_per_second=250e6,
        pcie_rx_bytes_per_second=1e6,
        pcie_replays=3,
        clock_event_reasons=("sw_power_cap", "hw_thermal_slowdown"),
        compute_mode="exclusive process",
        ecc_corrected_volatile=5,
        ecc_uncorrected_volatile=5,
        remapped_rows_uncorrected=1,
        remapped_rows_are_pending=True,
        persistence_mode=True,
        mig_mode=False,
        fans=None,
    )


def test_limits_given_as_margins_are_not_read_as_temperatures() -> None:
    gpu = read(OWN).gpus[0]
    assert gpu.slowdown_temperature_celsius is None
    assert "margin" in gpu.unavailable["slowdown_temperature_celsius"]


def test_refused_value_is_unknown_with_the_given_reason() -> None:
    first, second = read(OWN).gpus
    assert "no longer" in first.unavailable["ofa_utilization_percent"]
    assert "unknown error" in second.unavailable["temperature_celsius"]
    assert "permission" in second.unavailable["memory_total_bytes"]
    assert second.processes is None


def test_lost_gpu_is_reported_as_lost() -> None:
    assert [gpu.state for gpu in read(OWN).gpus] == ["ok", "lost"]


def test_process_listed_twice_is_merged_with_both_types() -> None:
    train, other = read(OWN).gpus[0].processes or ()
    assert (train.pid, train.types, train.name, train.memory_used_bytes) == (
        4242,
        ("compute", "graphics"),
        "python",
        69000 * MIB,
    )
    assert (other.types, other.name, other.memory_used_bytes) == (("mps", "compute"), "<b>", None)


@given(st.integers(0, len(OWN.read_text().rstrip()) - 1))
def test_truncated_document_is_refused(length: int) -> None:
    with pytest.raises(NotADocument):
        parse(OWN.read_bytes()[:length], 1.0, Bounds("nvidia-smi"))


@pytest.mark.parametrize("text", [b"", b"Unable to determine the device handle", b"<other/>", b"<nvidia_smi_log>"])
def test_other_documents_are_refused(text: bytes) -> None:
    with pytest.raises(NotADocument):
        parse(text, 1.0, Bounds("nvidia-smi"))


@given(st.text(st.characters(exclude_characters="<&", exclude_categories=["Cc", "Cs"]), max_size=20))
def test_any_words_instead_of_a_number_leave_only_that_value_unknown(words: str) -> None:
    document = OWN.read_bytes().replace(b"<gpu_temp>64 C</gpu_temp>", f"<gpu_temp>{words}</gpu_temp>".encode())
    gpu = parse(document, 1.0, Bounds("nvidia-smi")).gpus[0]
    assert gpu.memory_temperature_celsius == 72
    assert gpu.temperature_celsius is not None or gpu.unavailable["temperature_celsius"]


# ── Words and figures that are no value ───────────────────────────────────────────────────────────────────────────────


def with_text(path: str, text: str, document: bytes = WHOLE.read_bytes()) -> Reading:
    """The report with another text in the first element of this name."""
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").encode("utf-8", errors="replace")
    element = b"<%s>%s</%s>" % (path.encode(), escaped, path.encode())
    # By a function, because backslashes in a text to replace with have a meaning.
    changed = re.sub(rb"<%s>[^<]*</%s>" % (path.encode(), path.encode()), lambda _: element, document, count=1)
    assert path.encode() in changed
    reading = msgspec.json.decode(msgspec.json.encode(parse(changed, 1.0, Bounds("nvidia-smi"))), type=Reading)
    check_rules(reading)
    return reading


@pytest.mark.parametrize(
    ("element", "metric", "text", "words"),
    [
        ("gpu_temp", "temperature_celsius", "511 C", "511 °C"),
        ("gpu_temp", "temperature_celsius", "-1 C", "-1 °C"),
        ("gpu_util", "utilization_percent", "4294967295 %", "4294967295 %"),
        ("gpu_util", "utilization_percent", "104 %", "104 %, outside 0–100 %"),
        ("used", "memory_used_bytes", "17592186044134 MiB", "outside"),
        ("used", "memory_used_bytes", "99999 MiB", "more than the total"),
        ("used", "memory_used_bytes", "-12 MiB", "-12582912 bytes"),
        ("instant_power_draw", "power_watts", "4294967.29 W", "4294967.29 W"),
        ("sm_clock", "sm_clock_mhz", "4294967295 MHz", "4294967295 MHz"),
        ("replay_counter", "pcie_replays", "4294967295", "all bits set"),
        ("fan_speed", "fans", "65535 %", "65535 %"),
        ("fan_speed", "fans", "[Unknown Error]", "unknown error"),
        ("fan_speed", "fans", "ERR!", "the driver returned an error"),
        ("fan_speed", "fans", "[Not Found]", "nvidia-smi reports '[Not Found]'"),
        ("performance_state", "performance_state", "Undefined", "'Undefined'"),
        ("product_architecture", "architecture", "Unknown Architecture", "'Unknown Architecture'"),
        ("gpu_util", "utilization_percent", "about half", "'about half'"),
        ("sram_correctable", "ecc_corrected_volatile", "18446744073709551615", "18446744073709551615"),
        ("sram_correctable", "ecc_corrected_volatile", "4294967295", "all bits set"),
        ("sram_correctable", "ecc_corrected_volatile", "many", "'many'"),
        ("current_ecc", "ecc_is_enabled", "Perhaps", "'Perhaps'"),
    ],
)
def test_what_is_no_value_is_unknown_with_what_was_reported(element: str, metric: str, text: str, words: str) -> None:
    (gpu,) = with_text(element, text).gpus
    assert getattr(gpu, metric) is None
    assert words in gpu.unavailable[metric]


def test_what_is_computed_from_an_unknown_value_has_its_reason() -> None:
    (gpu,) = with_text("used", "-12 MiB").gpus
    assert gpu.unavailable["memory_used_percent"] == gpu.unavailable["memory_unattributed_bytes"]
    assert "-12582912 bytes" in gpu.unavailable["memory_used_percent"]


def test_memory_of_a_process_is_at_most_that_of_its_gpu() -> None:
    (gpu,) = with_text("used_memory", "4294967295 MiB").gpus
    (process,) = gpu.processes or ()
    assert process.memory_used_bytes is None
    assert "outside" in process.unavailable["memory_used_bytes"]
    assert gpu.unavailable["memory_unattributed_bytes"] == "the memory of a process is unknown"


@pytest.mark.parametrize("text", ["Not Found", "N/A", "", "[Unknown Error]", "ERR!"])
def test_version_that_is_none_is_unknown_with_a_reason(text: str) -> None:
    reading = with_text("cuda_version", text)
    assert reading.cuda_version is None
    assert reading.unavailable["cuda_version"]
    assert reading.driver_version is not None


@pytest.mark.parametrize("text", ["[Not Found]", "-", "", "N/A", "[Insufficient Permissions]"])
def test_process_without_a_name_has_a_reason(text: str) -> None:
    (gpu,) = with_text("process_name", text).gpus
    (process,) = gpu.processes or ()
    assert process.name is process.command is None
    assert process.unavailable["name"]
    assert process.unavailable["command"]


@pytest.mark.parametrize("pid", ["0", "-1", "²", "99999999999", "1e3", "x"])
def test_process_with_an_impossible_pid_is_left_out(pid: str) -> None:
    assert with_text("pid", pid).gpus[0].processes == ()


TAGS = {tag.decode() for tag in re.findall(rb"<(\w+)>", WHOLE.read_bytes())}
elements = st.sampled_from(sorted(TAGS & {path.rsplit("/", 1)[-1] for field in NUMBERS for path in field.paths})) | (
    st.sampled_from(["sram_correctable", "dram_uncorrectable", "fan_speed", "used_memory", "pid", "gpu_instance_id"])
)
numbers = (
    st.integers()
    | st.integers(-(1 << 66), 1 << 66)
    | st.floats()
    | st.sampled_from([(1 << 32) - 1, (1 << 63), (1 << 64) - 1])
)
units = st.sampled_from(["", " MiB", " W", " C", " MHz", " %", " KB/s", "x", " GB/s"])


@settings(max_examples=100)
@given(
    elements,
    st.builds(lambda number, unit: f"{number}{unit}", numbers, units)
    | st.text(max_size=30)
    | st.from_regex(r"\d{1,5000}", fullmatch=True),
)
def test_any_text_in_any_field_gives_a_reading_that_can_be_sent(element: str, text: str) -> None:
    """Numbers beyond 64 bits, words, other digits: unknown, and nothing else changes."""
    (gpu,) = with_text(element, text).gpus
    assert gpu.uuid == "GPU-5ca1ab1e-0000-4000-8000-000000000580"
    assert gpu.performance_state == "P0"
    totals = total([gpu, gpu])
    assert msgspec.json.encode(totals)


# ── Facts about the whole GPU ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("size", ["N/A", "0 MiB", "[Not Supported]"])
def test_gpu_without_memory_of_its_own_has_the_hosts(size: str) -> None:
    """GB10, Jetson: as through NVML."""
    host = psutil.virtual_memory()
    (gpu,) = with_text("total", size).gpus
    assert gpu.memory_is_unified
    assert gpu.memory_total_bytes == host.total
    assert gpu.memory_used_percent is not None
    assert gpu.pcie_generation is None
    assert "share" in gpu.unavailable["pcie_generation"]


def test_gpu_whose_memory_is_refused_is_not_taken_for_one_without() -> None:
    (gpu,) = with_text("total", "[Insufficient Permissions]").gpus
    assert not gpu.memory_is_unified
    assert gpu.memory_total_bytes is None


def test_gpu_without_a_pci_address_has_none() -> None:
    """Jetson prints N/A."""
    document = WHOLE.read_bytes().replace(b"00000000:00:06.0", b"N/A")
    (gpu,) = parse(document, 1.0, Bounds("nvidia-smi")).gpus
    assert gpu.pci_bus_id is None
    assert gpu.unavailable["pci_bus_id"] == "nvidia-smi reports no PCI address"


@pytest.mark.parametrize(
    ("element", "text", "action"),
    [
        ("gpu_recovery_action", "None", "none"),
        ("gpu_recovery_action", "Reset", "reset"),
        ("gpu_recovery_action", "Drain and Reset", "drain and reset"),
        ("gpu_recovery_action", "Reboot", "reboot"),
        ("gpu_util", "[GPU requires reset]", "none"),
    ],
)
def test_recommended_recovery_is_a_field_and_a_notice(element: str, text: str, action: str) -> None:
    reading = with_text(element, text)
    assert reading.gpus[0].recovery_action == action
    assert [notice.code for notice in reading.notices] == (["gpu_recovery_action"] if action != "none" else [])
    assert all(action in notice.text and notice.fix for notice in reading.notices)


@pytest.mark.parametrize(
    ("state", "status", "known", "reason"),
    [
        ("Not Started", "N/A", ("not started", None), "not supported by this GPU"),
        ("In Progress", "N/A", ("in progress", None), "not supported by this GPU"),
        ("Completed", "Success", ("completed", "success"), None),
        ("Completed", "Unknown Error", ("completed", "unknown error"), None),
        ("N/A", "N/A", (None, None), "not supported by this GPU"),
        ("", "", (None, None), "not reported by this nvidia-smi"),
    ],
)
def test_registration_with_the_nvlink_fabric_is_read(
    state: str, status: str, known: tuple[str | None, str | None], reason: str | None
) -> None:
    fabric = f"<fabric><state>{state}</state><status>{status}</status>"
    document = re.sub(r"<fabric>\s*<state>.*?</status>", fabric, WHOLE.read_text(), flags=re.DOTALL)
    (gpu,) = parse(document.encode(), 1.0, Bounds("nvidia-smi")).gpus
    assert (gpu.fabric_state, gpu.fabric_status) == known
    assert gpu.unavailable.get("fabric_status") == reason


def test_persistence_mode_off_is_in_a_notice_as_through_nvml() -> None:
    reading = with_text("persistence_mode", "Disabled")
    assert [notice.code for notice in reading.notices] == ["persistence_mode_off"]


@pytest.mark.parametrize(
    ("status", "action"),
    [
        ("<reset_required>Yes</reset_required>", "reset"),
        ("<reset_required>No</reset_required>", "none"),
        ("<drain_and_reset_recommended>Yes</drain_and_reset_recommended>", "drain and reset"),
        ("", None),
    ],
)
def test_older_drivers_report_the_state_of_the_reset(status: str, action: str | None) -> None:
    text = re.sub(
        r"<gpu_recovery_action>.*?</gpu_recovery_action>",
        f"<gpu_reset_status>{status}</gpu_reset_status>",
        WHOLE.read_text(),
    )
    (gpu,) = parse(text.encode(), 1.0, Bounds("nvidia-smi")).gpus
    assert gpu.recovery_action == action


def test_gpu_that_refuses_values_until_it_is_reset_needs_a_reset() -> None:
    document = re.sub(rb"<gpu_recovery_action>.*?</gpu_recovery_action>", b"", WHOLE.read_bytes())
    assert with_text("gpu_util", "[GPU requires reset]", document).gpus[0].recovery_action == "reset"
