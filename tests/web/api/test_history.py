"""The parameters of /api/history, and its answers as columns and as CSV."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence

import pytest
from django.db import OperationalError
from django.test import RequestFactory

from monitor.history.metrics import GPU_METRICS, HOST_METRICS
from monitor.history.queries import Answer
from monitor.telemetry.schema import Snapshot
from monitor.web.api import history as stored_history
from monitor.web.api.history import DEFAULT_POINTS, UnknownGpu, Wanted, wanted_of
from monitor.web.recorded_hosts import RecordedHost
from tests.support.servers import Server, wait_for
from tests.support.snapshots import gpu, host
from tests.web.answers import answer

NOW = 1_790_000_000.0
BOARD = host(gpu(0), gpu(1), gpu(2))


def wanted(**query: str) -> Wanted:
    return wanted_of(
        {"metric": "power_watts", **{name.strip("_"): text for name, text in query.items()}}, BOARD, (), NOW
    )


def test_without_gpu_and_span_all_gpus_and_the_last_hour_are_meant() -> None:
    found = wanted()
    assert found.sources == ("GPU-0", "GPU-1", "GPU-2")
    assert (found.metrics, found.points, found.is_csv) == (("power_watts",), DEFAULT_POINTS, False)
    assert (found.span.start, found.span.end) == (NOW - 3600, NOW)


def test_gpus_are_named_by_index_uuid_or_host_and_metrics_by_comma() -> None:
    assert wanted(gpu="2, GPU-0,2").sources == ("GPU-2", "GPU-0")
    assert wanted(gpu="all,host", metric="power_watts,cpu_percent").sources == ("GPU-0", "GPU-1", "GPU-2", "host")
    assert wanted(gpu="host", metric="cpu_percent, load_1m").metrics == ("cpu_percent", "load_1m")


def test_gpu_that_is_gone_is_found_in_what_is_recorded() -> None:
    assert wanted_of({"gpu": "GPU-9", "metric": "power_watts"}, BOARD, ("host", "GPU-9"), NOW).sources == ("GPU-9",)


def test_unknown_gpu_is_named_with_the_known_ones() -> None:
    with pytest.raises(UnknownGpu) as error:
        wanted(gpu="7")
    assert (
        str(error.value)
        == "No GPU '7'. Known GPUs, by index and UUID: 0 (GPU-0), 1 (GPU-1), 2 (GPU-2); host is the host."
    )


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ({"metric": ""}, "metric is ''; it must be one or several of utilization_percent, "),
        ({"metric": "power_watts,colour"}, "metric is 'colour'; it must be"),
        ({"gpu": "host"}, "metric is 'power_watts'; it must be one or several of cpu_percent"),
        ({"colour": "red"}, "unknown parameter 'colour'; known are host, gpu, metric, range, from, to, points, format"),
        ({"points": "9"}, "points is '9'; it must be a whole number from 10 to 5000"),
        ({"points": "٣٣"}, "points is '٣٣'"),
        ({"format": "arrow"}, "format is 'arrow'; it must be json or csv"),
        ({"from_": "1789999999", "to": "1789990000"}, "to is '1789990000'; it must be at least 1 s after from"),
    ],
)
def test_invalid_parameter_is_named_with_its_valid_values(query: dict[str, str], told: str) -> None:
    with pytest.raises(ValueError) as error:
        wanted(**query)
    assert told in str(error.value)


def test_request_for_too_many_points_is_refused() -> None:
    farm = host(*[gpu(index) for index in range(64)])
    every = ",".join(metric.name for metric in GPU_METRICS)
    with pytest.raises(ValueError, match=r"64 sources with \d+ metrics of 600 points exceed 250000 points: name fewer"):
        wanted_of({"metric": every}, farm, (), NOW)


class Asked:
    """Stands for the history: remembers what was asked."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, tuple[str, ...], float, float, int]] = []

    def __call__(
        self, source: str, metrics: Sequence[str], start: float, end: float, points: int, *, host_id: str
    ) -> list[Answer]:
        assert host_id == ""
        self.requests.append((source, tuple(metrics), start, end, points))
        return [answer(source, name, [(1, 2, 3), None, (4, 5, 6.5)]) for name in metrics]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Asked:
    asked = Asked()
    monkeypatch.setattr(stored_history, "stored", asked)
    monkeypatch.setattr(stored_history, "sources", lambda _host_id: [])
    return asked


def respond(query: str, latest: Snapshot | None = BOARD) -> tuple[int, str]:
    own = RecordedHost("", latest.host if latest else "", latest)
    response = stored_history.answer(RequestFactory().get(f"/api/history?{query}"), own)
    return response.status_code, response.content.decode()


def test_answer_holds_columns_of_each_source_and_metric(asked: Asked) -> None:
    status, body = respond("gpu=0,host&metric=power_watts,cpu_percent&from=1789990000&to=1789993600.5&points=60")
    content = json.loads(body)
    assert status == 200
    assert (content["start"], content["end"]) == (1_789_990_000, 1_789_993_600.5)
    assert [(each["source"], each["metric"], each["unit"]) for each in content["series"]] == [
        ("GPU-0", "power_watts", "W"),
        ("host", "cpu_percent", "%"),
    ]
    first = content["series"][0]
    assert (first["low"], first["mean"], first["high"]) == ([1, None, 4], [2, None, 5], [3, None, 6.5])
    assert (first["bucket_seconds"], first["seconds"], first["gaps"]) == (60, [60, 60, 60], [])
    assert asked.requests == [
        ("GPU-0", ("power_watts",), 1_789_990_000, 1_789_993_601, 60),
        ("host", ("cpu_percent",), 1_789_990_000, 1_789_993_601, 60),
    ]


@pytest.mark.usefixtures("asked")
def test_csv_holds_a_row_for_each_known_bucket() -> None:
    status, body = respond("gpu=1&metric=power_watts&format=csv")
    rows = list(csv.reader(io.StringIO(body, newline="")))
    assert status == 200
    assert rows == [
        ["time", "source", "metric", "unit", "min", "mean", "max", "seconds"],
        ["2026-09-21T14:13:20Z", "GPU 1 (GPU-1)", "power_watts", "W", "1", "2", "3", "60"],
        ["2026-09-21T14:15:20Z", "GPU 1 (GPU-1)", "power_watts", "W", "4", "5", "6.5", "60"],
    ]


@pytest.mark.usefixtures("asked")
@pytest.mark.parametrize(
    ("query", "status"), [("metric=power_watts", 200), ("", 400), ("metric=power_watts&gpu=9", 404), ("range=x", 400)]
)
def test_error_has_its_status_and_reason_in_json(query: str, status: int) -> None:
    given, body = respond(query)
    assert given == status
    assert ("error" in json.loads(body)) == (status != 200)


def test_without_a_reading_or_a_database_the_answer_is_503(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    assert respond("metric=power_watts", None)[0] == 503

    def locked(*_: object, **__: object) -> list[Answer]:
        raise OperationalError("database is locked")

    monkeypatch.setattr(stored_history, "stored", locked)
    status, body = respond("metric=power_watts")
    assert (status, json.loads(body)) == (503, {"error": "The history is unavailable: database is locked."})
    assert asked.requests == []


def test_host_has_the_metrics_that_the_page_compares() -> None:
    assert {"cpu_percent", "memory_used_percent"} <= {metric.name for metric in HOST_METRICS}


@pytest.mark.slow
def test_server_answers_with_what_it_has_just_recorded(gpu_server: Server) -> None:
    address = "/api/history?gpu=1,host&metric=power_watts,cpu_percent&range=1min"
    of_gpu, of_host = wait_for(
        lambda: [each for each in gpu_server.json(address)["series"] if each["time"]][:2] or None, "readings"
    )
    assert (of_gpu["metric"], of_host["source"], of_gpu["tier"], of_gpu["bucket_seconds"]) == (
        "power_watts", "host", "seconds", 1,
    )  # fmt: skip
    assert of_gpu["low"] == of_gpu["mean"] == of_gpu["high"]
    assert 50 < of_gpu["mean"][-1] < 800
    status, body = gpu_server.get(f"{address}&format=csv")
    assert status == 200
    assert body.startswith("time,source,metric,unit,min,mean,max,seconds\r\n20")
