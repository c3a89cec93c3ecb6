"""Collected static files. Pages name these files by hash, so tests that render pages need them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from django.contrib.staticfiles.storage import staticfiles_storage
from django.test import override_settings
from servestatic.middleware import ServeStaticMiddleware

from monitor.http.static_files import collect_if_outdated


@pytest.fixture(scope="session")
def static_root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("site") / "static"
    with override_settings(STATIC_ROOT=root):
        assert collect_if_outdated()
        yield root


@pytest.fixture(scope="session", autouse=True)
def files_found_once() -> Iterator[None]:
    """Find the static files once, and not again for each test client, which is a third of the time of a test of a page."""
    find = ServeStaticMiddleware.add_files_from_manifest
    found: dict[Path, tuple[dict[str, object], list[object]]] = {}

    def add(middleware: ServeStaticMiddleware) -> None:
        place = Path(staticfiles_storage.location)
        if place not in found:
            find(middleware)
            found[place] = middleware.files, middleware.directories
        middleware.files, middleware.directories = dict(found[place][0]), list(found[place][1])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ServeStaticMiddleware, "add_files_from_manifest", add)
        yield
