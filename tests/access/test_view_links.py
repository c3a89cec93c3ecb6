"""Read-only links: their signed paths, the limit of wrong ones, and when they end."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.urls import reverse

from monitor.access import view_links
from monitor.access.identity import by_link, ended
from monitor.access.last_use import last_use
from monitor.access.link_paths import WRONG_PER_ADDRESS, LinkPaths, link_of
from monitor.http.asgi_types import Message
from monitor.models import ViewLink

NOW = datetime(2030, 1, 1, tzinfo=UTC)


def link(**given: Any) -> ViewLink:
    return ViewLink(name="wall", key="k" * 22, expires_at=NOW + timedelta(days=1), **given)


class Asked:
    """Requests to the middleware, and what the application below it saw: its prefix, the link's key, and an address it makes."""

    def __init__(self, clock: Any = lambda: 0.0) -> None:
        self.seen: list[tuple[str, str | None, str]] = []
        self.sent: list[Message] = []
        self._paths = LinkPaths(self._app, clock)

    async def _app(self, scope: Any, _receive: Any, _send: Any) -> None:
        found = link_of(scope)
        self.seen.append((scope["root_path"], found and found.key, reverse("history")))

    def ask(self, path: str, *, base: str = "", address: str = "10.0.0.7", kind: str = "http") -> None:
        async def receive() -> Message:
            return {"type": "websocket.connect"}

        async def send(message: Message) -> None:
            self.sent.append(message)

        scope = {"type": kind, "path": base + path, "root_path": base, "client": (address, 1), "extensions": {}}
        asyncio.run(self._paths(scope, receive, send))


@pytest.mark.parametrize("base", ["", "/gpus"])
@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_site_is_below_the_path_of_the_link(base: str, kind: str) -> None:
    path = view_links.path_of(link())
    asked = Asked()
    for below in (path, f"{path}gpu/x", path.rstrip("/")):
        asked.ask(below, base=base, kind=kind)
    root = f"{base}{path.rstrip('/')}"
    # Addresses in messages are shared by all links, so none may contain this one.
    assert asked.seen == [(root, "k" * 22, f"{base}/view/any/history")] * 3


def test_changed_path_is_no_link() -> None:
    path = view_links.path_of(link())
    asked = Asked()
    changed = [
        path.replace("k", "j", 1),
        path[:-2],
        path.replace(".", ""),
        "/view/",
        "/view/any/",
        f"/x{path}",
        "/view/" + "k" * 5000,
    ]
    for each in changed:
        asked.ask(each, address="127.0.0.1")
    assert [(root, key) for root, key, _ in asked.seen] == [("", None)] * len(changed)


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_guesses_have_to_wait_and_the_right_link_does_not(kind: str) -> None:
    now = 0.0
    asked = Asked(lambda: now)
    for _ in range(WRONG_PER_ADDRESS + 5):
        asked.ask("/view/guess.x/", kind=kind)
    assert len(asked.seen) == WRONG_PER_ADDRESS
    status = {"http": {"type": "http.response.start", "status": 429}, "websocket": {"type": "websocket.close"}}[kind]
    assert {name: asked.sent[0][name] for name in status} == status
    asked.ask(view_links.path_of(link()), kind=kind)
    asked.ask("/view/guess.x/", kind=kind, address="10.0.0.8")
    asked.ask("/", kind=kind)
    assert len(asked.seen) == WRONG_PER_ADDRESS + 3
    now = 60.0
    asked.ask("/view/guess.x/", kind=kind)
    assert len(asked.seen) == WRONG_PER_ADDRESS + 4


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"revoked_at": NOW}, "The link has been revoked."),
        ({"expires_at": NOW}, "The link has expired."),
        ({"created_by": "disabled"}, "The account of the link's creator is disabled."),
        (None, "The link no longer exists."),
    ],
)
def test_ended_link_is_refused_and_ends_its_sockets(change: dict[str, Any] | None, reason: str) -> None:
    mira = User.objects.create_user("mira")
    made = view_links.make(name="wall", created_by=mira, expires_at=NOW + timedelta(days=1))
    identity = by_link(made.key, NOW)
    assert not isinstance(identity, str)
    assert ended([identity], NOW) == {}
    if change is None:
        made.delete()
    elif "created_by" in change:
        User.objects.update(is_active=False)
    else:
        ViewLink.objects.update(**change)
    assert by_link(made.key, NOW) == reason
    assert ended([identity], NOW) == {identity: reason}


@pytest.mark.django_db(transaction=True)
def test_open_socket_counts_as_use() -> None:
    made = view_links.make(name="wall", created_by=None, expires_at=NOW + timedelta(days=1))
    identity = by_link(made.key, NOW)
    assert not isinstance(identity, str)
    later = NOW + timedelta(hours=9)
    ended([identity], later)
    assert last_use().write_pending()
    assert ViewLink.objects.get().last_used_at == later
