"""The numbers of the schema, with the range in which each is accepted: a recording or another host can send anything."""

from __future__ import annotations

from typing import Annotated

import msgspec

Percent = Annotated[float, msgspec.Meta(ge=0, le=100)]
UnixSeconds = Annotated[float, msgspec.Meta(ge=0, lt=253_402_300_800)]
"""A time, in the years of the calendar (to 9999)."""
_LARGEST = float(1 << 64)
"""Beyond every number of a driver, whose integers have 64 bits."""
Quantity = Annotated[float, msgspec.Meta(ge=-_LARGEST, le=_LARGEST)]
"""A number that exists: not NaN and not infinite, which JSON cannot say either."""
Load = Annotated[float, msgspec.Meta(ge=0, le=1e9)]
"""Tasks that run or wait. Linux counts millions at most."""
Integer = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
"""A number that databases have room for: signed, 64 bits."""
PollSeconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]
"""The time between two readings, by which silence is judged. The settings allow a minute."""
