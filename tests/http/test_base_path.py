"""Below a path: what the application is told, whichever way a proxy or a client puts it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from django.urls import get_script_prefix, reverse

from monitor.config.loading import load_config
from monitor.http.base_path import BasePath


def below(base_path: str, path: str, kind: str = "http", root_path: str = "") -> tuple[str, str, str]:
    """Root path, path, and where a link to the dashboard leads."""
    seen = []

    async def app(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append((scope["root_path"], scope["path"], reverse("dashboard")))

    scope = {"type": kind, "path": path, "root_path": root_path}
    asyncio.run(BasePath(app, base_path)(scope, None, None))  # type: ignore[arg-type]
    return seen[0]


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("path", ["/gpus/alerts", "/alerts"])
def test_a_proxy_may_leave_the_path_on_or_take_it_off(path: str, kind: str) -> None:
    assert below("/gpus", path, kind) == ("/gpus", "/gpus/alerts", "/gpus/")


def test_a_name_that_only_begins_alike_is_not_below() -> None:
    assert below("/gpus", "/gpus2/x")[1] == "/gpus/gpus2/x"


@pytest.mark.parametrize("base_path", ["", "/gpus"])
def test_what_a_client_claims_as_root_counts_for_nothing(base_path: str) -> None:
    assert below(base_path, "/", root_path="//evil.example") == (base_path, f"{base_path}/", f"{base_path}/")


def test_nothing_stays_behind_for_others() -> None:
    below("/gpus", "/")
    assert get_script_prefix() == "/"


@pytest.mark.parametrize(
    ("given", "kept"), [("/gpus", "/gpus"), ("gpus/", "/gpus"), ("/", ""), ("/a/b.c/", "/a/b.c"), ("/~me", "/~me")]
)
def test_the_setting_is_kept_with_one_slash_before(given: str, kept: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_MONITOR_BASE_PATH", given)
    assert load_config(()).base_path == kept


@pytest.mark.parametrize("given", ["/a//b", "/a b", "/../x", "/ä", "https://x", "/a?b"])
def test_what_is_no_plain_path_ends_the_start(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_MONITOR_BASE_PATH", given)
    with pytest.raises(SystemExit, match=r"GPU_MONITOR_BASE_PATH=.* is invalid: must be a path .* such as /gpus"):
        load_config(())


@pytest.mark.parametrize("given", ["proxy.example.com", "10.0.0.7/24", "10.0.0.0/33"])
def test_what_is_no_proxys_address_ends_the_start(given: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_MONITOR_TRUSTED_PROXIES", f"127.0.0.1,{given}")
    with pytest.raises(SystemExit, match=r"GPU_MONITOR_TRUSTED_PROXIES=.* is invalid: must be addresses and networks"):
        load_config(())


def test_the_static_folder_may_lie_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_MONITOR_STATIC_DIR", str(tmp_path / "static"))
    assert load_config(()).static_dir == tmp_path / "static"
