"""Under systemd, each line has the priority of its record, and only the journal's time."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from monitor.logs.journal import with_priority, writes_to_journal

PROGRAM = """
import logging, logging.config
from monitor.logs.config import logging_config
logging.config.dictConfig(logging_config({log_format!r}, "DEBUG", ()))
log = logging.getLogger("monitor.live")
log.info("GPU 3 is back")
try:
    raise ValueError("bad")
except ValueError:
    log.exception("lost\\n<0>forged")
"""


def written(log_format: str, *, is_journal: bool) -> list[str]:
    """What a program logs to a pipe that systemd calls the journal's, or to another one."""
    out, into = os.pipe()
    pipe = os.fstat(into)
    stream = f"{pipe.st_dev}:{pipe.st_ino + (0 if is_journal else 1)}"
    subprocess.run(
        [sys.executable, "-c", PROGRAM.format(log_format=log_format)],
        env={**os.environ, "JOURNAL_STREAM": stream},
        stderr=into,
        check=True,
    )
    os.close(into)
    with os.fdopen(out) as read:
        return read.read().splitlines()


def test_text_lines_have_a_priority_each_and_no_time() -> None:
    lines = written("text", is_journal=True)
    assert lines[0] == "<6>INFO monitor.live: GPU 3 is back"
    assert lines[1] == "<3>ERROR monitor.live: lost | <0>forged"
    assert lines[-1] == "<3>  ValueError: bad"
    assert all(line.startswith("<3>  ") for line in lines[2:])


def test_json_lines_have_a_priority_before_the_object() -> None:
    first, second = written("json", is_journal=True)
    assert (first[:3], json.loads(first[3:])["message"]) == ("<6>", "GPU 3 is back")
    assert (second[:3], json.loads(second[3:])["level"]) == ("<3>", "ERROR")


def test_output_that_goes_elsewhere_than_to_the_journal_has_its_own_time() -> None:
    lines = written("text", is_journal=False)
    assert lines[0].endswith(" INFO monitor.live: GPU 3 is back")
    assert lines[0][:2] == "20"


def test_closed_output_is_not_the_journal() -> None:
    assert not writes_to_journal({"JOURNAL_STREAM": "1:2"}, descriptor=-1)


@pytest.mark.parametrize(("level", "priority"), [(50, 2), (40, 3), (30, 4), (20, 6), (10, 7), (35, 4)])
def test_level_is_a_priority_of_syslog(level: int, priority: int) -> None:
    assert with_priority("one\n  two", level) == f"<{priority}>one\n<{priority}>  two"
