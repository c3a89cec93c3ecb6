"""A log record is one line, whatever is in it, and holds no secret."""

from __future__ import annotations
