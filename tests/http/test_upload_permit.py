"""Who is shown the form that takes recordings, and so may send a large body to it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

from monitor.http.upload_permit import COOKIE, has_permit
from monitor.models import AlertRule

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_root")]
RULES = "/admin/monitor/alertrule/"


def member_of(group: str) -> Client:
    user = User.objects.create_user(group, is_staff=True)
    user.groups.add(Group.objects.get(name=group))
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("page", ["add/", "change/"])
def test_whoever_may_try_a_rule_may_send_a_recording(page: str) -> None:
    administrator = member_of("administrators")
    path = RULES + page if page == "add/" else f"{RULES}{AlertRule.objects.values_list('pk', flat=True)[0]}/{page}"
    cookie = administrator.get(path).cookies[COOKIE]
    assert has_permit(f"{COOKIE}={cookie.value}")
    assert cookie["path"] == f"{RULES}preview/"


def test_whoever_may_only_look_at_a_rule_may_not() -> None:
    operator = member_of("operators")
    assert operator.get(f"{RULES}{AlertRule.objects.values_list('pk', flat=True)[0]}/change/").status_code == 200
    assert operator.get(f"{RULES}add/").status_code == 403
    assert COOKIE not in operator.cookies


def test_other_pages_of_the_rules_give_none_along() -> None:
    administrator = member_of("administrators")
    assert administrator.get(RULES).status_code == 200
    assert COOKIE not in administrator.cookies
