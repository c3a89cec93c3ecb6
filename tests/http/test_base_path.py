"""The base path: the scope that the application sees, for any form of the path from a proxy or client."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from django.urls import get_resolver, get_script_prefix, reverse

from monitor.config.loading import load_config
from monitor.config.values import ADDRESSES
from monitor.http.base_path import BasePath


def below(base_path: str, path: str, kind: str = "http", root_path: str = "") -> tuple[str, str, str]:
    """Root path, path, and the link to the dashboard."""
    seen = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append((scope["root_path"], scope["path"], reverse("dashboard")))

    scope = {"type": kind, "path": path, "root_path": root_path}
    asyncio.run(BasePath(app, base_path)(scope, None, None))  # type: ignore[arg-type]
    return seen[0]


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("path", ["/gpus/alerts", "/alerts"])
def test_proxy_may_keep_or_strip_the_base_path(path: str, kind: str) -> None:
    assert below("/gpus", path, kind) == ("/gpus", "/gpus/alerts", "/gpus/")


def test_path_with_a_similar_prefix_is_not_below_the_base_path() -> None:
    assert below("/gpus", "/gpus2/x")[1] == "/gpus/gpus2/x"


@pytest.mark.parametrize("base_path", ["", "/gpus"])
def test_root_path_from_a_client_is_ignored(base_path: str) -> None:
    assert below(base_path, "/", root_path="//evil.example") == (base_path, f"{base_path}/", f"{base_path}/")


def test_script_prefix_is_reset_after_the_request() -> None:
    below("/gpus", "/")
    assert get_script_prefix() == "/"


@pytest.mark.parametrize(
    ("given", "kept"), [("/gpus", "/gpus"), ("gpus/", "/gpus"), ("/", ""), ("/a/b.c/", "/a/b.c"), ("/~me", "/~me")]
)
def test_setting_is_normalized_to_one_leading_slash(given: str, kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_MONITOR_BASE_PATH", given)
    assert load_config(()).base_path == kept


@pytest.mark.parametrize("given", ["/a//b", "/a b", "/../x", "/ä", "https://x", "/a?b"])
def test_invalid_base_path_aborts_startup(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_MONITOR_BASE_PATH", given)
    with pytest.raises(SystemExit, match=r"GPU_MONITOR_BASE_PATH=.* is invalid: must be a path .* such as /gpus"):
        load_config(())


@pytest.mark.parametrize("given", ["/gpu", "/api", "/admin/x", "static", "/alerts/", "/ws"])
def test_base_path_that_begins_like_an_own_address_aborts_startup(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind a proxy that strips it, /gpu/UUID could be either."""
    monkeypatch.setenv("GPU_MONITOR_BASE_PATH", given)
    with pytest.raises(
        SystemExit, match=r"GPU_MONITOR_BASE_PATH=.* does not begin like the server's own \(account, admin,"
    ):
        load_config(())


@pytest.mark.parametrize("given", ["/gpu/dgx01", "/gpus", "/apis"])
def test_base_path_that_no_address_begins_with_is_accepted(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_MONITOR_BASE_PATH", given)
    assert load_config(()).base_path == given
    for path in ("/", "/alerts", "/gpu/GPU-12345678", "/gpu/MIG-GPU-1/1/0", "/api/health", "/ws/dashboard"):
        assert below(given, path)[1] == below(given, given + path)[1] == given + path


def test_every_own_address_is_known_to_the_setting() -> None:
    paths = {
        str(pattern.pattern).strip("^").partition("/")[0] for pattern in get_resolver().url_patterns[-1].url_patterns
    }
    assert {*paths, "admin", "static", "ws"} - {""} == ADDRESSES


@pytest.mark.parametrize("given", ["proxy.example.com", "10.0.0.7/24", "10.0.0.0/33"])
def test_invalid_proxy_address_aborts_startup(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_MONITOR_TRUSTED_PROXIES", f"127.0.0.1,{given}")
    with pytest.raises(SystemExit, match=r"GPU_MONITOR_TRUSTED_PROXIES=.* is invalid: must be addresses and networks"):
        load_config(())


def test_static_folder_can_be_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_MONITOR_STATIC_DIR", str(tmp_path / "static"))
    assert load_config(()).static_dir == tmp_path / "static"
