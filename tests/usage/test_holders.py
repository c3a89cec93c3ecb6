"""Who a process runs for: names that people know, and no argument that can be private."""

from __future__ import annotations

import pytest

from monitor.usage.holders import MOST_CHARACTERS, Holder, holder_of
from tests.support.snapshots import process


@pytest.mark.parametrize(
    ("command", "program", "condensed"),
    [
        ("/usr/bin/python3.11 -u /home/ana/train.py --token hf_1", "python3.11", "python3.11 train.py"),
        ("python -m vllm.entrypoints.api_server --model x", "python", "python -m vllm.entrypoints.api_server"),
        ("python -c import secrets", "python", "python -c"),
        ("python", "python", "python"),
        ("torchrun --nproc-per-node 8 finetune.py --lr 1", "torchrun", "torchrun finetune.py"),
        ("bash /opt/run.sh secret", "bash", "bash run.sh"),
        ("/opt/ollama/bin/ollama runner --model secret.py", "ollama", "ollama"),
        ("[python] <defunct>", "pt_main_thread", "pt_main_thread"),
        ("", "pt_main_thread", "pt_main_thread"),
        (None, "pt_main_thread", "pt_main_thread"),
        ("-bash", "bash", "bash"),
        ("/", "pt_main_thread", "pt_main_thread"),
    ],
)
def test_command_is_the_program_with_its_script(command: str | None, program: str, condensed: str) -> None:
    found = holder_of(process(1, name="pt_main_thread", command=command))
    assert (found.program, found.command) == (program, condensed)


def test_container_is_the_pod_else_the_name_else_the_short_id() -> None:
    facts = {"container_id": "ab" * 32, "container_name": "trainer", "pod_name": "ml/trainer-0"}
    assert holder_of(process(1, **facts)).container == "ml/trainer-0"
    assert holder_of(process(1, **{**facts, "pod_name": None})).container == "trainer"
    assert holder_of(process(1, container_id="ab" * 32)).container == "abababababab"
    assert holder_of(process(1, job_id="4711")).job == "4711"


def test_unknown_names_are_empty_and_long_ones_are_cut() -> None:
    assert holder_of(process(1, user=None, name=None, command=None)) == Holder()
    assert len(holder_of(process(1, user="u" * 500)).user) == MOST_CHARACTERS


def test_a_holder_refines_one_with_fewer_known_names_only() -> None:
    assert Holder(user="ana", program="python").refines(Holder(program="python"))
    assert not Holder(user="ana").refines(Holder(user="bo"))
    assert not Holder().refines(Holder(user="ana"))
