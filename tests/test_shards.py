"""The shards of a fleet have every host once."""

from __future__ import annotations

import string

from hypothesis import given
from hypothesis import strategies as st

from monitor.shards import EVERY_HOST, SHARDS

HOST_IDS = st.just("") | st.text("0123456789abcdef", min_size=32, max_size=32)


@given(host_id=HOST_IDS)
def test_every_host_is_in_one_shard(host_id: str) -> None:
    assert sum(shard.has(host_id) for shard in SHARDS) == 1
    assert EVERY_HOST.has(host_id)


def test_shards_are_alike_and_the_first_has_the_hub_itself() -> None:
    digits = [digit for digit in string.hexdigits if not digit.isupper()]
    assert [sum(shard.has(digit) for digit in digits) for shard in SHARDS] == [4, 4, 4, 4]
    assert [shard.is_first for shard in SHARDS] == [True, False, False, False]


def test_lookups_say_the_same_as_has() -> None:
    assert EVERY_HOST.lookups("host_id") == {}
    assert [shard.lookups("id") for shard in SHARDS] == [
        {"id__lt": "4"}, {"id__gte": "4", "id__lt": "8"}, {"id__gte": "8", "id__lt": "c"}, {"id__gte": "c"},
    ]  # fmt: skip
