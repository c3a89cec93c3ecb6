"""Builds the fake NVIDIA driver library, changes its scenario while a process uses it, and reads its call counts.

The library is plain C in `nvml/`; a child process that finds it through LD_LIBRARY_PATH runs the real pynvml on it.
`nvml/README.md` documents the scenarios.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import pytest

Variant = Literal["current", "old"]

SOURCES = Path(__file__).parent / "nvml"
LIBRARY_NAME = "libnvidia-ml.so.1"
FLAGS = ("-std=gnu11", "-O2", "-Wall", "-Wextra", "-Werror", "-fPIC", "-shared", "-pthread", "-fvisibility=hidden")
_RECORD = struct.Struct("=56sQ")


def build(variant: Variant, folder: Path) -> Path:
    """Compile the library into `folder` and return its path; `old` leaves out the symbols of newer drivers."""
    library = folder / LIBRARY_NAME
    partial = folder / f".{LIBRARY_NAME}.{os.getpid()}"
    define = ("-DOLD_DRIVER",) if variant == "old" else ()
    subprocess.run(
        ["gcc", *FLAGS, *define, "-o", str(partial), *(str(path) for path in sorted(SOURCES.glob("*.c")))], check=True
    )
    partial.replace(library)
    return library


def build_once(variant: Variant) -> Path:
    """The library in the system's folder for temporary files, compiled unless it exists for these sources."""
    digest = hashlib.sha256(repr(FLAGS).encode())
    for path in sorted(SOURCES.glob("*.[ch]")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    folder = Path(tempfile.gettempdir()) / f"gpumon-fake-nvml-{os.getuid()}-{digest.hexdigest()[:16]}-{variant}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.stat().st_uid != os.getuid():
        raise PermissionError(f"{folder} belongs to somebody else")
    library = folder / LIBRARY_NAME
    return library if library.exists() else build(variant, folder)


class FakeDriver:
    """A fake driver with its own scenario; any number of child processes can use it at the same time."""

    def __init__(self, library: Path, folder: Path) -> None:
        self.library = library
        self._scenario = folder / "scenario"
        self._counts = folder / "counts"
        self._base = ""
        self._settings: dict[str, str] = {}
        self._counts.touch()
        self.scenario("")

    @property
    def env(self) -> dict[str, str]:
        """The environment in which a child process loads this driver instead of a real one."""
        return {
            "LD_LIBRARY_PATH": str(self.library.parent),
            "FAKE_NVML_SCENARIO": str(self._scenario),
            "FAKE_NVML_COUNTS": str(self._counts),
        }

    def scenario(self, text: str) -> None:
        """Replace all settings with this text, in effect within 20 ms. A mistake in it raises ValueError."""
        self._write(text, {})

    def set(self, changes: Mapping[str, object] | None = None, /, **more: object) -> None:
        """Change keys of the scenario: `set({"gpu.0.lost": 1}, gpus=4)`. None reverts an earlier change."""
        settings = dict(self._settings)
        for key, value in {**(changes or {}), **more}.items():
            settings.pop(key, None)  # the last change in the file wins
            if value is not None:
                settings[key] = str(value)
        self._write(self._base, settings)

    def calls(self) -> dict[str, int]:
        """The number of calls of each function by all processes, by C name; without calls: absent."""
        counts = self._read_counts()
        counts.pop("total", None)
        return {name: count for name, count in counts.items() if count > 0}

    def total_calls(self) -> int:
        """The number of all calls."""
        return self._read_counts().get("total", 0)

    def reset_calls(self) -> None:
        """Restart all counts at 0, also in running processes."""
        with self._counts.open("r+b") as file:
            for offset in range(0, self._counts.stat().st_size, _RECORD.size):
                file.seek(offset + _RECORD.size - 8)
                file.write(bytes(8))

    def _read_counts(self) -> dict[str, int]:
        records = _RECORD.iter_unpack(self._counts.read_bytes())
        return {name.rstrip(b"\0").decode(): count for name, count in records}

    def _write(self, base: str, settings: dict[str, str]) -> None:
        lines = [base, *(f"{key} = {value}" for key, value in settings.items())]
        partial = self._scenario.with_suffix(".partial")
        partial.write_text("\n".join(lines) + "\n", encoding="utf-8")
        error = ctypes.create_string_buffer(256)
        # This process loads a second copy of the library only for this check.
        check = ctypes.CDLL(str(self.library)).fakeDriverCheckScenario
        check.restype = ctypes.c_bool
        check.argtypes = (ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t)
        if not check(os.fsencode(partial), error, len(error)):
            raise ValueError(error.value.decode(errors="replace").strip())
        # The library detects a new version by inode, size and time; the file system's clock is too coarse for that.
        os.utime(partial, ns=(time.time_ns(), time.time_ns()))
        partial.replace(self._scenario)
        self._base, self._settings = base, settings


def _require_compiler() -> None:
    if shutil.which("gcc") is None:
        if os.environ.get("CI"):
            pytest.fail("gcc is not installed, and in CI the fake driver must be built")
        pytest.skip("gcc is not installed: the fake driver cannot be built")


@pytest.fixture(scope="session")
def fake_library() -> Path:
    """The library of a current driver."""
    _require_compiler()
    return build_once("current")


@pytest.fixture(scope="session")
def old_fake_library() -> Path:
    """The library of drivers before R535."""
    _require_compiler()
    return build_once("old")


@pytest.fixture
def fake_driver(fake_library: Path, tmp_path: Path) -> Iterator[FakeDriver]:
    """A fake driver with 8 GPUs on which every call succeeds, until the test changes that."""
    folder = tmp_path / "fake_driver"
    folder.mkdir()
    driver = FakeDriver(fake_library, folder)
    yield driver
    driver.scenario("")  # releases processes that hang in the driver


@pytest.fixture
def old_fake_driver(old_fake_library: Path, tmp_path: Path) -> Iterator[FakeDriver]:
    """The same fake driver without the newer symbols."""
    folder = tmp_path / "old_fake_driver"
    folder.mkdir()
    driver = FakeDriver(old_fake_library, folder)
    yield driver
    driver.scenario("")
