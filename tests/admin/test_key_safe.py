"""Keys and numbers in requests that no row can have: never an error 500, in every list, form and action of the admin."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client

from monitor.models import AlertRule
from tests.support.outbox_rows import a_channel, a_rule, fire

pytestmark = [pytest.mark.slow, pytest.mark.django_db, pytest.mark.usefixtures("static_root")]

LISTS = [f"/admin/{model._meta.app_label}/{model._meta.model_name}/" for model in admin.site._registry]  # noqa: SLF001
KEYS = ["x", "", "-1", "1.5", "9" * 40, "\0", "０x", "1,2", "'"]
FILTERS = [
    "id__in",
    "id__exact",
    "rule",
    "rule__id__exact",
    "fired_at__year",
    "fired_at__day",
    "p",
    "o",
    "user",
    "_to_field",
]


@pytest.fixture
def rows(root: Client) -> Client:
    a_channel()
    fire(a_rule(), 3)
    return root


def share(address: str, turn: int, keys: Sequence[str]) -> Sequence[str]:
    """A third of the keys, another one at each turn and list: together, the lists get every key."""
    return keys[(LISTS.index(address) + turn) % 3 :: 3]


@pytest.mark.parametrize("address", LISTS)
def test_filters_with_impossible_values_are_ignored_or_refused(rows: Client, address: str) -> None:
    redirects = set()
    for turn, name in enumerate(FILTERS):
        for key in share(address, turn, KEYS):
            answer = rows.get(address, {name: key})
            assert answer.status_code < 500, (name, key)
            if answer.status_code == 302:
                redirects.add(answer.headers["Location"])
    for target in redirects:
        assert rows.get(target, follow=True).status_code < 500, target


@pytest.mark.parametrize("address", LISTS)
@pytest.mark.parametrize("page", ["", "add/", "1/change/", "1/delete/", "1/history/"])
def test_garbage_in_preserved_filters_is_no_error(rows: Client, address: str, page: str) -> None:
    for key in share(address, len(page), (*KEYS, "http://[", "//[x", "a=b&c", "%ff")):
        assert rows.get(address + page, {"_changelist_filters": key}).status_code < 500, key
    assert rows.head(address + page, {"_changelist_filters": "http://["}).status_code < 500


@pytest.mark.parametrize(
    ("address", "field"),
    [
        ("/admin/monitor/alertrule/add/", "gpus"),
        ("/admin/monitor/alertrule/add/", "channels"),
        ("/admin/auth/group/add/", "permissions"),
        ("/admin/auth/user/{}/change/", "groups"),
        ("/admin/auth/user/{}/change/", "user_permissions"),
    ],
)
def test_impossible_keys_are_errors_of_forms(rows: Client, address: str, field: str) -> None:
    before = AlertRule.objects.count()
    for key in KEYS:
        answer = rows.post(address.format(User.objects.get().pk), {"name": "new", "username": "root", field: key})
        assert answer.status_code < 500, key
    assert AlertRule.objects.count() == before
