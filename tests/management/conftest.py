"""The environment of a host without GPUs, shared with the API's tests."""

from __future__ import annotations

from tests.web.conftest import nothing_found

__all__ = ["nothing_found"]
