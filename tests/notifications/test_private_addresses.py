"""Messages that may go to public addresses alone: by webhook and by Apprise, against real servers on this machine."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from monitor.models import Delivery
from monitor.notifications.apprise_child import Order
from monitor.notifications.private_addresses import FORBIDDEN, Forbidden, is_public, public_addresses
from monitor.notifications.senders import Sending, ask_apprise
from monitor.notifications.webhook_client import post
from tests.support.outbox_rows import NOON, SECRET, a_channel, a_rule, fire
from tests.support.receivers import Receiver


def send(url: str, lookup: Any) -> str | None:
    return post(url, b"{}", secret=SECRET, message_id="m-1", now=NOON, whole_seconds=5.0, lookup=lookup)


PRIVATE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.7", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1",
    "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::1",
    "::127.0.0.1", "64:ff9b:1::7f00:1", "fec0::1", "4000::1",
    "", "localhost", "example.com", "1.1.1", "0x7f000001",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_an_address_of_this_machine_or_network_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]", "2130706433", "0x7f.1", "127.1", "017700000001"])
def test_however_this_machine_is_written_it_is_refused(host: str) -> None:
    with pytest.raises(Forbidden):
        public_addresses(host, 80)


def test_one_private_address_among_public_ones_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 80)) for each in ("8.8.8.8", "10.0.0.1")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_given, **_named: found)
    with pytest.raises(Forbidden):
        public_addresses("two.example", 80)


def test_a_webhook_reaches_nothing_on_this_machine(receiver: Receiver) -> None:
    assert send(receiver.url, public_addresses) == FORBIDDEN
    assert send(receiver.url.replace("127.0.0.1", "localhost"), public_addresses) == FORBIDDEN
    assert receiver.requests == []


def test_the_address_that_was_judged_is_the_one_connected_to(receiver: Receiver) -> None:
    """A name of which another lookup would say something else: nobody asks again. The Host header is still the name."""
    asked = []

    def lookup(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["127.0.0.1"]

    url = receiver.url.replace("127.0.0.1", "no-such-name.invalid")
    assert send(url, lookup) is None
    port = int(receiver.hostport.partition(":")[2])
    assert asked == [("no-such-name.invalid", port)]
    assert receiver.requests[0].headers["host"] == f"no-such-name.invalid:{port}"


def test_an_address_that_does_not_answer_is_followed_by_the_next(receiver: Receiver) -> None:
    assert send(receiver.url, lambda _host, _port: ["127.0.0.2", "127.0.0.1"]) is None
    assert len(receiver.requests) == 1


def test_no_proxy_is_asked_where_addresses_are_judged(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    assert send(receiver.url, lambda _host, _port: ["127.0.0.1"]) is None


def test_a_redirect_to_this_machine_is_not_followed(receiver: Receiver) -> None:
    receiver.answer = lambda _number: 307
    error = send(receiver.url, lambda _host, _port: ["127.0.0.1"])
    assert error is not None
    assert "redirects are not followed" in error
    assert len(receiver.requests) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "url",
    [
        "json://{}/hook",
        "xml://{}",
        "ntfy://{}/topic",
        "gotify://{}/token",
        "mailto://u:p@{}?from=c@b.example&to=a@b.example",
    ],
)
def test_no_service_of_apprise_reaches_this_machine(receiver: Receiver, url: str) -> None:
    order = Order(url=url.format(receiver.hostport), title="t", text="x", limit_seconds=20, forbids_private=True)
    assert ask_apprise(order).error == FORBIDDEN
    assert receiver.requests == []


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("scheme", ["http", "json"])
def test_a_delivery_obeys_the_setting(receiver: Receiver, scheme: str) -> None:
    a_channel(f"{scheme}://{receiver.hostport}/S3CRETPATH", signing_secret=SECRET if scheme == "http" else "")
    fire(a_rule())
    delivery = Delivery.objects.get()
    assert Sending(forbids_private=True).send(delivery, now=NOON) == FORBIDDEN
    assert receiver.requests == []
    assert Sending().send(delivery, now=NOON) is None
