"""What is packed is unpacked, to the step in which a metric is kept; bytes that were changed are noticed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.history import chunk_codec, integer_series
from monitor.history.buckets import Buckets, Column, Values
from monitor.history.chunk_codec import DamagedChunk
from monitor.history.metrics import GPU_METRICS, metric_of
from monitor.history.rollup import roll_up
from tests.history.readings import METRICS, Taken, readings, recorded


def series(count: int) -> st.SearchStrategy[list[int]]:
    """Constant, slow, noisy, with a common step, and of any size."""
    return st.one_of(
        st.integers(-(2**40), 2**40).map(lambda value: [value] * count),
        st.lists(st.integers(-3, 3), min_size=count, max_size=count).map(
            lambda steps: [500 + sum(steps[:n]) for n in range(count)]
        ),
        st.lists(st.integers(0, 1000), min_size=count, max_size=count),
        st.lists(st.integers(0, 100).map(lambda value: 10 * value), min_size=count, max_size=count),
        st.lists(st.integers(-(2**53), 2**53), min_size=count, max_size=count),
    )


@given(st.integers(1, 40).flatmap(lambda count: st.tuples(series(count), st.none() | series(count))))
def test_integers_return(given: tuple[list[int], list[int] | None]) -> None:
    integers, reference = given
    made, planes = integer_series.pack(integers, reference)
    assert [*integer_series.unpack(made, planes, len(integers), reference)] == integers


def rounded(buckets: Buckets) -> Buckets:
    """To the steps in which they are kept."""

    def kept(name: str, values: Values) -> Values:
        scale = metric_of(name).scale
        return [None if value is None else pytest.approx(round(value * scale) / scale) for value in values]

    def tenths(seconds: list[float]) -> list[float]:
        return [max(0.1, round(each, 1)) if each > 0 else 0.0 for each in seconds]

    columns = {
        name: Column(kept(name, column.low), kept(name, column.mean), kept(name, column.high), tenths(column.seconds))
        for name, column in buckets.columns.items()
    }
    return Buckets(buckets.starts, tenths(buckets.seconds), columns)


@given(readings(), st.sampled_from([1, 60, 900]))
def test_buckets_return_to_the_step_in_which_they_are_kept(made: tuple[float, list[Taken]], width: int) -> None:
    buckets = roll_up(recorded(*made), width)
    found = chunk_codec.unpack(chunk_codec.pack(buckets, METRICS))
    assert found == rounded(buckets)


@given(readings(longest=8), st.data())
def test_changed_bytes_are_noticed(made: tuple[float, list[Taken]], data: st.DataObject) -> None:
    packed = bytearray(chunk_codec.pack(recorded(*made), METRICS))
    place = data.draw(st.integers(0, len(packed) - 1))
    packed[place] ^= data.draw(st.integers(1, 255))
    with pytest.raises(DamagedChunk):
        chunk_codec.unpack(bytes(packed))


@given(st.binary(max_size=60))
def test_any_bytes_are_refused(data: bytes) -> None:
    for packed in (data, bytes([chunk_codec.VERSION]) + data):
        with pytest.raises(DamagedChunk):
            chunk_codec.unpack(packed)


def plain(**columns: list[float | None]) -> Buckets:
    seconds = [1.0] * 3
    return Buckets(
        [600, 601, 602], seconds, {name: Column(values, values, values, seconds) for name, values in columns.items()}
    )


def test_plain_readings_stay_one_list() -> None:
    found = chunk_codec.unpack(chunk_codec.pack(plain(power_watts=[1.0, 2.0, 2.5]), GPU_METRICS))
    power = found.columns["power_watts"]
    assert power.low is power.mean is power.high
    assert power.seconds is found.seconds


def test_only_wanted_columns_are_unpacked() -> None:
    packed = chunk_codec.pack(
        plain(power_watts=[1.0, 9.0, 4.0], fan_percent=[30.0, 31.0, 30.0], sm_clock_mhz=[2.0, 3.0, 9.0]), GPU_METRICS
    )
    assert chunk_codec.unpack(packed, ["sm_clock_mhz", "unheard_of"]) == plain(sm_clock_mhz=[2.0, 3.0, 9.0])


def test_metric_of_another_version_survives_being_written_again() -> None:
    buckets = plain(power_watts=[1.0, 2.0, 2.5], quantum_flux=[0.25, None, 1e9])
    buckets = buckets._replace(
        columns={**buckets.columns, "quantum_flux": buckets.columns["quantum_flux"]._replace(seconds=[1.0, 0.0, 1.0])}
    )
    once = chunk_codec.unpack(chunk_codec.pack(buckets, GPU_METRICS))
    assert once == chunk_codec.unpack(chunk_codec.pack(once, GPU_METRICS)) == buckets
