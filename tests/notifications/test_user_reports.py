"""The weekly reports to users: who gets one, at which address, once, and without delaying alerts."""

from __future__ import annotations

from datetime import timedelta

import pytest
from aiosmtpd.controller import Controller
from pytest_django import Settings

from monitor.models import Channel, Delivery
from monitor.notifications import delivery_queue
from monitor.notifications.messages import message_of
from monitor.notifications.notifier import Notifier
from monitor.notifications.reports.addresses import address_of
from monitor.notifications.reports.due import enqueue_due, problem
from monitor.notifications.reports.settings import ReportSettings
from monitor.notifications.sending_child import NO_MAIL
from monitor.usage.reports import Prices
from tests.notifications.mailing import PASSWORD, SEND, mail_server
from tests.notifications.used_week import MONDAY, use
from tests.support.outbox_rows import a_channel, a_rule, fire

__all__ = ["mail_server"]

pytestmark = pytest.mark.django_db

ADDRESS = "{user}@example.org"
MAIL = "mailto://ops:secret@mail.example.com/?to=oncall@example.com"


@pytest.fixture(autouse=True)
def utc(settings: Settings) -> None:
    settings.TIME_ZONE = "UTC"


@pytest.fixture
def channel() -> Channel:
    return a_mail_channel("mail")


def a_mail_channel(name: str, url: str = MAIL) -> Channel:
    """One that has wanted the report for a while."""
    week_ago = MONDAY - timedelta(days=7, hours=8)
    return a_channel(url, name=name, signing_secret="", is_for_weekly_report=True, reported_until=week_ago)


def hold(*users: str, quarters: int = 5, command: str = "python train.py") -> None:
    """These users have held GPU 0 for more than an hour."""
    for quarter in range(quarters):
        use(MONDAY - timedelta(days=3, minutes=15 * quarter), *users, command=command)


def recipients() -> dict[str, str]:
    """Who gets a report of their own, and where."""
    return dict(Delivery.objects.exclude(user="").values_list("user", "recipient"))


@pytest.mark.parametrize(
    ("user", "address"),
    [
        ("ana", "ana@example.org"),
        ("_apt", "_apt@example.org"),
        ("j.doe-2", "j.doe-2@example.org"),
        ("1000", None),
        ("CORP\\ana", None),
        ("ana@corp.example", None),
        ("ana,bo@evil.example", None),
        ("ana bo", None),
        ("ana\n", None),
        (".ana", None),
        ("a..b", None),
        ("-f", None),
        ("jürgen", None),
        ("", None),
        ("a" * 65, None),
    ],
)
def test_only_plain_usernames_make_an_address(user: str, address: str | None) -> None:
    assert address_of(user, ADDRESS) == address


def test_each_user_of_the_week_gets_one_report(channel: Channel, caplog: pytest.LogCaptureFixture) -> None:
    hold("ana", "bo", "CORP\\cy")
    for day in (0, 1, 6):
        enqueue_due(now=MONDAY + timedelta(days=day), address=ADDRESS)
    assert recipients() == {"ana": "ana@example.org", "bo": "bo@example.org"}
    assert Delivery.objects.count() == 3
    assert "no weekly report to 'CORP\\\\cy': these usernames make no mail address" in caplog.text
    summary = message_of(Delivery.objects.get(user=""), now=MONDAY, reports=ReportSettings(address=ADDRESS))
    assert "No report of their own, because the name makes no mail address: CORP\\cy." in summary.text


def test_users_who_held_a_gpu_for_less_than_an_hour_get_none(channel: Channel) -> None:
    hold("ana", quarters=3)
    enqueue_due(now=MONDAY, address=ADDRESS)
    assert recipients() == {}


def test_without_the_setting_or_a_mail_channel_users_get_none(channel: Channel) -> None:
    hold("ana")
    enqueue_due(now=MONDAY)
    assert recipients() == {}
    assert (problem(None), problem(ADDRESS)) == (None, None)
    Channel.objects.update(url="https://hooks.example.com/T0KEN", reported_until=MONDAY - timedelta(days=14))
    enqueue_due(now=MONDAY, address=ADDRESS)
    assert recipients() == {}
    assert "no enabled mail channel" in (problem(ADDRESS) or "")


def test_notifier_adds_them_and_logs_why_there_are_none(channel: Channel, caplog: pytest.LogCaptureFixture) -> None:
    Channel.objects.update(messages_per_hour=0)  # so that nothing is sent yet
    hold("ana")

    def look() -> None:
        reports = ReportSettings(address=ADDRESS)
        Notifier(lambda _delivery, **_: None, reports=lambda: reports, clock=lambda: MONDAY).look()

    look()
    assert recipients() == {"ana": "ana@example.org"}
    Channel.objects.update(is_enabled=False)
    look()
    assert "users get no weekly reports: no enabled mail channel" in caplog.text


def test_several_mail_channels_send_one_report_to_each_user(channel: Channel) -> None:
    a_mail_channel("second")
    hold("ana")
    enqueue_due(now=MONDAY, address=ADDRESS)
    assert Delivery.objects.filter(user="ana").count() == 1
    # The first channel is enabled again in a week in which the second one has sent the reports.
    Channel.objects.filter(pk=channel.pk).update(reported_until=MONDAY - timedelta(days=14))
    enqueue_due(now=MONDAY + timedelta(days=1), address=ADDRESS)
    assert Delivery.objects.filter(user="ana").count() == 1


def test_report_says_what_the_user_had_and_nothing_of_others(channel: Channel) -> None:
    hold("ana", "bo")
    use(MONDAY - timedelta(days=2), "ana", command="python eval.py")
    enqueue_due(now=MONDAY, address=ADDRESS)
    prices = Prices(per_gpu_hour=8.0, currency="EUR", co2_grams_per_kwh=400.0)
    message = message_of(Delivery.objects.get(user="ana"), now=MONDAY, reports=ReportSettings(prices))
    assert message.title == "Your GPU usage, 16–22 Nov 2026"
    assert message.text == (
        "User ana held 1 GPU for 1.5 h in all, mean SM 40 %.\n"
        "Your share, where several users held a GPU: 0.9 h.\n"
        "Of it, held while the GPU was idle: 0.4 h.\n"
        "Energy: at least 0.0 kWh. Cost: 7.00 EUR. CO₂: 0.0 kg.\n"
        "\n"
        "By command:\n"
        "· python train.py: 0.6 h, idle-held 0.3 h, mean SM 40 %\n"
        "· python eval.py: 0.2 h, idle-held 0.1 h, mean SM 40 %"
    )


def test_report_whose_records_are_gone_says_so(channel: Channel) -> None:
    delivery = Delivery(channel=channel, kind="report", user="ana", created_at=MONDAY)
    assert message_of(delivery, now=MONDAY).text == "There are no records of this week."


def test_alerts_are_sent_before_reports_and_outside_their_limit(channel: Channel) -> None:
    Channel.objects.update(messages_per_hour=1)
    hold("ana", "bo")
    enqueue_due(now=MONDAY, address=ADDRESS)
    Delivery.objects.filter(user="").update(status="sent", sent_at=MONDAY - timedelta(hours=2))
    Delivery.objects.filter(user="ana").update(status="sent", sent_at=MONDAY)
    fire(a_rule(), 3, now=MONDAY)
    alert = Delivery.objects.get(kind="fired")
    (head,) = delivery_queue.heads(now=MONDAY)
    assert (head.delivery_id, head.ready_at) == (alert.pk, alert.due_at)
    Delivery.objects.filter(pk=alert.pk).update(status="sent", sent_at=MONDAY)
    (head,) = delivery_queue.heads(now=MONDAY)
    assert (head.delivery_id, head.ready_at) == (Delivery.objects.get(user="bo").pk, MONDAY)


def test_address_that_does_not_exist_delays_no_other_user(channel: Channel) -> None:
    hold("ana", "bo")
    enqueue_due(now=MONDAY, address=ADDRESS)
    Delivery.objects.filter(user="").delete()
    now = MONDAY
    for attempt in range(delivery_queue.USER_REPORT_ATTEMPTS):
        (head,) = delivery_queue.heads(now=now)
        taken = delivery_queue.take(head, now=now)
        assert taken is not None
        assert taken.user == "ana"
        delivery_queue.settle(taken, "550 no such user", now=now)
        if attempt == 0:
            (head,) = delivery_queue.heads(now=now)
            assert head.delivery_id == Delivery.objects.get(user="bo").pk
            Delivery.objects.filter(user="bo").update(status="sent", sent_at=now)
        now += delivery_queue.USER_REPORT_PAUSE
    assert Delivery.objects.get(user="ana").status == "failed"
    assert delivery_queue.heads(now=now) == []


@pytest.mark.slow
def test_mail_goes_to_the_user_alone(mail_server: Controller) -> None:
    url = f"mailto://ops:{PASSWORD}@127.0.0.1:{mail_server.port}/team@example.com/?from=gpumon@example.com"
    channel = a_mail_channel("mail", f"{url}&to=oncall@example.com&cc=boss@example.com&bcc=x@example.com&mode=insecure")
    hold("ana")
    enqueue_due(now=MONDAY, address=ADDRESS)
    assert SEND(Delivery.objects.select_related("channel").get(user="ana"), now=MONDAY) is None
    (mail,) = mail_server.handler.mails
    assert mail["To"] == "ana@example.org"
    assert (mail["Cc"], mail["Subject"]) == (None, "Your GPU usage, 16–22 Nov 2026")
    assert mail_server.handler.recipients == [["ana@example.org"]]
    assert channel.url.endswith("mode=insecure")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("url", "secret"), [("https://hooks.example.com/T0KEN", "whsec_c2VjcmV0"), ("json://127.0.0.1:9/", "")]
)
def test_report_goes_nowhere_if_the_channel_has_become_another(channel: Channel, url: str, secret: str) -> None:
    hold("ana")
    enqueue_due(now=MONDAY, address=ADDRESS)
    Channel.objects.update(url=url, signing_secret=secret)
    assert SEND(Delivery.objects.select_related("channel").get(user="ana"), now=MONDAY) == NO_MAIL
