"""Every address with damaged parameters, and every form with damaged fields: answered, below 500 and in proportion."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.db import transaction

from monitor.runtime.runtime import Runtime
from tests.fuzz.campaign import CORPUS, Extent, Target, campaign
from tests.fuzz.mutations import OF_BYTES
from tests.fuzz.site import MIB, Visitor, change_pairs, furnish, lines_of
from tests.support.runtimes import current_runtime
from tests.support.site_addresses import addresses
from tests.web.hosts.joined import HUB

pytestmark = [
    pytest.mark.slow,
    pytest.mark.django_db(databases="__all__", transaction=True),
    pytest.mark.usefixtures("static_root"),
    # Django's admin takes times without a zone in its filters, and warns of each.
    pytest.mark.filterwarnings("ignore:DateTimeField .* received a naive datetime:RuntimeWarning"),
]


@pytest.fixture
def runtime() -> Iterator[Runtime]:
    with current_runtime(host_id=HUB) as runtime:
        yield runtime


def address_in(data: bytes) -> tuple[str, str]:
    """Path and query. The path has what a URL can have; the query any bytes."""
    path, _, query = data.partition(b"?")
    return path.decode("ascii", "replace").replace("\ufffd", "%ff"), query.decode("latin-1")


def test_fuzz_queries(runtime: Runtime, extent: Extent) -> None:
    visitor = Visitor(furnish(runtime))
    known = lines_of((CORPUS / "queries" / "pages.txt").read_text()) | lines_of(
        "\n".join({each.path for each in addresses()})
    )

    def ask(data: bytes) -> None:
        visitor.ask("GET", *address_in(data))

    campaign(
        Target(
            "queries",
            ask,
            (*OF_BYTES, *[change_pairs] * 24),
            mutation_count=150,
            most_calls=lambda data: 2_000_000,
            most_bytes=lambda data: 64 * MIB,
        ),
        known,
        extent,
    )


def test_fuzz_forms(runtime: Runtime, extent: Extent) -> None:
    """Each is sent on its own: what it saved is rolled back."""
    visitor = Visitor(furnish(runtime))

    def send(data: bytes) -> None:
        path, _, body = data.partition(b"?")
        with transaction.atomic(), transaction.atomic(using="history"):
            visitor.ask("POST", address_in(path)[0], "", body)
            transaction.set_rollback(True)
            transaction.set_rollback(True, using="history")

    campaign(
        Target(
            "forms",
            send,
            (*OF_BYTES, *[change_pairs] * 24),
            mutation_count=100,
            most_calls=lambda data: 2_000_000,
            most_bytes=lambda data: 64 * MIB,
        ),
        lines_of((CORPUS / "forms" / "forms.txt").read_text()),
        extent,
    )
