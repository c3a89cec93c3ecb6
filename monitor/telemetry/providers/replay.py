"""The `replay` provider: plays a recording in a loop, at its own pace or faster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from monitor.telemetry import recording
from monitor.telemetry.options import Options
from monitor.telemetry.providers.base import ProviderFailed, ProviderUnavailable
from monitor.telemetry.schema import Notice, Reading

_STEP_SECONDS = 1.0
"""Time between two readings where the recording itself has none."""
_MOST_SKIPPED = 10_000
"""Most readings skipped at once; further behind (the host slept), the recording continues from there."""


class Replay:
    """The recorded readings, with their times moved to now and their spacing kept.

    Played faster, the readings' own times run ahead of the clock, so rules see the recorded durations.
    """

    name = "replay"
    is_simulated = True
    streams_at_interval = False

    def __init__(self, options: Options) -> None:
        self._path = Path(options.replay_file) if options.replay_file else None
        self._speed = options.replay_speed
        self._readings: Iterator[Reading] = iter(())
        self._host = "?"
        self._began_at = 0.0
        self._shown: Reading | None = None
        self._shown_at = 0.0
        """Seconds of recorded time since the beginning, like `_next_at`."""
        self._next: Reading | None = None
        self._next_at = 0.0
        self._step = _STEP_SECONDS
        self._broken: recording.BadRecording | None = None

    def open(self) -> None:
        """Read the first reading of the recording. Raises ProviderUnavailable."""
        if self._path is None:
            raise ProviderUnavailable(
                "No recording is set.",
                "Set GPU_MONITOR_REPLAY_FILE to the path of a recording, or use `--replay-file`.",
            )
        try:
            self._next = self._rewind(self._path)
        except recording.BadRecording as error:
            raise ProviderUnavailable(error.reason, error.fix) from error

    def read(self, now: float) -> Reading:
        """The reading that is due. Raises ProviderFailed at a line that is not a reading."""
        if self._shown is None:
            self._began_at = now
            self._advance()
        elif self._speed == 0:
            self._advance()
        else:
            self._catch_up(now)
        shown = self._shown
        assert shown is not None
        notice = Notice(code="replay", text=f"Replaying a recording of {self._host} at {self._speed:g}× speed.")
        return msgspec.structs.replace(
            shown, sampled_at=self._began_at + self._shown_at, notices=(*shown.notices, notice)
        )  # fmt: skip

    def close(self) -> None:
        """Drop the rest of the recording."""
        self._readings = iter(())

    def _catch_up(self, now: float) -> None:
        elapsed = (now - self._began_at) * self._speed
        for _ in range(_MOST_SKIPPED):
            if self._next_at > elapsed:
                return
            self._advance()
        self._began_at = now - self._next_at / self._speed

    def _advance(self) -> None:
        """Show the next reading and read the one after. An error there is raised when that one is due."""
        if self._broken is not None:
            raise ProviderFailed(self._broken.reason, self._broken.fix) from self._broken
        assert self._next is not None
        assert self._path is not None
        self._shown, self._shown_at = self._next, self._next_at
        try:
            following = next(self._readings, None)
            if following is None:
                following = self._rewind(self._path)
            else:
                # Time never runs backwards here, even if the clock of the recorded host was set back.
                self._step = max(0.0, following.sampled_at - self._shown.sampled_at)
            self._next = following
        except recording.BadRecording as error:
            self._broken = error
        self._next_at += self._step or _STEP_SECONDS

    def _rewind(self, path: Path) -> Reading:
        header, self._readings = recording.read(path)
        self._host = header.host
        first = next(self._readings, None)
        if first is None:
            raise recording.BadRecording(f"The recording {path} contains no reading.", "Record for longer.")
        return first
