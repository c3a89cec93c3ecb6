"""/api/history?host= for hosts that are connected, down or deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from monitor.fleet.registry import Row
from monitor.history.buckets import Buckets, Column
from monitor.history.store import Written, write
from monitor.models import HistorySource
from tests.support.runtimes import current_runtime
from tests.support.snapshots import gpu, host

pytestmark = [
    pytest.mark.django_db(databases="__all__", transaction=True),
    pytest.mark.usefixtures("static_root"),
]
DOWN, GONE, HUB = "cd" * 16, "ab" * 16, "ef" * 16
START = 1_790_000_400


def record(host_id: str, name: str, watts: float) -> None:
    source = HistorySource(
        host_id=host_id, host=name, key="GPU-0", kind="gpu", index=0, name="H100", first_at=START, last_at=START + 60
    )
    values: list[float | None] = [watts] * 60
    seconds = [1.0] * 60
    column = Column(values, values, values, seconds)
    write(
        [Written(source, [Buckets([*range(START, START + 60)], seconds, {"power_watts": column})], is_changed=True)], []
    )


@pytest.fixture(autouse=True)
def hub() -> Iterator[None]:
    """The hub has 100 W, the host that is down 200 W, the one that was deleted 300 W."""
    with current_runtime(host_id=HUB) as runtime:
        runtime.hub.take(host(gpu(0), host="hub"))
        runtime.fleet.set_rows([Row(DOWN, "dgx-02", (), "active", None, "", "", None, "")])
        for each in (("", "hub", 100.0), (DOWN, "dgx-02", 200.0), (GONE, "dgx-01", 300.0)):
            record(*each)
        yield


def get(client: Client, query: str) -> Any:
    return client.get(f"/api/history?gpu=0&metric=power_watts&from={START}&to={START + 60}&points=60{query}")


@pytest.mark.parametrize(
    ("wanted", "watts"),
    [("", 100), ("&host=hub", 100), (f"&host={HUB}", 100), ("&host=dgx-02", 200), (f"&host={GONE}", 300), ("&host=dgx-01", 300)],
)  # fmt: skip
def test_each_host_answers_with_its_own_history(client: Client, wanted: str, watts: int) -> None:
    answer = get(client, wanted).json()
    (series,) = answer["series"]
    assert (series["source"], {*series["mean"]}) == ("GPU-0", {watts})
    assert answer["host"] == {100: "hub", 200: "dgx-02", 300: "dgx-01"}[watts]


def test_unknown_host_is_refused_with_the_known_ones(client: Client) -> None:
    answer = get(client, "&host=dgx-09")
    assert answer.status_code == 404
    assert "No host 'dgx-09'. /api/hosts lists all: hub, dgx-02" in answer.json()["error"]


def test_csv_file_has_the_name_of_the_host(client: Client) -> None:
    answer = get(client, "&host=dgx-01&format=csv")
    assert answer["Content-Disposition"] == 'attachment; filename="gpumon-history-dgx-01.csv"'
    assert b"GPU 0 (GPU-0),power_watts,W,300.0" in answer.content
