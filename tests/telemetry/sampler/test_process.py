"""The sampler process seen from its parent: options, a request to end, then signals, on a clock that the test moves."""

from __future__ import annotations

import signal
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from monitor.telemetry.options import Options
from monitor.telemetry.sampler import wire
from monitor.telemetry.sampler.process import (
    ABANDON_AFTER_SECONDS,
    KILL_AFTER_SECONDS,
    TERM_AFTER_SECONDS,
    Child,
    how_it_ended,
)
from monitor.telemetry.schema import Reading

Start = Callable[[str], Child]

ECHO = "for line in sys.stdin: sys.stdout.write(line); sys.stdout.flush()"
STUBBORN = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("deaf", flush=True)
while True: time.sleep(60)
"""


@pytest.fixture
def start_child(tmp_path: Path) -> Iterator[Start]:
    """Starts Python scripts as samplers, and kills the remaining ones after the test."""
    children: list[Child] = []

    def start(script: str) -> Child:
        path = tmp_path / "child.py"
        path.write_text("import os, signal, sys, time\n" + textwrap.dedent(script))
        children.append(Child(Options(), started_at=0.0, command=(sys.executable, str(path))))
        return children[-1]

    yield start
    for child in children:
        if child.exit_status() is None:
            child.ask_to_end(0.0)
            child.press(1e9)
        assert child.wait(10) is not None
        child.release()


def line_of(child: Child) -> bytes:
    """A whole line; a pipe may deliver it in pieces (unbuffered print writes text and line end separately)."""
    line = b""
    while not line.endswith(b"\n"):
        data = child.receive()
        assert data, f"ended after {line!r}"
        line += data
    return line


@pytest.mark.slow
def test_child_receives_its_options_first_and_later_lines_in_order(start_child: Start) -> None:
    child = start_child(ECHO)
    assert msgspec.json.decode(line_of(child), type=Options) == Options()
    child.order(Options(is_watched=True))
    assert msgspec.json.decode(line_of(child), type=Options).is_watched


@pytest.mark.slow
def test_child_ends_on_request_without_a_signal(start_child: Start) -> None:
    child = start_child(ECHO)
    assert not child.is_ending
    child.ask_to_end(100.0)
    assert child.is_ending
    assert child.wait(10) == 0


@pytest.mark.slow
def test_child_gets_no_signal_without_a_request_to_end(start_child: Start) -> None:
    child = start_child(ECHO)
    assert child.press(1e9) is None
    assert child.exit_status() is None


@pytest.mark.slow
def test_options_for_an_ending_child_are_dropped_without_an_error(start_child: Start) -> None:
    """The first viewer during a driver hang ended the supervisor's thread, which wrote to a closed pipe."""
    child = start_child(STUBBORN)
    child.ask_to_end(100.0)
    child.order(Options(is_watched=True))
    assert child.exit_status() is None


@pytest.mark.slow
def test_options_for_an_ended_child_are_dropped_without_an_error(start_child: Start) -> None:
    child = start_child("sys.stdin.close(); os.close(1)")
    assert child.wait(10) == 0
    child.order(Options(is_watched=True))


@pytest.mark.slow
def test_child_that_reads_nothing_is_not_waited_for_and_gets_the_newest_options_later(
    start_child: Start, tmp_path: Path
) -> None:
    """A sampler stopped by a signal filled its pipe, and the thread on which every reading depends waited for it for ever."""
    flag = tmp_path / "flag"
    child = start_child(f"while not os.path.exists({str(flag)!r}): time.sleep(0.01)\n{ECHO}")
    changes = 400
    for change in range(changes):
        child.order(Options(interval_seconds=1.0 + change))
    flag.touch()
    received = b""
    newest = msgspec.json.encode(Options(interval_seconds=float(changes))) + b"\n"
    while not received.endswith(newest):
        child.send_rest()
        received += child.receive()
    assert received.count(b"\n") < changes
    assert all(msgspec.json.decode(line, type=Options) for line in received.splitlines())


@pytest.mark.slow
def test_child_that_does_not_end_gets_sigterm_and_later_sigkill(start_child: Start) -> None:
    child = start_child(STUBBORN)
    assert line_of(child) == b"deaf\n"
    child.ask_to_end(0.0)
    assert child.press(0.1) == TERM_AFTER_SECONDS
    assert child.press(TERM_AFTER_SECONDS) == KILL_AFTER_SECONDS
    assert child.exit_status() is None
    assert child.press(KILL_AFTER_SECONDS) == ABANDON_AFTER_SECONDS
    assert child.wait(10) == -signal.SIGKILL
    assert child.press(ABANDON_AFTER_SECONDS) is None


@pytest.mark.slow
def test_second_request_to_end_does_not_extend_the_deadline(start_child: Start) -> None:
    child = start_child(STUBBORN)
    child.ask_to_end(0.0)
    child.ask_to_end(100.0)
    assert child.press(0.0) == TERM_AFTER_SECONDS


@pytest.mark.slow
def test_programs_started_by_the_child_are_signalled_too(start_child: Start) -> None:
    child = start_child(
        """
        import subprocess
        sleeper = subprocess.Popen(["sleep", "600"])
        # Not by print: the signal may come while the other print is still on its way out.
        signal.signal(signal.SIGTERM, lambda *_: os.write(1, f"{sleeper.wait()}\\n".encode()))
        print("started", flush=True)
        while True: time.sleep(60)
        """
    )
    assert line_of(child) == b"started\n"
    child.ask_to_end(0.0)
    child.press(TERM_AFTER_SECONDS)
    assert line_of(child) == b"%d\n" % -signal.SIGTERM


@pytest.mark.slow
def test_pipe_ends_with_the_child(start_child: Start) -> None:
    assert start_child("os.close(1)").receive() == b""


@pytest.mark.slow
def test_signal_of_a_sampler_without_the_drivers_library_is_not_blamed_on_it() -> None:
    assert how_it_ended(-signal.SIGSEGV, calls_driver=False) == "was ended by SIGSEGV"


@pytest.mark.slow
def test_real_sampler_sends_frames_until_its_stdin_closes() -> None:
    child = Child(Options(provider="simulated", simulated_gpus=2, interval_seconds=0.1), started_at=0.0)
    try:
        messages: list[wire.Message] = []
        reader = wire.MessageReader()
        while sum(isinstance(message, Reading) for message in messages) < 2:
            data = child.receive()
            assert data, "the sampler has ended"
            messages += reader.feed(data)
        child.ask_to_end(0.0)
        assert child.wait(10) == 0
    finally:
        child.press(1e9)
        child.release()
    assert isinstance(messages[0], wire.Selected)
    assert messages[0].provider == "simulated"


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (0, "ended with exit status 0"),
        (3, "ended with exit status 3"),
        (-signal.SIGTERM, "was ended by SIGTERM"),
        (-signal.SIGSEGV, "was ended by SIGSEGV (a crash inside the driver's library)"),
        (-signal.SIGABRT, "was ended by SIGABRT (a crash inside the driver's library)"),
        (-60, "was ended by signal 60"),
    ],
)
def test_exit_status_is_described_in_words(status: int, words: str) -> None:
    assert how_it_ended(status) == words
