"""The address guard, which allows only public addresses: webhooks and Apprise, against real servers on this host."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from monitor.models import Delivery
from monitor.notifications.address_guard import FORBIDDEN, is_public
from monitor.notifications.senders import Sending, run_child
from monitor.notifications.sending_child import ServiceOrder, WebhookOrder
from tests.support.outbox_rows import NOON, SECRET, a_channel, a_rule, fire
from tests.support.receivers import Receiver
from tests.support.servers import ROOT

PRIVATE = [
    "127.0.0.1", "127.8.8.8", "0.0.0.0", "10.0.0.7", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "224.0.0.1",
    "255.255.255.255", "192.0.2.1", "::1", "::", "fe80::1", "fe80::1%eth0", "fd00::1", "ff02::1", "2001:db8::1",
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2002:a00:1::1",
    "::127.0.0.1", "64:ff9b:1::7f00:1", "fec0::1", "4000::1",
    "", "localhost", "example.com", "1.1.1", "0x7f000001",
]  # fmt: skip
PUBLIC = ["1.1.1.1", "8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]


def guarded_post(receiver: Receiver, *resolved: str, public: str = "127.0.0.1", **variables: str) -> str:
    """The error of a webhook to a name that resolves to these addresses; empty on success."""
    url = receiver.url.replace("127.0.0.1", "no-such-name.invalid")
    done = subprocess.run(
        [sys.executable, "-m", "tests.notifications.guarded_post", url, public, *resolved],
        cwd=ROOT,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


@pytest.mark.parametrize("address", PRIVATE)
def test_address_of_this_host_or_network_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.slow
@pytest.mark.parametrize(
    "host", ["localhost", "127.0.0.1", "[::1]", "2130706433", "0x7f.1", "127.1", "017700000001", "[::ffff:127.0.0.1]"]
)
def test_webhook_cannot_reach_this_host_in_any_spelling(receiver: Receiver, host: str) -> None:
    url = receiver.url.replace("127.0.0.1", host)
    order = WebhookOrder(url=url, headers={}, body=b"{}", limit_seconds=20, forbids_private=True)
    assert run_child(order).error == FORBIDDEN
    assert receiver.requests == []


@pytest.mark.slow
def test_name_that_resolves_to_this_host_is_refused(receiver: Receiver) -> None:
    """The check is made on connecting, so a name cannot resolve to one address for the check and another afterwards."""
    assert guarded_post(receiver, "127.0.0.1", public="8.8.8.8") == FORBIDDEN
    assert receiver.requests == []


@pytest.mark.slow
def test_webhook_connects_only_to_the_public_address_of_a_name(receiver: Receiver) -> None:
    """The Host header is still the name."""
    assert guarded_post(receiver, "127.0.0.2", "127.0.0.1") == ""
    port = receiver.hostport.partition(":")[2]
    assert [request.headers["host"] for request in receiver.requests] == [f"no-such-name.invalid:{port}"]


@pytest.mark.slow
def test_checked_webhook_ignores_proxies(receiver: Receiver) -> None:
    assert guarded_post(receiver, "127.0.0.1", http_proxy="http://127.0.0.1:9", no_proxy="", NO_PROXY="") == ""
    assert len(receiver.requests) == 1


@pytest.mark.slow
def test_redirect_to_this_host_is_not_followed(receiver: Receiver) -> None:
    receiver.answer = lambda _number: 307
    assert "Redirects are not followed" in guarded_post(receiver, "127.0.0.1")
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
def test_apprise_services_cannot_reach_this_host(receiver: Receiver, url: str) -> None:
    order = ServiceOrder(url=url.format(receiver.hostport), title="t", text="x", limit_seconds=20, forbids_private=True)
    assert run_child(order).error == FORBIDDEN
    assert receiver.requests == []


@pytest.mark.slow
@pytest.mark.django_db
@pytest.mark.parametrize("scheme", ["http", "json"])
def test_delivery_obeys_the_setting(receiver: Receiver, scheme: str) -> None:
    a_channel(f"{scheme}://{receiver.hostport}/S3CRETPATH", signing_secret=SECRET if scheme == "http" else "")
    fire(a_rule())
    delivery = Delivery.objects.get()
    assert Sending(forbids_private=True).send(delivery, now=NOON) == FORBIDDEN
    assert receiver.requests == []
    assert Sending().send(delivery, now=NOON) is None
