"""Users of each group, tokens of each kind and a read-only link, and their logins."""

from __future__ import annotations

import json
import re
from typing import NamedTuple

import requests

from tests.support.servers import Server, password_hash

PASSWORD = "correct horse battery"
MAKE = """
import json
from datetime import timedelta
from django.contrib.auth.models import Group, User
from django.utils import timezone
from monitor.access import tokens, view_links
from monitor.models import AlertEvent, Channel, FleetHost, ViewLink
User.objects.filter(username__in=("viewer", "operator", "manager", "administrator")).delete()
people = {}
for name, group, is_staff in (("viewer", "viewers", False), ("operator", "operators", True), ("manager", "administrators", True)):
    people[name] = User.objects.create(username=name, password=PASSWORD_HASH, is_staff=is_staff)
    people[name].groups.add(Group.objects.get(name=group))
User.objects.create(username="administrator", password=PASSWORD_HASH, is_staff=True, is_superuser=True)
now = timezone.now()
given = {name: tokens.make(owner=people["operator"], name=name, scopes=scopes, expires_at=ends) for name, scopes, ends in (
    ("commands", ["read", "commands"], None),
    ("revoked", list(tokens.SCOPES), None), ("expired", list(tokens.SCOPES), now - timedelta(seconds=1)),
    ("read", ["read"], None), ("acknowledge", ["acknowledge"], now + timedelta(days=1)), ("metrics", ["metrics"], None),
)}
given["commands_of_manager"] = tokens.make(owner=people["manager"], name="commands", scopes=["read", "commands"])
given["revoked"].token.revoked_at = now
given["revoked"].token.save()
ViewLink.objects.all().delete()
gone, wall = [view_links.make(name=n, created_by=people["manager"], expires_at=now + timedelta(days=1)) for n in ("gone", "wall")]
gone.revoked_at = now
gone.save()
FleetHost.objects.get_or_create(host_id="cd" * 16, name="node")
Channel.objects.get_or_create(name="c", url="json://127.0.0.1:9")
event = AlertEvent.objects.create(rule_name="r", severity="info", state="resolved", host="h", summary="s", detail="ana runs it",
    note="mira looks at it", started_at=now, fired_at=now, resolved_at=now, acknowledged_at=now, acknowledged_by=people["operator"])
print(json.dumps({"tokens": {name: made.secret for name, made in given.items()}, "event": str(event.pk),
    "link": view_links.path_of(wall)}))
"""


class Made(NamedTuple):
    """The rows in the server's database."""

    tokens: dict[str, str]
    event: str
    """The id of a resolved alert."""
    link: str
    """The path of a read-only link of `manager`, with a slash at the end."""


def make_people(server: Server) -> Made:
    """Create a user of each group, a superuser, tokens of each kind and an alert; they replace those of an earlier call."""
    code = f"PASSWORD_HASH = {password_hash(PASSWORD)!r}\n{MAKE}"
    return Made(**json.loads(server.manage("shell", "-v", "0", "-c", code).splitlines()[-1]))


def cookie(browser: requests.Session, kind: str) -> tuple[str, str]:
    """Name and value of this cookie, `session` or `csrf`; both are empty without one. Each installation has names of its own."""
    found = [each for each in browser.cookies if each.name.startswith(f"gpumon_{kind}_")]
    return (found[0].name, found[0].value or "") if found else ("", "")


def csrf_cookie_name(server: Server) -> str:
    """The name of this server's cookie against forged forms."""
    browser = requests.Session()
    browser.get(f"{server.url}/login", timeout=40)
    return cookie(browser, "csrf")[0]


def log_in(server: Server, name: str, password: str = PASSWORD) -> requests.Session:
    """A browser session of this user."""
    browser = requests.Session()
    answer = submit(browser, f"{server.url}/login", username=name, password=password)
    assert answer.status_code == 302, answer.text
    return browser


def submit(browser: requests.Session, url: str, **given: str) -> requests.Response:
    """Submit the form of a page."""
    page = browser.get(url, timeout=40)
    token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
    assert token is not None, page.text
    return browser.post(url, {"csrfmiddlewaretoken": token[1], **given}, allow_redirects=False, timeout=40)
