"""The `replay` provider: plays a recording at its own pace or faster, over and over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from monitor.telemetry import recording
from monitor.telemetry.providers.base import Options, ProviderFailed, ProviderUnavailable
from monitor.telemetry.schema import Notice, Reading


class Replay:
    """The recorded readings, with their times moved to now and their spacing kept (at 1×).

    Played faster, the readings' own times run ahead of the clock: whoever judges by them sees what was recorded.
    """

    name = "replay"
    is_simulated = True
    streams_at_interval = False

    def __init__(self, options: Options) -> None:
        self._path = Path(options.replay_file) if options.replay_file else None
        self._speed = options.replay_speed
        self._readings: Iterator[Reading] = iter(())
        self._header: recording.Header | None = None
        self._next: Reading | None = None
        self._now_shown: Reading | None = None
        self._began_at: float | None = None
        self._shift = 0.0

    def open(self) -> None:
        """Read the first reading. Raises ProviderUnavailable."""
        if self._path is None:
            raise ProviderUnavailable("No recording is named.", "Set GPU_MONITOR_REPLAY_FILE to a recording's path.")
        try:
            self._header, self._readings = recording.read(self._path)
            self._next = next(self._readings, None)
        except recording.BadRecording as error:
            raise ProviderUnavailable(error.reason, error.fix) from error
        if self._next is None:
            raise ProviderUnavailable(f"The recording {self._path} holds no reading.", "Record for longer.")

    def read(self, now: float) -> Reading:
        """The reading whose turn it is. Raises ProviderFailed where a line is broken."""
        if self._began_at is None:
            self._begin(now)
        while self._now_shown is None or self._is_due(now):
            self._advance(now)
            if self._speed == 0:
                break
        assert self._now_shown is not None
        shown = self._now_shown
        name = self._header.host if self._header else "?"
        notice = Notice(code="replay", text=f"A recording of {name} is played at {self._speed:g}× its pace.")
        return msgspec.structs.replace(
            shown, sampled_at=shown.sampled_at + self._shift, notices=(*shown.notices, notice)
        )  # fmt: skip

    def close(self) -> None:
        """Forget the file."""
        self._readings = iter(())

    def _is_due(self, now: float) -> bool:
        if self._speed == 0:
            return True
        if self._next is None:
            return False
        assert self._began_at is not None
        elapsed = (now - self._began_at) * self._speed
        return self._next.sampled_at + self._shift - self._began_at <= elapsed

    def _begin(self, now: float) -> None:
        assert self._next is not None
        self._began_at = now
        self._shift = now - self._next.sampled_at

    def _advance(self, now: float) -> None:
        self._now_shown = self._next
        try:
            self._next = next(self._readings, None)
            if self._next is None:  # from the beginning, one step of time after the end
                assert self._path is not None
                _, self._readings = recording.read(self._path)
                self._next = next(self._readings)
                assert self._now_shown is not None
                self._shift += self._now_shown.sampled_at - self._next.sampled_at + 1.0
        except recording.BadRecording as error:
            raise ProviderFailed(error.reason, error.fix) from error
