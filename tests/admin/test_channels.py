"""Channels and deliveries in the admin: URL validation, permissions, the test message, retries."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client

from monitor.models import Channel, Delivery
from monitor.notifications.webhook_signature import key_of
from tests.support.clients import holder_of
from tests.support.outbox_rows import NOON, SECRET, a_channel, a_rule, fire
from tests.support.receivers import Receiver

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_root"), pytest.mark.slow]

LIST, ADD = "/admin/monitor/channel/", "/admin/monitor/channel/add/"
DELIVERIES = "/admin/monitor/delivery/"
DISCORD = "https://discord.com/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    yield server
    server.close()


def change(channel: Channel) -> str:
    return f"{LIST}{channel.pk}/change/"


def form(url: str, **values: str) -> dict[str, str]:
    filled = {"name": "ops", "url": url, "minimum_severity": "info", "messages_per_hour": "60", "is_enabled": "on"}
    return {**filled, **values}


def complaints(client: Client, data: dict[str, str]) -> str:
    answer = client.post(ADD, data)
    assert answer.status_code == 200, "it was saved"
    return " ".join(re.findall(r'<ul class="errorlist"[^>]*>(.*?)</ul>', answer.content.decode(), re.DOTALL))


def test_http_url_becomes_a_webhook_with_a_secret(root: Client) -> None:
    assert root.post(ADD, form(" https://example.com/hook ")).status_code == 302
    channel = Channel.objects.get()
    assert channel.url == "https://example.com/hook"
    assert len(key_of(channel.signing_secret)) == 32


@pytest.mark.parametrize(
    ("url", "recognized"),
    [(DISCORD, "Discord"), ("https://example.com/hook", "Signed webhook"), ("json://x.org/", "JSON")],
)
def test_what_was_recognized_is_shown_after_saving_and_in_the_list(root: Client, url: str, recognized: str) -> None:
    assert f"Recognized as: {recognized}." in root.post(ADD, form(url), follow=True).content.decode()
    assert f'<td class="field-type">{recognized}</td>' in root.get(LIST).content.decode()


@pytest.mark.parametrize(
    ("values", "shown"), [({}, "Signed webhook"), ({"url": "ntfys://topic", "signing_secret": ""}, "ntfys")]
)
def test_channel_of_an_earlier_version_has_a_type_too(root: Client, values: dict[str, str], shown: str) -> None:
    a_channel(**values)
    assert f'<td class="field-type">{shown}</td>' in root.get(LIST).content.decode()


def test_only_a_superuser_lets_a_channel_reach_private_addresses(root: Client, receiver: Receiver) -> None:
    """Else an administrator could make the server ask the host's own services or a cloud's metadata service."""
    administrator = holder_of("add_channel", "change_channel", "view_channel")
    page = administrator.post(ADD, form(receiver.url), follow=True).content.decode()
    assert "It reaches public addresses only" in page
    channel = Channel.objects.get()
    test = f"{LIST}{channel.pk}/test/"
    assert "The address is not public" in administrator.post(test, follow=True).content.decode()
    root.post(change(channel), form(receiver.url))
    assert "Test message sent." in administrator.post(test, follow=True).content.decode()
    administrator.post(change(channel), form(receiver.url, name="renamed"))
    assert "Test message sent." in administrator.post(test, follow=True).content.decode()
    administrator.post(change(channel), form(receiver.url.replace("hook", "other"), name="renamed"))
    assert "The address is not public" in administrator.post(test, follow=True).content.decode()
    assert len(receiver.requests) == 2


def test_entered_secret_is_kept(root: Client) -> None:
    root.post(ADD, form("https://example.com/hook", signing_secret=SECRET))
    assert Channel.objects.get().signing_secret == SECRET


@pytest.mark.parametrize("url", [DISCORD, "ntfys://my-topic", "json://example.com/x"])
def test_service_url_needs_no_secret(root: Client, url: str) -> None:
    assert root.post(ADD, form(url, signing_secret=SECRET)).status_code == 302
    assert Channel.objects.get().signing_secret == ""


def test_webhook_changed_to_a_service_loses_its_secret(root: Client) -> None:
    channel = a_channel("https://example.com/hook")
    root.post(change(channel), form(DISCORD, signing_secret=SECRET))
    channel.refresh_from_db()
    assert (channel.url, channel.signing_secret) == (DISCORD, "")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"url": "nonsense://x"}, "No service accepts this URL"),
        ({"url": DISCORD.rpartition("/")[0]}, "Discord was recognized. The address is incomplete."),
        ({"url": "discord://4174216298"}, "discord://{webhook_id}/{webhook_token}"),
        ({"url": "fcm://project/DEVICE?keyfile=/etc/passwd"}, "The parameter keyfile= makes the server read a file"),
        ({"url": "ops@example.com"}, "For example mailtos://user:password@smtp.example.com"),
        ({"url": "http://"}, "Not a valid http(s) URL"),
        ({"url": "http://host:99999/"}, "Not a valid http(s) URL"),
        ({"url": "https://example.com/x", "signing_secret": "hunter2"}, "24 to 64 random bytes in base64"),
        ({"url": "https://example.com/x", "messages_per_hour": "0"}, "greater than or equal to 1"),
    ],
)
def test_invalid_channel_is_refused_with_the_reason(root: Client, values: dict[str, str], words: str) -> None:
    assert words in complaints(root, form(**values))
    assert not Channel.objects.exists()


def test_url_is_shown_only_in_its_form(root: Client) -> None:
    root.post(ADD, form("https://hooks.example.com/S3CRET", signing_secret=SECRET))
    channel = Channel.objects.get()
    root.post(change(channel), form("https://hooks.example.com/S3CRET2", signing_secret=SECRET))
    assert "S3CRET2" in root.get(change(channel)).content.decode()
    pages = [LIST, f"{LIST}{channel.pk}/history/", f"{LIST}{channel.pk}/delete/", "/admin/"]
    others = "".join(root.get(page).content.decode() for page in pages)
    assert "https://hooks.example.com/***" in others
    assert "S3CRET" not in others
    assert SECRET not in others
    assert LogEntry.objects.count() == 2
    kept = " ".join(f"{entry.object_repr} {entry.change_message}" for entry in LogEntry.objects.all())
    assert "S3CRET" not in kept


def test_search_does_not_find_channels_by_their_secrets(root: Client) -> None:
    a_channel("https://hooks.example.com/S3CRET", name="ops")
    assert "ops</a>" not in root.get(f"{LIST}?q=S3CRET").content.decode()
    assert "ops</a>" in root.get(f"{LIST}?q=ops").content.decode()


@pytest.mark.parametrize("lookup", ["url__startswith=https", "url=https", f"signing_secret__startswith={SECRET[:8]}"])
def test_list_cannot_be_filtered_by_secrets(lookup: str) -> None:
    """Such a filter would let a user with read-only permission guess a URL piece by piece."""
    a_channel("https://hooks.example.com/S3CRET", name="ops")
    client = holder_of("view_channel")
    assert client.get(f"{LIST}?{lookup}").status_code == 400
    assert "ops" in client.get(f"{LIST}?is_enabled__exact=1").content.decode()


def test_read_only_user_sees_the_masked_url_and_no_secret() -> None:
    channel = a_channel("https://hooks.example.com/S3CRET")
    page = holder_of("view_channel").get(change(channel)).content.decode()
    assert "https://hooks.example.com/***" in page
    assert "S3CRET" not in page
    assert SECRET not in page
    assert "Send a test" not in page


def test_user_without_permission_on_channels_sees_none() -> None:
    channel = a_channel()
    client = holder_of("view_alertrule", "view_delivery")
    assert client.get(LIST).status_code == client.get(change(channel)).status_code == 403
    assert client.post(f"{LIST}{channel.pk}/test/").status_code == 403


def test_test_message_is_sent_at_once_and_its_outcome_shown(root: Client, receiver: Receiver) -> None:
    channel = a_channel(receiver.url, name="ops")
    assert "Send a test" in root.get(change(channel)).content.decode()
    page = root.post(f"{LIST}{channel.pk}/test/", follow=True).content.decode()
    assert "Test message sent." in page
    (got,) = receiver.requests
    assert got.json["type"] == "alert.test"
    assert "http://testserver/" in got.json["data"]["text"]
    channel.refresh_from_db()
    assert channel.last_sent_at is not None


def test_failed_test_message_shows_the_reason_without_secrets(root: Client, receiver: Receiver) -> None:
    receiver.answer = lambda _number: 404
    channel = a_channel(receiver.url)
    answer = root.post(f"{LIST}{channel.pk}/test/", follow=True)
    said = [str(message) for message in answer.context["messages"]]
    assert said == ["Test failed: The server answered 404 Not Found."]
    assert Delivery.objects.get().status == "failed"
    overview = root.get(LIST).content.decode() + root.get(DELIVERIES).content.decode()
    assert "The server answered 404 Not Found." in overview
    assert "S3CRET" not in overview


def test_test_message_needs_a_post_and_the_change_permission(root: Client, receiver: Receiver) -> None:
    channel = a_channel(receiver.url)
    assert root.get(f"{LIST}{channel.pk}/test/").status_code == 405
    assert holder_of("view_channel").post(f"{LIST}{channel.pk}/test/").status_code == 403
    assert root.post(f"{LIST}999/test/").status_code == 302
    assert receiver.requests == []


def test_deliveries_are_read_only(root: Client) -> None:
    a_channel("https://hooks.example.com/S3CRET", name="ops")
    rule = a_rule()
    for gpu in (0, 1):
        fire(rule, gpu)
    delivery = Delivery.objects.get()
    listed = root.get(DELIVERIES).content.decode()
    assert "GPU 0 is lost and 1 more" in listed
    page = root.get(f"{DELIVERIES}{delivery.pk}/change/").content.decode()
    assert str(delivery.message_id) in page
    assert 'name="_save"' not in page
    assert "S3CRET" not in listed + page
    assert root.get(f"{DELIVERIES}add/").status_code == 403


def test_abandoned_delivery_can_be_retried(root: Client) -> None:
    channel = a_channel()
    statuses = ("failed", "waiting", "sent")
    for number, status in enumerate(statuses):
        fire(a_rule(), number)
        Delivery.objects.filter(pk=Delivery.objects.latest("id").pk).update(
            status=status, first_attempt_at=NOON, due_at=NOON + timedelta(days=36500)
        )
    ids = list(Delivery.objects.order_by("id").values_list("pk", flat=True))
    data = {"action": "try_again", "_selected_action": ids}
    answer = root.post(DELIVERIES, data, follow=True)
    assert [str(message) for message in answer.context["messages"]] == [
        "Retrying 2 within a few seconds. Unchanged: 1 (sent, being sent, held, or a test)."
    ]
    assert list(channel.deliveries.order_by("id").values_list("status", flat=True)) == ["waiting", "waiting", "sent"]
    assert Delivery.objects.get(pk=ids[0]).first_attempt_at is None


def test_retry_needs_the_change_permission() -> None:
    a_channel()
    fire(a_rule())
    Delivery.objects.update(status="failed")
    holder_of("view_delivery").post(
        DELIVERIES, {"action": "try_again", "_selected_action": [Delivery.objects.get().pk]}
    )
    assert Delivery.objects.get().status == "failed"
