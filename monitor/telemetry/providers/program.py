"""Providers that read the output of a program: of one that prints a document at each interval, or of one run per reading."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from typing import ClassVar, NamedTuple

from monitor.telemetry.options import Options
from monitor.telemetry.providers.base import Explained, ProviderFailed, ProviderUnavailable
from monitor.telemetry.providers.plausible import Bounds
from monitor.telemetry.providers.stream import DocumentStream, Ended, TimedOut, run_once
from monitor.telemetry.schema import Reading

_SHARE_OF_TIMEOUT = 0.9
"""The supervisor replaces a sampler that is silent for all of it, and would not know what the program does."""


END_OF_OUTPUT = b"\0"
"""Follows the last document, for a split that looks at what follows."""


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
    """How long the first document may take at least; it also gets twice the time of the others."""
    no_gpu: ClassVar[tuple[str, str]]
    """Reason and fix where the program lists no GPU."""
    silent_fix: ClassVar[str]
    """What to do about a program that prints nothing."""
    install_fix: ClassVar[str | None] = None
    """What to do about a program that cannot be started, or whose output cannot be read."""

    def __init__(self, options: Options) -> None:
        self._interval = options.interval_seconds
        self._timeout = options.timeout_seconds
        self._bounds = Bounds(self.program)
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
    def parse(self, document: bytes, arrived_at: float, bounds: Bounds) -> Reading:
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
            self._first = self._next(max(self.first_seconds, 2 * self._timeout) + self._interval)
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
            return self._next(self._interval + _SHARE_OF_TIMEOUT * self._timeout)
        except Explained as reason:
            raise ProviderFailed(reason.reason, reason.fix) from reason

    def close(self) -> None:
        """End the program."""
        if self._stream is not None:
            self._stream.stop()
            self._stream = None

    def _next(self, seconds: float) -> Reading:
        """A whole document, parsed; it has to arrive within `seconds` after the previous one. Raises Explained."""
        try:
            document, arrived_at = self._document(seconds)
            return self.parse(document, arrived_at, self._bounds)
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
                has_printed = error.half.strip() or error.errors
                if not self.cannot_loop(error) and (has_printed or error.status < 0):
                    raise  # one that ends without a word, after a document, does not loop either
                self.close()
        ended = run_once(self._commands.once, seconds)
        document = self.split(bytearray(ended.half.rstrip() + b"\n" + END_OF_OUTPUT))
        if document is None:
            raise ended
        return document, time.time()  # a whole document counts, whatever the exit status warns of
