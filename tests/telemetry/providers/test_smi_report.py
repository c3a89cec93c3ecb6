"""Reports of nvidia-smi that are no XML: damage to one GPU's part costs no other GPU, and no name costs anything."""

from __future__ import annotations

import re

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from monitor.telemetry.providers.nvidia_smi.report import split
from monitor.telemetry.providers.nvidia_smi.xml import parse
from monitor.telemetry.providers.plausible import Bounds
from monitor.telemetry.providers.program import END_OF_OUTPUT, NotADocument
from monitor.telemetry.schema import Gpu, Reading
from tests.support.servers import ROOT
from tests.telemetry.providers.reader import check_rules

LOAD = (ROOT / "tests/fakes/smi/h100-driver-580-load.xml").read_bytes()
GPU = re.search(rb"\t<gpu id.*?</gpu>\n", LOAD, re.DOTALL)
assert GPU is not None
NAME = re.search(rb"<process_name>(.*?)</process_name>", LOAD)
assert NAME is not None


def numbered(index: int) -> bytes:
    assert GPU is not None
    place = f"00000000:{index + 16:02X}:00.0".encode()
    return GPU[0].replace(b"00000000:00:06.0", place).replace(b"GPU-5ca1ab1e-0000", b"GPU-5ca1ab1e-%04d" % index)


def report(*parts: bytes, attached: int | None = None) -> bytes:
    head, tail = LOAD[: LOAD.index(b"\t<gpu id")], b"</nvidia_smi_log>\n"
    head = re.sub(rb"<attached_gpus>\d+", b"<attached_gpus>%d" % (len(parts) if attached is None else attached), head)
    return head + b"".join(parts) + tail


THREE = [numbered(index) for index in range(3)]


def read(document: bytes) -> Reading:
    """The reading as it would cross the pipe."""
    reading = parse(document, 1.0, Bounds("nvidia-smi"))
    check_rules(reading)
    return msgspec.json.decode(msgspec.json.encode(reading), type=Reading)


WHOLE: tuple[Gpu, ...] = read(report(*THREE)).gpus


def streamed(stream: bytes) -> list[bytes]:
    buffer, found = bytearray(stream), []
    while (document := split(buffer)) is not None:
        found.append(document)
    return found


# ── Names ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"chrome --a=1&b=2", "chrome --a=1&b=2"),
        (b"java -Dx=<none> App", "java -Dx=<none> App"),
        (b"a &amp; b", "a & b"),
        # As the nvidia-smi of driver 580.159 prints them.
        (b"a&amp;b &lt;c&gt; &quot;q&quot; \x01\x1b[31m z", 'a&b <c> "q" \ufffd\ufffd[31m z'),
        (b"new\n&lt;/process_name&gt;\n&lt;/nvidia_smi_log&gt;\nline", "new\n</process_name>\n</nvidia_smi_log>\nline"),
        (b"it&apos;s &amp;amp; &amp;lt; x", "it's &amp; &lt; x"),
        (b"\x1b[31mred", "\ufffd[31mred"),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"</process_name>", "</process_name>"),
        (b"</gpu></nvidia_smi_log>", "</gpu></nvidia_smi_log>"),
        (b"a\n</nvidia_smi_log>\n<gpu>", "a\n</nvidia_smi_log>\n<gpu>"),
        (b'<gpu id="00000000:99:00.0"><process_name>', '<gpu id="00000000:99:00.0"><process_name>'),
        (b"]]><!-- <![CDATA[ <?xml", "]]><!-- <![CDATA[ <?xml"),
        (b"--copy&lt=1", "--copy&lt=1"),
    ],
)
def test_name_that_is_no_xml_is_kept_and_costs_nothing(name: bytes, shown: str) -> None:
    assert NAME is not None
    damaged = THREE[1].replace(NAME[0], b"<process_name>%s</process_name>" % name)
    (document,) = streamed(report(THREE[0], damaged, THREE[2]))
    gpus = read(document).gpus
    assert (gpus[0], gpus[2]) == (WHOLE[0], WHOLE[2])
    (process,) = gpus[1].processes or ()
    assert process.command == shown
    assert gpus[1].unavailable == WHOLE[1].unavailable


names = st.binary(max_size=40) | st.lists(
    st.sampled_from(
        [b"</process_name>", b"</gpu>", b"<gpu>", b"</nvidia_smi_log>", b"<process_name>", b"&", b"<", b"x"]
    ),
    max_size=6,
).map(b"".join)


@settings(max_examples=60)
@given(names)
def test_no_bytes_in_a_name_cost_a_gpu(name: bytes) -> None:
    assert NAME is not None
    damaged = [part.replace(NAME[0], b"<process_name>%s</process_name>" % name) for part in THREE]
    documents = streamed(report(*damaged) * 2)
    assert len(documents) == 2
    for document in documents:
        gpus = read(document).gpus
        assert [(gpu.uuid, gpu.power_watts) for gpu in gpus] == [(gpu.uuid, gpu.power_watts) for gpu in WHOLE]
        assert [len(gpu.processes or ()) for gpu in gpus] == [1, 1, 1]


# ── Damage ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_list_that_no_one_reads_can_be_broken() -> None:
    broken = re.sub(
        rb"<supported_clocks>.*?</supported_clocks>",
        b"<supported_clocks><value></supported_mem_clock>&<</supported_clocks>",
        THREE[0],
        flags=re.DOTALL,
    )
    assert read(report(broken)).gpus == WHOLE[:1]


def test_damaged_part_of_a_gpu_is_read_as_far_as_possible_and_says_so() -> None:
    damaged = THREE[1].replace(b"</utilization>", b"").replace(b"<gpu_temp>60 C</gpu_temp>", b"<gpu_temp>60 C")
    gpu = read(report(THREE[0], damaged, THREE[2])).gpus[1]
    assert (gpu.uuid, gpu.utilization_percent, gpu.memory_total_bytes) == (
        WHOLE[1].uuid,
        WHOLE[1].utilization_percent,
        WHOLE[1].memory_total_bytes,
    )
    assert gpu.unavailable["power_watts"] == "this GPU's part of nvidia-smi's report is damaged"


@settings(max_examples=150)
@given(st.integers(0, len(THREE[1]) - 1), st.integers(0, 3000), st.binary(max_size=12))
@example(THREE[1].index(b"</process_name>"), 3000, b"")  # up to the next GPU
def test_damage_to_one_gpu_costs_no_other(at: int, length: int, instead: bytes) -> None:
    damaged = THREE[1][:at] + instead + THREE[1][at + length :]
    document = streamed(report(THREE[0], damaged, THREE[2]) + report(*THREE))[0]
    gpus = read(document).gpus
    assert gpus[0] == WHOLE[0]
    assert gpus[-1] == WHOLE[2]
    assert len(gpus) <= 3


@pytest.mark.parametrize("part", [b"", b"\t<gpu></gpu>\n", b"\t<gpu id='x'>garbage</gpu>\n"])
def test_gpu_that_cannot_be_read_is_in_a_notice(part: bytes) -> None:
    reading = read(report(THREE[0], part, THREE[2], attached=3))
    assert len(reading.gpus) == 2
    (notice,) = reading.notices
    assert notice.text.startswith("2 of 3 GPUs can be read")


def test_error_in_place_of_a_gpu_is_in_a_notice_and_keeps_its_index() -> None:
    """nvidia-smi prints it between the GPUs when one has fallen off the bus."""
    line = b"Unable to determine the device handle for GPU 0000:11:00.0: Unknown Error\n"
    reading = read(report(THREE[0], line, THREE[2], attached=3))
    assert [gpu.index for gpu in reading.gpus] == [0, 2]
    assert "GPU 0000:11:00.0: Unknown Error" in reading.notices[0].text
    first = read(report(line, THREE[2], attached=2))
    assert [gpu.index for gpu in first.gpus] == [1]
    assert first.notices


def test_report_of_some_gpus_has_their_indexes_among_all() -> None:
    indexes = {"0000:10:00.0": 0, "0000:11:00.0": 1, "0000:12:00.0": 2}
    reading = parse(report(THREE[2], attached=3), 1.0, Bounds("nvidia-smi"), indexes=indexes)
    assert reading.notices == ()
    assert [gpu.index for gpu in reading.gpus] == [2]


def test_report_of_no_readable_gpu_is_refused() -> None:
    with pytest.raises(NotADocument, match="nothing can be read"):
        parse(report(b"<gpu>x</gpu>"), 1.0, Bounds("nvidia-smi"))


def test_report_ends_though_the_end_of_its_last_name_is_damaged() -> None:
    damaged = THREE[0].replace(b"</process_name>", b"")
    assert [read(document).gpus[0].uuid for document in streamed(report(damaged) * 2 + END_OF_OUTPUT)] == [
        WHOLE[0].uuid
    ] * 2


def test_what_is_no_report_is_left_out_of_the_stream() -> None:
    assert len(streamed(b"</process_name></nvidia_smi_log>\n" + report(*THREE))) == 1


def test_report_without_its_end_does_not_join_the_next_one() -> None:
    cut = report(*THREE).replace(b"</nvidia_smi_log>", b"")
    (document,) = streamed(cut + report(*THREE))
    assert read(document).gpus == WHOLE


def test_deeply_nested_tags_are_read() -> None:
    nested = THREE[1].replace(b"<uuid>", b"<x>" * 20_000 + b"<uuid>")
    (document,) = streamed(report(THREE[0], nested, THREE[2]))
    assert [gpu.index for gpu in read(document).gpus] == [0, 1, 2]
