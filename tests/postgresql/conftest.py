"""One PostgreSQL server for all tests of a process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import DjangoDbBlocker

from tests.postgresql.cluster import Cluster, running_cluster


@pytest.fixture(scope="session")
def shared_cluster() -> Iterator[Cluster]:
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster: Cluster, django_db_blocker: DjangoDbBlocker) -> Iterator[Cluster]:
    """Whatever the test does to it, it runs again afterwards. Connections are the test's own, so Django need not guard them."""
    with django_db_blocker.unblock():
        yield shared_cluster
    shared_cluster.revive()
