"""Pages name their static files by hashes, so these have to be collected first."""

from __future__ import annotations

from tests.support.static_root import static_root

__all__ = ["static_root"]
