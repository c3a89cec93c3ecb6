"""`/api/free`: the status and form of each answer, and that stale readings offer nothing."""

from __future__ import annotations

import json

import pytest
from django.http import HttpResponse
from django.test import RequestFactory

from monitor.telemetry.schema import Snapshot
from monitor.web.api.free import OfHost, answer
from tests.support.servers import Server
from tests.support.snapshots import gpu, host

FREE = host(
    gpu(0, use="free", utilization_percent=0.0),
    gpu(1, use="busy"),
    gpu(2, use="free", utilization_percent=0.0, memory_used_bytes=0),
)


def ask(query: str = "", latest: Snapshot | None = FREE, accept: str = "*/*") -> HttpResponse:
    request = RequestFactory().get(f"/api/free?{query}", headers={"Accept": accept})
    return answer(request, [OfHost(latest, {"GPU-0": 100.0, "GPU-2": 10.0})])


def test_enough_gpus_are_200_with_the_value_of_the_variable() -> None:
    response = ask("count=2")
    found = json.loads(response.content)
    assert (response.status_code, found["cuda_visible_devices"]) == (200, "GPU-2,GPU-0")
    assert [(each["index"], each["free_seconds"]) for each in found["gpus"]] == [(2, 10.0), (0, 100.0)]


def test_too_few_are_409_with_the_reason_and_those_that_fit() -> None:
    response = ask("count=2&idle_for=60")
    found = json.loads(response.content)
    assert (response.status_code, found["is_enough"], found["cuda_visible_devices"]) == (409, False, None)
    assert [each["uuid"] for each in found["gpus"]] == ["GPU-0"]
    assert found["reason"] == "1 of the 2 free GPUs fits; 2 are wanted."


@pytest.mark.parametrize(
    ("query", "accept"), [("format=text", "*/*"), ("", "text/plain"), ("format=text", "text/html")]
)
def test_shell_gets_the_bare_value(query: str, accept: str) -> None:
    response = ask(query, accept=accept)
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert (response.status_code, response.content) == (200, b"GPU-2\n")


def test_text_with_too_few_gpus_is_an_error_that_curl_sees() -> None:
    response = ask("format=text&count=3")
    assert (response.status_code, response.content) == (409, b"Only 2 GPUs are free; 3 are wanted.\n")


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/html,*/*;q=0.8"])
def test_everybody_else_gets_json(accept: str) -> None:
    assert ask(accept=accept).headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    "latest",
    [
        None,
        host(sampled_at=None),
        host(gpu(0, use="free"), stale=True, stale_reason="The driver hangs."),
    ],
)
def test_nothing_is_offered_without_current_readings(latest: Snapshot | None) -> None:
    assert ask(latest=latest).status_code == 503
    response = ask("format=text", latest)
    assert response.status_code == 503
    assert b"GPU-" not in response.content


@pytest.mark.parametrize("query", ["count=0", "memory=20", "idle_for=soon", "format=xml", "gpus=2"])
def test_wrong_parameter_is_400_with_the_valid_values(query: str) -> None:
    response = ask(query)
    assert response.status_code == 400
    assert json.loads(response.content)["error"].endswith(".")


@pytest.mark.slow
def test_server_answers_as_its_snapshot_says(bare_server: Server, gpu_server: Server) -> None:
    uses = {each["uuid"]: each["use"] for each in gpu_server.json("/api/snapshot")["gpus"]}
    status, body = gpu_server.get("/api/free")
    found = json.loads(body)
    assert status == (200 if "free" in uses.values() else 409)
    assert found["is_simulated"]
    assert [uses[each["uuid"]] for each in found["gpus"]] == ["free"] * len(found["gpus"])
    assert bare_server.get("/api/free?format=text")[0] == 503
    assert gpu_server.get("/api/free?count=64")[0] == 409
    assert "/api/free" not in bare_server.log + gpu_server.log  # a program that waits for GPUs asks again and again
