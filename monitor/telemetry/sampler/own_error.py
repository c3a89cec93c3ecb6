"""An error of gpumon's own code, in words that blame nothing else."""

from __future__ import annotations

import traceback
from pathlib import Path

from monitor.sanitize import plain
from monitor.telemetry.subprocesses import ROOT

_LONGEST_TEXT = 200


def own_error(error: BaseException) -> str:
    """The kind of error, its text, and the innermost place in our code where it was raised."""
    text = plain(str(error))[:_LONGEST_TEXT]
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if _is_ours(frame.filename)] or frames
    place = f" at {_short(ours[-1].filename)}:{ours[-1].lineno}" if ours else ""
    said = f" ({text})" if text else ""
    return f"An error in gpumon itself, not in the driver: {type(error).__name__}{place}{said}. Please report it."


def _is_ours(filename: str) -> bool:
    return Path(filename).is_relative_to(Path(ROOT) / "monitor")


def _short(filename: str) -> str:
    return str(Path(filename).relative_to(ROOT)) if _is_ours(filename) else Path(filename).name
