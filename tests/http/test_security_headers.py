"""The headers of every response: pages, errors, redirects and static files."""

from __future__ import annotations

import pytest
from asgiref.sync import async_to_sync
from django.http import HttpRequest, HttpResponse
from django.templatetags.static import static
from django.test import AsyncClient, Client, RequestFactory

from monitor.http.security_headers import allow_frames, security_headers

pytestmark = pytest.mark.usefixtures("static_root")

EXPECTED = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "font-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "X-Permitted-Cross-Domain-Policies": "none",
}


@pytest.mark.parametrize("path", ["/nothing/here", "/admin/", "/static/nothing.js", "static file"])
def test_every_response_has_the_headers(path: str) -> None:
    response = Client().get(static("admin/css/base.css") if path == "static file" else path)
    assert {name: response[name] for name in EXPECTED} == EXPECTED
    assert "camera=()" in response["Permissions-Policy"]


def test_refusal_of_a_foreign_host_name_has_the_headers() -> None:
    response = Client(headers={"Host": "evil.example.com"}).get("/admin/")
    assert response.status_code == 400
    assert {name: response[name] for name in EXPECTED} == EXPECTED


async def _get_asynchronously(path: str) -> tuple[int, str]:
    response = await AsyncClient().get(path)
    return response.status_code, response["Content-Security-Policy"]


def test_asynchronous_responses_have_the_headers() -> None:
    assert async_to_sync(_get_asynchronously)("/nothing") == (404, EXPECTED["Content-Security-Policy"])


def test_page_that_may_be_framed_names_the_sites_and_keeps_the_rest_of_the_policy() -> None:
    def framed(_request: HttpRequest) -> HttpResponse:
        response = HttpResponse()
        allow_frames(response, ("https://home.example.com", "http://10.0.0.7:3000"))
        return response

    response = security_headers(framed)(RequestFactory().get("/?kiosk=1"))
    assert isinstance(response, HttpResponse)
    assert response["Content-Security-Policy"] == EXPECTED["Content-Security-Policy"].replace(
        "frame-ancestors 'none'", "frame-ancestors https://home.example.com http://10.0.0.7:3000"
    )
    assert "X-Frame-Options" not in response
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"


def test_without_the_setting_no_page_may_be_framed() -> None:
    def kiosk(_request: HttpRequest) -> HttpResponse:
        response = HttpResponse()
        allow_frames(response, ())
        return response

    response = security_headers(kiosk)(RequestFactory().get("/?kiosk=1"))
    assert isinstance(response, HttpResponse)
    assert {name: response.get(name) for name in ("Content-Security-Policy", "X-Frame-Options")} == {
        name: EXPECTED[name] for name in ("Content-Security-Policy", "X-Frame-Options")
    }
