"""Applies to every test: the fakes, the database, and the rule that a skipped test counts as failed in CI."""

from __future__ import annotations

import contextlib
import gc
import os
import shutil
import sqlite3
from collections.abc import Generator, Iterator
from pathlib import Path

import hypothesis
import pytest
from django.apps import apps
from django.contrib.auth.management import create_permissions
from django.contrib.contenttypes.management import create_contenttypes
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection, connections
from django.db.models.signals import post_migrate
from django.test import TransactionTestCase, override_settings
from pytest_django import DjangoDbBlocker
from pytest_django.plugin import blocking_manager_key

from tests.support.prepared_folder import prepared_folder, shared_folder
from tests.support.programs import missing_programs

# On a busy machine, Hypothesis' default limit of 200 ms per example fails correct tests.
hypothesis.settings.register_profile(
    "gpumon", hypothesis.settings(), deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("gpumon")

# Before the first import: pytest explains the asserts of test modules only.
pytest.register_assert_rewrite("tests.support.hostile")

# Collecting makes a million objects that all stay: looking through them for garbage takes a third of the time.
gc.disable()

pytest_plugins = ["tests.fakes.fake_driver", "tests.support.bare_host", "tests.support.static_root"]

OUTSIDE_THE_CHECKOUT = "../shared/data"
"""Recordings of real machines, next to the checkout and not part of it. Tests that need them name the folder as the reason for
skipping; no other reason is accepted in CI. A fresh clone has no such folder."""


def pytest_configure(config: pytest.Config) -> None:
    """Before the test processes start: they inherit the name of the folder that they share."""
    shared_folder()


def pytest_report_header() -> str | None:
    """Say at the start, and not in a hundred skips, what is not installed."""
    return missing_programs()


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """With SQLite, the test databases are there before Django looks: see the next fixture."""
    return connection.vendor == "sqlite"


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the test databases in files, as in production: in memory, threads and locks behave differently. They are copies of
    those that a start has migrated, because each test process would take seconds to do that.
    """
    folder = tmp_path_factory.mktemp("database")
    for alias in ALIASES:
        if connections[alias].vendor != "sqlite":  # tests/postgresql
            continue
        given = connections[alias].settings_dict
        given["TEST"]["NAME"] = str(shutil.copy(migrated(alias), folder / f"{alias}.sqlite3"))
        given["OPTIONS"]["init_command"] = "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"


def migrated(alias: str) -> Path:
    """The database as the migrations make it, with their rows: groups, rules, permissions."""
    return prepared_folder() / {"default": "gpumon.sqlite3", "history": "history.sqlite3"}[alias]


ALIASES = frozenset(connections)
TransactionTestCase.databases = ALIASES
"""Each test with a database may use all of them: code finds its own through the router."""


def pytest_itemcollected(item: pytest.Item) -> None:
    """Tests that try many examples take long, together a quarter of the time of the others."""
    if getattr(getattr(item, "obj", None), "is_hypothesis_test", False):
        item.add_marker(pytest.mark.slow)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Name the databases of each test, and put the files of slow tests first.

    Without a marker that names them, pytest-django makes a test database for the default alias only, and a test would use the real
    file of the other one. With the slow files last, one process would still be busy when the others have nothing left to do.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    for item in items:
        marker = item.get_closest_marker("django_db")
        fixtures = set(getattr(item, "fixturenames", ()))
        if marker is None and not fixtures & {"db", "transactional_db", "live_server"}:
            continue
        given = {} if marker is None else marker.kwargs
        is_transactional = bool(fixtures & {"transactional_db", "live_server"})
        options = {"transaction": is_transactional, "databases": sorted(ALIASES), **given}
        item.add_marker(pytest.mark.django_db(**options), append=False)


def pytest_collection_finish() -> None:
    """Collect garbage from here on, of what is made from here on."""
    gc.freeze()
    gc.enable()


MADE_BY_MIGRATIONS = pytest.StashKey[str]()
"""The rows of PostgreSQL's test database before the first test."""


@pytest.fixture(scope="session")
def django_db_setup(
    django_db_setup: None, django_db_blocker: DjangoDbBlocker, pytestconfig: pytest.Config
) -> Iterator[None]:
    """After pytest-django's own fixture: save the rows made by the migrations, and hash passwords with a fast algorithm.

    Django's default takes half a second per password. Servers started by tests still use it.
    """
    with django_db_blocker.unblock():
        if connection.vendor != "sqlite":
            pytestconfig.stash[MADE_BY_MIGRATIONS] = connection.creation.serialize_db_to_string()
    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"]):
        yield
    with django_db_blocker.unblock():
        connections.close_all()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """Restore the rows made by the migrations: Django empties the databases after a test with transactions.

    Django therefore runs such tests last; but when files are distributed among processes, any other test can follow.
    """
    marker = item.get_closest_marker("django_db")
    if marker is None or not marker.kwargs.get("transaction"):
        yield
        return
    # What Django creates after emptying a database takes a tenth of a second, and is restored below.
    post_migrate.disconnect(create_contenttypes)
    post_migrate.disconnect(dispatch_uid=PERMISSIONS)
    try:
        yield
    finally:
        post_migrate.connect(create_contenttypes)
        post_migrate.connect(create_permissions, dispatch_uid=PERMISSIONS)
    if nextitem is None:
        return
    with item.config.stash[blocking_manager_key].unblock():
        if connection.vendor == "sqlite":
            restore_copies()
        else:
            restore_rows(item.config.stash[MADE_BY_MIGRATIONS])


PERMISSIONS = "django.contrib.auth.management.create_permissions"


def restore_copies() -> None:
    """Copy the migrated databases over those of the tests, page by page: that takes milliseconds."""
    for alias in ALIASES:
        connections[alias].ensure_connection()
        with contextlib.closing(sqlite3.connect(f"file:{migrated(alias)}?immutable=1", uri=True)) as source:
            source.backup(connections[alias].connection)


def restore_rows(made_by_migrations: str) -> None:
    # Permissions that Django creates after emptying would collide with the restored ones, which have their first ids.
    call_command("flush", verbosity=0, interactive=False, inhibit_post_migrate=True)
    connection.creation.deserialize_db_from_string(made_by_migrations)
    # The next row would get the first ID again.
    reset = connection.ops.sequence_reset_sql(no_style(), apps.get_models())
    with connection.cursor() as cursor:
        for statement in reset:
            cursor.execute(statement)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if not os.environ.get("CI") or not report.skipped or hasattr(report, "wasxfail"):
        return report
    reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
    if OUTSIDE_THE_CHECKOUT not in reason:
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which counts as failed in CI. {reason}"
    return report
