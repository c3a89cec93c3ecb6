"""A history of the test's own, in a file, as the server has it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
from django.conf import settings
from django.db import connections
from pytest_django import DjangoDbBlocker

from monitor.models import HistoryChunk, HistoryGap, HistorySource
from tests.support.prepared_folder import prepared_folder


@contextmanager
def _using(path: Path, blocker: DjangoDbBlocker) -> Iterator[None]:
    own = connections[settings.HISTORY_DATABASE]
    own.close()
    # Without the tests' own write-ahead log, which would be set before what a new file needs.
    options = {**own.settings_dict["OPTIONS"], "init_command": "PRAGMA synchronous=OFF;"}
    with mock.patch.dict(own.settings_dict, NAME=path, OPTIONS=options), blocker.unblock():
        yield
        own.close()


@pytest.fixture
def file(tmp_path: Path, django_db_blocker: DjangoDbBlocker) -> Iterator[Path]:
    """Where the history will be, in a data folder that already has a main database."""
    (tmp_path / "initialized").touch()
    path = tmp_path / "history.sqlite3"
    with _using(path, django_db_blocker):
        yield path


@pytest.fixture
def history(request: pytest.FixtureRequest, django_db_blocker: DjangoDbBlocker) -> Iterator[Path | None]:
    """An empty history with its tables. None if it is in PostgreSQL (tests/postgresql)."""
    if connections[settings.HISTORY_DATABASE].vendor == "sqlite":
        file: Path = request.getfixturevalue("file")
        shutil.copy(prepared_folder() / file.name, file)
        yield file
        return
    request.getfixturevalue("django_db_setup")
    with django_db_blocker.unblock():
        yield None
        for model in (HistoryChunk, HistoryGap, HistorySource):
            model.objects.all().delete()
        connections[settings.HISTORY_DATABASE].close()
