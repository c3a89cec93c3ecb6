"""Recordings: readings as JSON, one a line behind a first line that says what the file is."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import msgspec

from monitor.sanitize import with_plain_texts
from monitor.telemetry.providers.base import Explained
from monitor.telemetry.schema import Reading

VERSION = 1


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line."""

    gpumon_recording: int
    host: str
    provider: str


class BadRecording(Explained):
    """The file is no recording, or a line of it is not a reading."""


_NOT_DECODED = (msgspec.MsgspecError, UnicodeDecodeError)
"""msgspec leaves text that is no UTF-8 to Python."""
_HEADER_BYTES = 1 << 16
"""A first line that is longer is none: the file may be anything, of any size."""
_MAKE_ONE = "Make a recording with `python -m monitor.telemetry --stream --record FILE`."


class Writer:
    """Writes a recording; each reading is on the disk before the next is taken."""

    def __init__(self, file: IO[bytes], *, host: str, provider: str) -> None:
        self._file = file
        self._put(Header(gpumon_recording=VERSION, host=host, provider=provider))

    def write(self, reading: Reading) -> None:
        """Add a reading."""
        self._put(reading)

    def close(self) -> None:
        """Let go of the file; everything is in it already, or was said to have failed."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _put(self, line: msgspec.Struct) -> None:
        self._file.write(msgspec.json.encode(line) + b"\n")
        self._file.flush()


def read(path: Path) -> tuple[Header, Iterator[Reading]]:
    """The header and, line by line as they are asked for, the readings. Raises BadRecording, also while iterating."""
    try:
        file = path.open("rb")
    except OSError as error:
        raise BadRecording(
            f"The recording {path} cannot be read: {error.strerror}.", "Check GPU_MONITOR_REPLAY_FILE or --replay-file."
        ) from error
    return read_file(file, name=str(path))


def read_file(file: IO[bytes], *, name: str) -> tuple[Header, Iterator[Reading]]:
    """The same of a file that is open, and is closed after the last reading; `name` is what the errors call it."""
    try:
        header = msgspec.json.decode(file.readline(_HEADER_BYTES), type=Header)
    except (*_NOT_DECODED, OSError) as error:
        file.close()
        raise BadRecording(f"{name} is not a recording: {error}.", _MAKE_ONE) from error
    if header.gpumon_recording != VERSION:
        file.close()
        raise BadRecording(f"{name} is a recording of version {header.gpumon_recording}, not {VERSION}.", _MAKE_ONE)
    return with_plain_texts(header), _readings(file, name)


def _readings(file: IO[bytes], name: str) -> Iterator[Reading]:
    decoder, number = msgspec.json.Decoder(Reading), 1
    with file:
        try:
            for line in file:
                number += 1
                yield with_plain_texts(decoder.decode(line))
        except (*_NOT_DECODED, OSError) as error:
            mend = f"Leave the line out (`sed -i {number}d {shlex.quote(name)}`), or m{_MAKE_ONE[1:]}"
            raise BadRecording(f"{name}, line {number}, is not a reading: {error}.", mend) from error
