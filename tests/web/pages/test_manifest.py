"""The web app manifest: its addresses work, also below a base path, and only viewers get the name of the host."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from asgiref.sync import async_to_sync
from django.test import AsyncRequestFactory
from django.urls import set_script_prefix

from monitor.access.visitor import Visitor, remember
from monitor.web.pages.manifest import manifest
from tests.support.servers import Server


@pytest.fixture
def base_path() -> Iterator[str]:
    set_script_prefix("/gpus/")
    yield "/gpus/"
    set_script_prefix("/")


@pytest.mark.usefixtures("static_root")
def test_installed_app_opens_below_the_base_path_and_keeps_the_host_from_others(base_path: str) -> None:
    request = AsyncRequestFactory().get("/manifest.webmanifest")
    remember(request, Visitor(may_look=False, sees_details=False))
    found: dict[str, Any] = json.loads(async_to_sync(manifest)(request).content)
    assert (found["start_url"], found["scope"], found["id"]) == (base_path, base_path, base_path)
    assert (found["name"], found["short_name"]) == ("gpumon", "gpumon")


@pytest.mark.slow
def test_manifest_names_the_host_and_its_icons_have_their_sizes(gpu_server: Server) -> None:
    answer = requests.get(f"{gpu_server.url}/manifest.webmanifest", timeout=40)
    assert answer.headers["Content-Type"] == "application/manifest+json"
    found = answer.json()
    assert found["name"] == f"gpumon · {gpu_server.json('/api/snapshot')['host']}"
    assert {icon["purpose"] for icon in found["icons"]} == {"any", "maskable"}
    for icon in found["icons"]:
        file = requests.get(gpu_server.url + icon["src"], timeout=40)
        assert file.headers["Content-Type"] == icon["type"]
        if icon["type"] == "image/png":
            width, height = struct.unpack(">II", file.content[16:24])
            assert icon["sizes"] == f"{width}x{height}"
