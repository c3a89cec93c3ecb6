"""The texts of messages: one alert, several alerts, a digest of several rules."""

from __future__ import annotations

from datetime import timedelta

import pytest
from pytest_django import Settings

from monitor.models import AlertEvent, Channel, Delivery
from monitor.notifications.messages import LONGEST_LIST, Message, message_of
from tests.support.outbox_rows import NOON, a_channel, a_rule, an_event, fire, resolve

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def utc(settings: Settings) -> None:
    """A fixed time zone, independent of the machine that runs the tests."""
    settings.TIME_ZONE = "UTC"


HOT = {
    "summary": "GPU 3 reached 88 °C (limit 85 °C)",
    "metric": "gpu.temperature_celsius",
    "value": 88.0,
    "worst_value": 91.0,
    "threshold": 85.0,
    "detail": "The card's own slowdown temperature: 87 °C.",
}


def delivery(kind: str = "fired", *events: AlertEvent, **values: object) -> Delivery:
    channel = Channel.objects.first() or a_channel(name="ops")
    made = Delivery.objects.create(channel=channel, kind=kind, created_at=NOON, due_at=NOON, **values)
    made.events.set(events)
    return made


def words(message: Message) -> str:
    """The message with plain spaces instead of thin ones."""
    return f"{message.title}\n{message.whole}".replace("\u2009", " ")


def test_message_of_one_alert_has_all_its_details() -> None:
    event = an_event(a_rule(name="Too hot", severity="critical"), 3, **HOT)
    message = message_of(
        delivery("fired", event), now=NOON + timedelta(seconds=72), public_url="https://gpus.example.com/"
    )
    assert words(message) == (
        "GPU 3: Too hot on dgx-07 (critical)\n"
        "GPU 3 reached 88 °C (limit 85 °C).\n"
        "\n"
        "Host: dgx-07\n"
        "GPU: 3 · NVIDIA H100 · GPU-3\n"
        "Temperature: 88 °C, threshold 85 °C\n"
        "Firing: since 2026-11-24 12:00 UTC, for 1 min 12 s\n"
        "Rule: Too hot (critical)\n"
        "\n"
        "The card's own slowdown temperature: 87 °C.\n"
        "\n"
        "https://gpus.example.com/gpu/GPU-3"
    )


def test_resolved_message_has_reason_duration_and_worst_value() -> None:
    a_channel()
    event = resolve(fire(a_rule(name="Too hot"), 3, **HOT), now=NOON + timedelta(hours=2), because="82 °C, back within")
    message = words(message_of(Delivery.objects.get(kind="resolved"), now=NOON))
    assert message.startswith("Resolved: GPU 3: Too hot on dgx-07 (warning)\n")
    assert "Resolved because: 82 °C, back within.\n" in message
    assert "Temperature: 88 °C, threshold 85 °C, at worst 91 °C\n" in message
    assert "Resolved: 2026-11-24 14:00 UTC, after 2 h 0 min\n" in message
    assert event.summary in message


def test_reminder_says_that_the_alert_is_still_firing() -> None:
    message = words(message_of(delivery("reminder", an_event(a_rule(), 3)), now=NOON + timedelta(days=2)))
    assert message.startswith("Still firing: GPU 3: ")
    assert "for 2 d 0 h" in message


def test_late_reminder_shows_resolved_alerts_as_resolved() -> None:
    rule = a_rule()
    over = [resolve(an_event(rule, gpu), now=NOON + timedelta(hours=1)) for gpu in (3, 4)]
    late = NOON + timedelta(hours=5)
    digest = delivery("digest")
    delivery("reminder", *over, status="combined", part_of=digest)
    for made in (delivery("reminder", over[0]), delivery("reminder", *over), digest):
        assert "still" not in words(message_of(made, now=late)).lower()
    one_fires = words(message_of(delivery("reminder", *over, an_event(rule, 5)), now=late))
    assert one_fires.startswith("Still firing: 3 GPUs: ")
    assert "· GPU 3 is lost, resolved after 1 h 0 min\n" in one_fires
    assert "· GPU 5 is lost, for 5 h 0 min\n" in one_fires


def test_several_gpus_share_a_title_and_have_a_line_each() -> None:
    rule = a_rule(name="Thermal slowdown")
    events = [an_event(rule, gpu, detail="Look at the fans.") for gpu in (2, 0, 1)]
    message = message_of(delivery("fired", *events), now=NOON)
    assert message.title == "3 GPUs: Thermal slowdown on dgx-07 (warning)"
    assert message.text == (
        "· GPU 0 is lost\n· GPU 1 is lost\n· GPU 2 is lost\n\nRule: Thermal slowdown (warning)\n\nLook at the fans."
    )


def test_lines_name_the_host_if_there_are_several() -> None:
    rule = a_rule(name="Lost")
    events = [an_event(rule, gpu, host=host) for gpu, host in enumerate(("a", "b"))]
    message = message_of(delivery("fired", *events), now=NOON)
    assert message.title == "2 GPUs: Lost on 2 hosts (warning)"
    assert "· GPU 1 is lost (b)" in message.text


def test_alert_without_a_gpu_names_only_the_host() -> None:
    event = an_event(a_rule(name="Stale"), gpu_index=None, gpu_uuid="", gpu_name="", summary="no fresh reading")
    message = message_of(delivery("fired", event), now=NOON, public_url="https://gpus.example.com")
    assert message.title == "Stale on dgx-07 (warning)"
    assert "GPU:" not in message.text
    assert message.whole.endswith("\n\nhttps://gpus.example.com/")


def test_long_list_is_truncated_with_a_count() -> None:
    rule = a_rule()
    events = [an_event(rule, gpu) for gpu in range(LONGEST_LIST + 5)]
    message = message_of(delivery("fired", *events), now=NOON)
    assert message.text.count("· GPU") == LONGEST_LIST
    assert "and 5 more" in message.text


def test_digest_lists_all_events_in_order() -> None:
    digest = delivery("digest")
    first, second = an_event(a_rule(), 1), an_event(a_rule(), 2)
    for kind, event in (("fired", first), ("fired", second), ("resolved", first)):
        delivery(kind, event, status="combined", part_of=digest)
    message = message_of(digest, now=NOON)
    assert message.title == "3 alerts combined"
    assert message.text.startswith(
        "· GPU 1 is lost (dgx-07)\n· GPU 2 is lost (dgx-07)\n· Resolved: GPU 1 is lost (dgx-07)\n\n3 messages combined"
    )


def test_test_message_and_deleted_alert_have_a_text() -> None:
    assert message_of(delivery("test"), now=NOON).title == "Test message for channel ops"
    assert message_of(delivery("fired"), now=NOON).title == "Deleted alert"
    assert message_of(delivery("digest"), now=NOON).title == "Deleted alert"
