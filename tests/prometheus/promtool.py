"""Prometheus' own check of a text exposition: its format, and the conventions for names."""

from __future__ import annotations

import shutil
import subprocess


def complaints(text: str) -> str:
    """What `promtool check metrics` says; empty if nothing is wrong."""
    program = shutil.which("promtool")
    assert program, "promtool is not in PATH (Debian, Ubuntu: apt install prometheus)"
    command = [program, "check", "metrics"]
    checked = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60, check=False)
    assert checked.returncode == 0 or checked.stderr, "promtool failed without a word"
    return checked.stdout + checked.stderr
