"""Providers that read the output of a program: of one that prints a document at each interval, or of one run per reading."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

from monitor.telemetry.options import Options
from monitor.telemetry.providers.base import Explained, PercentGate, ProviderFailed, ProviderUnavailable
from monitor.telemetry.providers.stream import DocumentStream, Ended, TimedOut, run_once
from monitor.telemetry.schema import Reading


class NotADocument(Exception):
    """The text is not a whole document of the program."""


class Commands(NamedTuple):
    """How the program is called."""

    once: tuple[str, ...]
    """Prints one document and exits."""
    loop: tuple[str, ...] | None
    """Prints one at each interval until it is ended; None where this version cannot."""


class ProgramProvider(ABC):
    """What differs between programs: their arguments, how their output is split and parsed, and what their end means."""

    name: str
    is_simulated = False
    streams_at_interval = True

    program: ClassVar[str]
    first_seconds: ClassVar[float]
    """How long the first document may take."""
    no_gpu: ClassVar[tuple[str, str]]
    """Reason and fix where the program lists no GPU."""
    silent_fix: ClassVar[str]
    """What to do about a program that prints nothing."""
    install_fix: ClassVar[str | None] = None
    """What to do about a program that cannot be started, or whose output cannot be read."""

    def __init__(self, options: Options) -> None:
        self._interval = options.interval_seconds
        self._gate = PercentGate()
        self._commands = Commands((), None)
        self._stream: DocumentStream | None = None
        self._first: Reading | None = None

    @abstractmethod
    def commands(self, interval_seconds: float) -> Commands:
        """Find the program and what this version of it can do. Raises Explained and OSError."""

    @staticmethod
    @abstractmethod
    def split(buffer: bytearray) -> bytes | None:
        """Take the first whole document off the front of the buffer; None while there is none."""

    @abstractmethod
    def parse(self, document: bytes, arrived_at: float, gate: PercentGate) -> Reading:
        """The reading in a document. Raises NotADocument."""

    @abstractmethod
    def meaning(self, ended: Ended) -> Explained:
        """Why the program ended without a document, by what it printed."""

    def cannot_loop(self, ended: Ended) -> bool:
        """Whether it ended because this version cannot print one document after another."""
        return False

    def open(self) -> None:
        """Start the program and read the first document. Raises ProviderUnavailable."""
        try:
            self._commands = self.commands(self._interval)
            if self._commands.loop is not None:
                self._stream = DocumentStream(self._commands.loop, self.split)
            self._first = self._next(self.first_seconds + self._interval)
        except Explained as reason:
            raise ProviderUnavailable(reason.reason, reason.fix) from reason
        except OSError as error:
            raise ProviderUnavailable(
                f"Cannot start `{error.filename or self.program}`: {error.strerror}.", self.install_fix
            ) from error
        if not self._first.gpus:
            raise ProviderUnavailable(*self.no_gpu)

    def read(self, now: float) -> Reading:
        """The newest document that was not read yet. Raises ProviderFailed."""
        if self._first is not None:
            first, self._first = self._first, None
            return first
        try:
            return self._next(2 * self._interval + 5)
        except Explained as reason:
            raise ProviderFailed(reason.reason, reason.fix) from reason

    def close(self) -> None:
        """End the program."""
        if self._stream is not None:
            self._stream.stop()
            self._stream = None

    def _next(self, seconds: float) -> Reading:
        """A whole document, parsed. Raises Explained."""
        try:
            document, arrived_at = self._document(seconds)
            return self.parse(document, arrived_at, self._gate)
        except TimedOut as error:
            raise Explained(f"`{self.program}` does not respond: {error}.", self.silent_fix) from error
        except NotADocument as error:
            raise Explained(f"Cannot read the output of `{self.program}`: {error}.", self.install_fix) from error
        except Ended as error:
            raise self.meaning(error) from error

    def _document(self, seconds: float) -> tuple[bytes, float]:
        """The newest document, and when it had arrived (Unix time)."""
        if self._stream is not None:
            try:
                return self._stream.newest(seconds)
            except Ended as error:
                if not self.cannot_loop(error):
                    raise
                self.close()
        output = run_once(self._commands.once, seconds)
        document = self.split(bytearray(output.rstrip() + b"\n"))
        if document is None:
            raise Ended(0, output, "")
        return document, time.time()
