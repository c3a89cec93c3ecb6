"""What the shell hands down: PYTHONPATH, closed or full outputs, and encodings that lack our characters."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.servers import ROOT

pytestmark = pytest.mark.slow

PREPARED = "from monitor import interpreter; interpreter.prepare(); import sys\n"


def run(code: str, redirection: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
    """Run code through a shell, which applies the redirection."""
    command = ["bash", "-c", f'"$@" {redirection}', "bash", sys.executable, "-c", PREPARED + code]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LC_", "LANG"))}
    return subprocess.run(
        command,
        cwd=ROOT,
        env={**environment, **variables},
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )


def test_packages_of_the_virtualenv_win_over_pythonpath(tmp_path: Path) -> None:
    """Regression: a cluster's module put an old typing_extensions first, and nothing started."""
    (tmp_path / "typing_extensions.py").write_text("raise ImportError('the old one')")
    (tmp_path / "only_there.py").touch()
    ended = run("import typing_extensions, only_there; print(sys.path[0])", PYTHONPATH=str(tmp_path))
    assert ended.stderr == ""


def test_without_a_virtualenv_pythonpath_stays_as_it_is(tmp_path: Path) -> None:
    code = "sys.prefix = sys.base_prefix; before = [*sys.path]; interpreter.prefer_own_packages(); print(before == sys.path)"
    command = [sys.executable, "-c", f"import sys; from monitor import interpreter; {code}"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    assert subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=True).stdout == b"True\n"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_streams_become_dev_null_and_no_file_gets_their_number(closed: str, tmp_path: Path) -> None:
    code = f"import os; file = open({str(tmp_path / 'file')!r}, 'w'); print('x'); print('y', file=sys.stderr); "
    ended = run(code + "assert file.fileno() > 2", closed)
    assert ended.returncode == 0
    assert (tmp_path / "file").read_text() == ""


def test_characters_that_the_encoding_lacks_are_escaped() -> None:
    ended = run("print('a → “b”')", PYTHONIOENCODING="latin-1")
    assert ended.stdout == "a \\u2192 \\u201cb\\u201d\n"


def test_command_whose_reader_has_gone_ends_without_an_error() -> None:
    ended = run("sys.exit(interpreter.run(lambda: print('x' * 100_000) or 0))", "| head -c 1; exit ${PIPESTATUS[0]}")
    assert (ended.returncode, ended.stderr) == (0, "")


def test_output_that_cannot_be_written_is_one_line() -> None:
    ended = run("sys.exit(interpreter.run(lambda: print('x') or 0))", "> /dev/full")
    assert (ended.returncode, ended.stderr) == (2, "Cannot write the output: No space left on device.\n")


def test_other_errors_and_exit_statuses_pass_through() -> None:
    assert run("sys.exit(interpreter.run(lambda: sys.exit(7)))").returncode == 7
    ended = run("interpreter.run(lambda: open('/no/such/file'))")
    assert "FileNotFoundError" in ended.stderr


@pytest.mark.parametrize("command", [["manage.py"], ["-m", "gpumon_site.cli", "manage"], ["-P", "manage.py"]])
def test_doctor_survives_what_a_shell_can_do(command: list[str], tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "GPU_MONITOR_DATA_DIR": str(tmp_path),
        "GPU_MONITOR_TELEMETRY_PROVIDER": "simulated",
        "PYTHONIOENCODING": "ascii",
        "PYTHONUNBUFFERED": "1",
        "PYTHONSAFEPATH": "1" if command[0] == "manage.py" else "",
    }
    shell = ["bash", "-o", "pipefail", "-c", '"$@" doctor | head -1', "bash", sys.executable, *command]
    ended = subprocess.run(shell, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("gpumon doctor on ")
