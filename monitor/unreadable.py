"""What msgspec raises for bytes from outside that are no document of the wanted type."""

from __future__ import annotations

import msgspec

UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
"""Text that is not UTF-8, and nesting beyond Python's limit, raise Python's own errors."""
