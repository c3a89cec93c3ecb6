"""A log record is one line, whatever is in it, and holds no secret."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

