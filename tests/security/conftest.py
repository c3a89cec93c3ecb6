"""Assertions in what these tests share are told of as well as in the tests."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.security.hostile")
