"""The paths that programs read: they are rate-limited, and their errors are JSON and never a page."""

from __future__ import annotations


def is_for_programs(path: str) -> bool:
    """Whether this path, without the base path, is the API's, a badge's or that of the metrics."""
    return f"{path}/".startswith(("/api/", "/badge/", "/metrics/"))
