"""Recordings: readings as JSON, one per line, after a first line that says what the file is. Compressed if named `.gz`."""

from __future__ import annotations

import contextlib
import gzip
import shlex
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

import msgspec

from monitor.sanitize import with_plain_texts
from monitor.telemetry.providers.base import Explained
from monitor.telemetry.providers.plausible import Bounds
from monitor.telemetry.schema import Reading
from monitor.unreadable import UNREADABLE

VERSION = 1


class Header(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line."""

    gpumon_recording: int
    host: str
    provider: str


class BadRecording(Explained):
    """The file is not a recording, or a line of it is not a reading."""


_UNREADABLE = (*UNREADABLE, OSError, EOFError, zlib.error)
"""What reading and decoding a line raises; gzip raises the last two."""
_HEADER_BYTES = 1 << 16
"""A longer first line is not a header: the file may be anything, of any size."""
_LINE_BYTES = 64 << 20
"""Far above a reading of 256 GPUs with a thousand processes each."""
_GZIP = b"\x1f\x8b"
_MAKE_ONE = "Make a recording with `python -m monitor.telemetry --stream --record FILE`."


class Writer:
    """Writes a recording; each reading is on the disk before the next one is accepted."""

    def __init__(self, file: IO[bytes], *, host: str, provider: str) -> None:
        self._file = file
        self._put(Header(gpumon_recording=VERSION, host=host, provider=provider))

    def write(self, reading: Reading) -> None:
        """Append a reading."""
        self._put(reading)

    def close(self) -> None:
        """Close the file. Every reading is in it already, or its failure was raised."""
        with contextlib.suppress(OSError):
            self._file.close()

    def _put(self, line: msgspec.Struct) -> None:
        self._file.write(msgspec.json.encode(line) + b"\n")
        self._file.flush()


def create(path: Path) -> IO[bytes]:
    """A new file to record to, compressed if its name ends in `.gz`. Raises OSError."""
    return cast("IO[bytes]", gzip.open(path, "wb")) if path.suffix == ".gz" else path.open("wb")


def open_file(path: Path) -> IO[bytes]:
    """The lines of a file, unpacked if it is compressed, whatever its name. Raises OSError."""
    file = path.open("rb")
    if file.peek(len(_GZIP))[: len(_GZIP)] != _GZIP:
        return file
    file.close()
    return cast("IO[bytes]", gzip.open(path, "rb"))


def read(path: Path) -> tuple[Header, Iterator[Reading]]:
    """The header and, line by line as they are requested, the readings. Raises BadRecording, also while iterating."""
    try:
        file = open_file(path)
    except OSError as error:
        raise BadRecording(
            f"Cannot read the recording {path}: {error.strerror}.", "Check GPU_MONITOR_REPLAY_FILE or --replay-file."
        ) from error
    return read_file(file, name=str(path))


def read_file(file: IO[bytes], *, name: str) -> tuple[Header, Iterator[Reading]]:
    """The same of an open file, which is closed after the last reading; `name` is what the errors call it."""
    try:
        header = msgspec.json.decode(file.readline(_HEADER_BYTES), type=Header)
    except _UNREADABLE as error:
        file.close()
        raise BadRecording(f"{name} is not a recording: {error}.", _MAKE_ONE) from error
    if header.gpumon_recording != VERSION:
        file.close()
        raise BadRecording(f"{name} is a recording of version {header.gpumon_recording}, not {VERSION}.", _MAKE_ONE)
    return with_plain_texts(header), _readings(file, name)


def _readings(file: IO[bytes], name: str) -> Iterator[Reading]:
    decoder, bounds, number = msgspec.json.Decoder(Reading), Bounds("the recording"), 1
    with file:
        try:
            while line := file.readline(_LINE_BYTES):
                number += 1
                reading = with_plain_texts(decoder.decode(line))
                yield msgspec.structs.replace(reading, gpus=tuple([bounds.checked(gpu) for gpu in reading.gpus]))
        except _UNREADABLE as error:
            raise BadRecording(
                f"{name}, line {number}, is not a reading: {error}.", _fix(file, name, number)
            ) from error


def _fix(file: IO[bytes], name: str, number: int) -> str:
    if isinstance(file, gzip.GzipFile):
        return _MAKE_ONE
    return f"Delete the line (`sed -i {number}d {shlex.quote(name)}`), or m{_MAKE_ONE[1:]}"
