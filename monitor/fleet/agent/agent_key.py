"""The agent's key: received from the hub in exchange for a code, kept in the data folder, readable by its owner only."""

from __future__ import annotations

import os
from pathlib import Path

from monitor.private_file import open_private

FILE_NAME = "agent_key"


class AgentKey:
    """The key of one data folder. It belongs to one hub."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / FILE_NAME

    def read(self) -> str | None:
        """The key; None if there is none. Raises OSError."""
        try:
            return self.path.read_text(encoding="ascii", errors="replace").strip() or None
        except FileNotFoundError:
            return None

    def write(self, key: str) -> None:
        """Keep a new key. Raises OSError."""
        with os.fdopen(open_private(self.path), "r+b") as file:
            file.truncate()
            file.write(key.encode("ascii") + b"\n")
            file.flush()
            os.fsync(file.fileno())
