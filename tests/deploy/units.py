"""The systemd units as `make install-service` installs them into a folder, and the system calls that they allow."""

from __future__ import annotations

import functools
import os
import re
import site
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.checkers import checker
from tests.support.servers import ROOT

UNITS = ("gpumon.service", "gpumon-gunicorn.service")
"""The server's. A host enables one of them."""

AGENT, ENGINE = "gpumon-agent.service", "gpumon-engine.service"
PREFIX = "/opt/gpumon"


def install(destination: Path) -> str:
    """Run `make install-service` with `destination` as root folder."""
    ended = subprocess.run(
        ["make", "--no-print-directory", "install-service"],
        cwd=ROOT,
        env={**os.environ, "DESTDIR": str(destination)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def locks() -> bytes:
    return b"".join((ROOT / f"requirements-{name}.lock").read_bytes() for name in ("gunicorn", "fleet"))


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an installation. It uses the packages of the tests; test_image_build.py installs from the lock file."""
    destination = tmp_path_factory.mktemp("destination")
    environment = destination / PREFIX.lstrip("/") / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(environment)], check=True)
    packages = next(environment.glob("lib/python*/site-packages"))
    (packages / "of_the_tests.pth").write_text("\n".join(site.getsitepackages()))
    summed = subprocess.run(["sha256sum"], input=locks(), capture_output=True, check=True).stdout
    (environment / "installed.sha256").write_bytes(summed)
    install(destination)
    return destination


def unit(installed: Path, name: str) -> str:
    return (installed / "etc/systemd/system" / name).read_text()


def values(text: str, name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", text, re.MULTILINE)


@functools.cache
def calls_of(group: str) -> frozenset[str]:
    """The system calls of a group such as @system-service, from systemd's own list."""
    listed = subprocess.run(
        [checker("systemd-analyze"), "syscall-filter", group], capture_output=True, text=True, check=True
    ).stdout.splitlines()[1:]
    names = {line.strip() for line in listed if line.strip() and not line.strip().startswith("#")}
    groups = {name for name in names if name.startswith("@")}
    return frozenset(names - groups).union(*(calls_of(name) for name in groups))


def allowed_calls(text: str) -> frozenset[str]:
    """The system calls that the filter of a unit lets through."""
    allowed: frozenset[str] = frozenset()
    for line in values(text, "SystemCallFilter"):
        for group in line.removeprefix("~").split():
            allowed = allowed - calls_of(group) if line.startswith("~") else allowed | calls_of(group)
    return allowed


def calls_in(counted: Path) -> set[str]:
    """The system calls in a table of `strace -c`."""
    return set(re.findall(r"^ *[\d.]+ .* (\w+)$", counted.read_text(), re.MULTILINE)) - {"total"}
