"""The addresses of the badges, on a real server."""

from __future__ import annotations

import pytest
import requests

from tests.support.servers import Server

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "status", "word"), [("gpu0", 200, "GPU 0"), ("free", 200, "GPUs"), ("gpu9", 404, "not found")]
)
def test_badge_is_an_uncached_image_that_other_sites_can_show(
    gpu_server: Server, name: str, status: int, word: str
) -> None:
    answer = requests.get(f"{gpu_server.url}/badge/{name}.svg", timeout=40)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "image/svg+xml")
    assert "no-store" in answer.headers["Cache-Control"]
    assert answer.headers["Cross-Origin-Resource-Policy"] == "cross-origin"
    assert word in answer.text
    assert ("simulated" in answer.text) == (status == 200)


def test_badge_by_uuid_is_that_of_the_index(gpu_server: Server) -> None:
    uuid = gpu_server.json("/api/snapshot?gpu=1")["uuid"]
    assert "GPU 1" in requests.get(f"{gpu_server.url}/badge/{uuid}.svg", timeout=40).text


def test_badge_on_a_host_without_gpus_says_so(bare_server: Server) -> None:
    assert "no reading" in requests.get(f"{bare_server.url}/badge/free.svg", timeout=40).text
