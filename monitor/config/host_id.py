"""The id of this host in a fleet: random, made at the first start, kept in the data folder. It stays when the host is renamed."""

from __future__ import annotations

import re
import secrets
from pathlib import Path

from monitor.config.secret_key import unusable
from monitor.private_file import kept_line

FILE_NAME = "host_id"
_PATTERN = re.compile(r"[0-9a-f]{32}")


def kept_host_id(data_dir: Path) -> str:
    """128 bits as 32 hexadecimal digits. Exits with one line if the file cannot be used."""
    path = data_dir / FILE_NAME
    try:
        host_id = kept_line(path, lambda: secrets.token_hex(16))
    except OSError as error:
        raise SystemExit(unusable(data_dir, error)) from None
    if not _PATTERN.fullmatch(host_id):
        raise SystemExit(
            f"gpumon: {path} is invalid: must be 32 hexadecimal digits; delete it, and gpumon makes a new one (to a hub, this is "
            "then a new host)"
        )
    return host_id
