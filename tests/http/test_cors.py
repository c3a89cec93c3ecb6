"""CORS: scripts of the named origins read the API, without cookies; those of all others do not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpResponse
from django.test import RequestFactory, override_settings

from monitor.config.model import Config
from monitor.http.cors import cors

NAMED = "https://home.example.com"


@pytest.fixture(autouse=True)
def named_origins() -> Iterator[None]:
    with override_settings(
        GPU_MONITOR=Config(cors_origins=(NAMED, "http://10.0.0.7:3000", "https://*.lab.example.com"))
    ):
        yield


async def _answer(_request: Any) -> HttpResponse:
    return HttpResponse("answer", status=401)


def ask(path: str, origin: str | None, method: str = "GET", **headers: str) -> HttpResponse:
    given = {"Origin": origin, **{name.replace("_", "-"): value for name, value in headers.items()}}
    request = RequestFactory().generic(method, path, headers={name: value for name, value in given.items() if value})
    response: HttpResponse = async_to_sync(cors(_answer))(request)  # type: ignore[arg-type]
    return response


@pytest.mark.parametrize(
    "origin", [NAMED, "http://10.0.0.7:3000", "https://a.lab.example.com", "https://HOME.example.com"]
)
def test_named_origin_reads_the_api_also_its_refusals(origin: str) -> None:
    response = ask("/api/snapshot", origin)
    assert (response.status_code, response["Access-Control-Allow-Origin"]) == (401, origin)
    assert "Retry-After" in response["Access-Control-Expose-Headers"]
    assert response["Vary"] == "Origin"
    assert "Access-Control-Allow-Credentials" not in response


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example", "http://home.example.com", "https://home.example.com:8443", "https://home.example.com.evil.example",
        "http://10.0.0.7", "http://a.lab.example.com", "https://lab.example.com.evil.example", "null", "*", "https://", None,
    ],
)  # fmt: skip
def test_other_origin_is_told_nothing(origin: str | None) -> None:
    response = ask("/api/snapshot", origin)
    assert not [name for name in response.headers if name.startswith("Access-Control-")]
    assert response["Vary"] == "Origin"


@pytest.mark.parametrize("path", ["/", "/admin/", "/metrics", "/alerts/1/acknowledge", "/apis", "/badge/free.svg"])
def test_only_the_api_is_shared(path: str) -> None:
    response = ask(path, NAMED)
    assert {"Vary", "Access-Control-Allow-Origin"} & set(response.headers) == set()


def test_preflight_allows_reading_with_a_token_and_asks_no_view() -> None:
    response = ask("/api/snapshot", NAMED, "OPTIONS", Access_Control_Request_Method="GET")
    assert (response.status_code, response["Access-Control-Allow-Methods"]) == (204, "GET, HEAD")
    assert response["Access-Control-Allow-Headers"] == "Authorization"
    assert ask("/api/snapshot", NAMED, "OPTIONS").status_code == 401
    assert (
        ask("/api/snapshot", "https://evil.example", "OPTIONS", Access_Control_Request_Method="GET").status_code == 401
    )


def test_nothing_is_shared_by_default() -> None:
    with override_settings(GPU_MONITOR=Config()):
        assert {"Vary", "Access-Control-Allow-Origin"} & set(ask("/api/snapshot", NAMED).headers) == set()
