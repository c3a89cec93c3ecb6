"""`python -m monitor.telemetry` on a terminal: its output, its error messages and how it ends."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import msgspec
import pytest

from monitor.telemetry import recording
from monitor.telemetry.__main__ import arguments
from monitor.telemetry.schema import Snapshot
from tests.fakes.fake_driver import FakeDriver
from tests.support.servers import ROOT, wait_for

COMMAND = (sys.executable, "-m", "monitor.telemetry")
NOTHING_HERE = {"LD_LIBRARY_PATH": "/nonexistent", "PATH": "/nonexistent"}
SIMULATED = ("--provider", "simulated", "--simulated-gpus", "2", "--interval", "0.1")

Ended = subprocess.CompletedProcess[bytes]


def run(*given: str, environment: Mapping[str, str] | None = None) -> Ended:
    return subprocess.run(
        [*COMMAND, *given],
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        timeout=60,
        check=False,
    )


def snapshots(ended: Ended) -> list[Snapshot]:
    return [msgspec.json.decode(line, type=Snapshot) for line in ended.stdout.splitlines()]


# ── Its output ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_command_prints_one_snapshot_as_json(fake_driver: FakeDriver) -> None:
    fake_driver.set({"gpu.0.utilization": 42}, gpus=2)
    ended = run(environment=fake_driver.env)
    (snapshot,) = snapshots(ended)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert (snapshot.provider, len(snapshot.gpus), snapshot.gpus[0].utilization_percent) == ("pynvml", 2, 42)
    assert snapshot.system is not None
    assert not snapshot.stale


@pytest.mark.slow
def test_stream_has_one_snapshot_per_line(tmp_path: Path) -> None:
    ended = run("--stream", "--count", "4", *SIMULATED)
    given = snapshots(ended)
    assert (ended.returncode, len(given)) == (0, 4)
    assert [later.seq > earlier.seq for earlier, later in itertools.pairwise(given)] == [True] * 3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["recording.jsonl", "recording.jsonl.gz"])
def test_recording_replays_the_printed_readings(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    run("--stream", "--count", "4", "--record", str(path), *SIMULATED)
    recorded = [reading.gpus for reading in recording.read(path)[1]]
    ended = run("--replay-file", str(path), "--replay-speed", "0", "--stream", "--count", "3", "--interval", "0.1")
    played = snapshots(ended)
    assert len(recorded) > 1
    assert (ended.returncode, played[0].provider, played[0].is_simulated) == (0, "replay", True)
    assert played[0].gpus == recorded[0]
    assert all(snapshot.gpus in recorded for snapshot in played)


def test_provider_can_be_spelled_like_its_program() -> None:
    assert arguments(["--provider", "nvidia-smi"]).provider == "nvidia_smi"


# ── Errors ────────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.slow
def test_every_reason_and_fix_and_the_system_are_printed_without_a_gpu() -> None:
    """Each reason was printed twice: as a line of the log and once more."""
    ended = run(environment=NOTHING_HERE)
    (snapshot,) = snapshots(ended)
    said = ended.stderr.decode()
    assert ended.returncode == 1
    assert (snapshot.provider, snapshot.gpus) == (None, ())
    assert snapshot.system is not None
    assert [report.name for report in snapshot.providers] == ["pynvml", "nvidia_smi", "nvtop"]
    for report in snapshot.providers:
        assert said.count(f"{report.name}: {report.reason} {report.fix}") == 1
    assert "libnvidia-ml.so.1" in said


@pytest.mark.slow
def test_missing_provider_is_reported_with_its_fix() -> None:
    ended = run("--provider", "nvidia_smi", environment=NOTHING_HERE)
    assert ended.returncode == 1
    assert b"`nvidia-smi` is not in PATH. It comes with the driver" in ended.stderr
    assert b"pynvml" not in ended.stderr


@pytest.mark.slow
def test_file_that_is_not_a_recording_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(b"\xffhello\n")
    ended = run("--replay-file", str(path))
    assert ended.returncode == 1
    assert f"{path} is not a recording" in ended.stderr.decode()
    assert b"Traceback" not in ended.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "reason"),
    [("/nonexistent/recording", "No such file"), ("/dev/full", "No space left"), ("/", "Is a directory")],
)
def test_recording_that_cannot_be_written_is_reported_in_one_line(path: str, reason: str) -> None:
    """It was a traceback, and a second one at the end with a full disk."""
    ended = run("--record", path, *SIMULATED)
    said = ended.stderr.decode()
    assert ended.returncode == 2
    assert said.startswith(f"Cannot write {path}: {reason}")
    assert len(said.splitlines()) == 1


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["--interval", "0.05"], "'0.05' is not a number from 0.1 to 60"),
        (["--interval", "nan"], "'nan' is not a number"),
        (["--interval", "soon"], "'soon' is not a number"),
        (["--replay-speed", "-1"], "'-1' is not a number from 0 to 1000"),
        (["--replay-speed", "inf"], "'inf' is not a number"),
        (["--stream", "--count", "0"], "'0' is not a whole number from 1"),
        (["--stream", "--count", "1.5"], "'1.5' is not a whole number"),
        (["--count", "3"], "--count requires --stream"),
        (["--simulated-gpus", "257"], "'257' is not a whole number from 1 to 256"),
        (["--provider", "nvitop"], "invalid choice: 'nvitop'"),
        (["--provider", "nvtop", "--replay-file", "x"], "--replay-file requires the provider replay"),
        (["--loud"], "unrecognized arguments: --loud"),
    ],
)
def test_wrong_argument_is_reported_with_the_allowed_values(
    capsys: pytest.CaptureFixture[str], given: list[str], reason: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        arguments(given)
    assert ended.value.code == 2
    assert reason in capsys.readouterr().err


# ── How it ends ───────────────────────────────────────────────────────────────────────────────────────────────────────


class Stream:
    """`--stream` in a process of its own."""

    def __init__(self, *given: str, environment: Mapping[str, str] | None = None) -> None:
        self.popen = subprocess.Popen(
            [*COMMAND, "--stream", *given],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # A process that ignores Ctrl-C may run the tests; its children would inherit that.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )

    def line(self) -> bytes:
        assert self.popen.stdout is not None
        return self.popen.stdout.readline()

    def samplers(self) -> list[int]:
        """PIDs of its child processes."""
        pid = self.popen.pid
        threads = Path(f"/proc/{pid}/task").glob("*/children")
        return [int(child) for children in threads for child in children.read_text().split()]

    def end(self, how: signal.Signals) -> tuple[int, bytes]:
        """Its exit status and stderr."""
        self.popen.send_signal(how)
        _, said = self.popen.communicate(timeout=40)
        return self.popen.returncode, said


@pytest.fixture
def stream() -> Iterator[Callable[..., Stream]]:
    streams: list[Stream] = []

    def start(*given: str, environment: Mapping[str, str] | None = None) -> Stream:
        streams.append(Stream(*given, environment=environment))
        return streams[-1]

    yield start
    for each in streams:
        each.popen.kill()
        each.popen.communicate()


def is_gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return "(zombie)" in Path(f"/proc/{pid}/status").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_signal_ends_the_command_and_its_sampler_silently(stream: Callable[..., Stream], how: signal.Signals) -> None:
    streaming = stream(*SIMULATED)
    assert streaming.line()
    (sampler,) = streaming.samplers()
    assert streaming.end(how) == (0, b"")
    assert is_gone(sampler)


@pytest.mark.slow
def test_second_ctrl_c_leaves_no_sampler_behind(stream: Callable[..., Stream]) -> None:
    streaming = stream(*SIMULATED)
    assert streaming.line()
    (sampler,) = streaming.samplers()
    streaming.popen.send_signal(signal.SIGINT)
    streaming.popen.send_signal(signal.SIGINT)
    streaming.popen.communicate(timeout=40)
    wait_for(lambda: is_gone(sampler), "the sampler to end")


@pytest.mark.slow
def test_killed_command_leaves_no_sampler_behind(stream: Callable[..., Stream]) -> None:
    streaming = stream(*SIMULATED)
    assert streaming.line()
    (sampler,) = streaming.samplers()
    assert streaming.end(signal.SIGKILL)[0] == -signal.SIGKILL
    wait_for(lambda: is_gone(sampler), "the sampler to end")


@pytest.mark.slow
def test_command_ends_with_its_sampler_while_the_driver_hangs(
    fake_driver: FakeDriver, stream: Callable[..., Stream]
) -> None:
    streaming = stream("--interval", "0.1", environment=fake_driver.env)
    assert streaming.line()
    fake_driver.set({"hang.*": 1})
    while (msgspec.json.decode(streaming.line(), type=Snapshot).age_seconds or 0) < 0.3:
        pass
    (sampler,) = streaming.samplers()
    assert streaming.end(signal.SIGTERM)[0] == 0
    assert is_gone(sampler)


@pytest.mark.slow
def test_command_ends_silently_when_its_reader_closes_the_pipe(stream: Callable[..., Stream]) -> None:
    """`… --stream | head -1` ended with an error about the broken pipe and exit status 120."""
    streaming = stream(*SIMULATED)
    assert streaming.line()
    assert streaming.popen.stdout is not None
    streaming.popen.stdout.close()
    assert streaming.popen.wait(20) == 0
    assert streaming.popen.stderr is not None
    assert streaming.popen.stderr.read() == b""
