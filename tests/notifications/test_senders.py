"""Sending deliveries through a real SMTP server, Apprise's services and signed webhooks."""

from __future__ import annotations

import functools
import logging
import socket
import subprocess
import sys
import threading
from email.message import EmailMessage

import msgspec
import pytest
from aiosmtpd.controller import Controller

from monitor.models import Channel, Delivery
from monitor.notifications.senders import Sending, run_child
from monitor.notifications.sending_child import Answer, ServiceOrder
from tests.notifications.mailing import PASSWORD, SEND, mail_server
from tests.support.outbox_rows import NOON, a_channel, a_rule, fire, resolve
from tests.support.receivers import Receiver, rude_server

__all__ = ["mail_server"]

pytestmark = [pytest.mark.django_db, pytest.mark.slow]


OBEY = """
import sys, msgspec
from monitor.notifications.sending_child import Answer, ServiceOrder, obey
urls = msgspec.json.decode(sys.stdin.buffer.read(), type=list[str])
sys.stdout.buffer.write(msgspec.json.encode([obey(ServiceOrder(url=url, title="t", text="x")) for url in urls]))
"""


@functools.cache
def answers() -> dict[str, Answer]:
    """The answers to all URLs that no message can be sent to, from one process: loading Apprise takes longest."""
    urls = [case[0] for case in (*REFUSED, *INCOMPLETE)]
    done = subprocess.run(
        [sys.executable, "-c", OBEY], input=msgspec.json.encode(urls), stdout=subprocess.PIPE, check=True
    )
    return dict(zip(urls, msgspec.json.decode(done.stdout, type=list[Answer]), strict=True))


def mail_url(server: Controller, password: str = PASSWORD) -> str:
    return (
        f"mailto://ops:{password}@127.0.0.1:{server.port}/?from=gpumon@example.com&to=oncall@example.com&mode=insecure"
    )


def delivery_to(channel: Channel) -> Delivery:
    fire(a_rule(name="A GPU is gone", severity="critical"), 3, detail="Look at the kernel's log.")
    return Delivery.objects.get(channel=channel)


def test_mail_arrives_with_title_and_text(mail_server: Controller) -> None:
    delivery = delivery_to(a_channel(mail_url(mail_server), signing_secret=""))
    assert SEND(delivery, now=NOON) is None
    (mail,) = mail_server.handler.mails
    assert mail["Subject"] == "GPU 3: A GPU is gone on dgx-07 (critical)"
    assert "oncall@example.com" in mail["To"]
    assert "gpumon" in mail["From"]
    body = mail.get_body(("plain", "html"))
    assert isinstance(body, EmailMessage)
    for words in ("GPU 3 is lost.", "Look at the kernel", "https://gpus.example.com/gpu/GPU-3"):
        assert words in body.get_content()


def test_mail_says_that_it_is_automatic(mail_server: Controller) -> None:
    """RFC 3834: no out-of-office answers, and no loops with ticket systems. What the URL sets is kept."""
    assert SEND(delivery_to(a_channel(mail_url(mail_server), signing_secret="")), now=NOON) is None
    assert mail_server.handler.mails[-1]["Auto-Submitted"] == "auto-generated"
    channel = Channel.objects.get()
    channel.url += "&+auto-submitted=no"
    channel.save()
    assert SEND(Delivery.objects.get(), now=NOON) is None
    assert mail_server.handler.mails[-1].get_all("Auto-Submitted") == ["no"]


@pytest.mark.parametrize(
    "url", ["json://{}/", "mmost://{}/aaaaaaaaaaaaaaaaaaaaaaaaaa", "rocket://abc/def@{}/%23gpus?mode=webhook"]
)
def test_command_line_of_a_user_rings_nobody(receiver: Receiver, url: str) -> None:
    receiver.answer = lambda _number: 200
    channel = a_channel(url.format(receiver.hostport), signing_secret="")
    fire(a_rule(name="@here *now*"), 3, detail="mira's python (PID 7): x @all <!channel> [x](https://evil.example)")
    assert SEND(Delivery.objects.get(channel=channel), now=NOON) is None
    body = receiver.requests[0].body.decode()
    for live in ("@all", "@here", "<!channel>", "](", "https://evil", "*now*"):
        assert live not in body
    assert "https://gpus.example.com/gpu/GPU-3" in body.replace("\\", "")  # Apprise escapes dots for Rocket.Chat


REFUSED = [
    ("fcm://project/DEVICE?keyfile=/etc/hostname", "keyfile="),
    ("fcm://project/DEVICE?keyfile=http://169.254.169.254/latest", "keyfile="),
    ("vapid://ops@example.com?keyfile=/etc/hostname&subfile=/etc/passwd", "keyfile="),
    ("mailto://u:p@example.com?to=a@example.com&pgp=encrypt&pgppub=/etc/hostname", "pgppub="),
    ("json://example.com/?attach=/etc/passwd", "attach="),
    ("https://discord.com/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js?template=/etc/passwd", "template="),
    ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/?template=file:///etc/passwd", "template="),
]


@pytest.mark.parametrize(("url", "parameter"), REFUSED)
def test_url_that_reads_local_files_or_other_addresses_is_refused(url: str, parameter: str) -> None:
    answer = answers()[url]
    assert answer.is_refused
    assert parameter in (answer.error or "")


INCOMPLETE = [
    ("https://discord.com/api/webhooks/4174216298", "Discord", "/api/webhooks/{id}/{token}"),
    ("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD", "Slack", "/services/{T…}/{B…}/{token}"),
    ("discord://4174216298", "Discord", "discord://{webhook_id}/{webhook_token}"),
    ("tgram://123", "Telegram", "tgram://{bot_token}"),
    ("file:///etc/passwd", None, None),
]


@pytest.mark.parametrize(("url", "service", "form"), INCOMPLETE)
def test_incomplete_url_of_a_known_service_is_recognized(url: str, service: str | None, form: str | None) -> None:
    answer = answers()[url]
    assert answer.error is not None
    assert answer.service == service
    assert form is None or any(form in each for each in answer.forms)


def test_password_refused_by_the_mail_server_is_an_error_without_the_password(
    mail_server: Controller, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    delivery = delivery_to(a_channel(mail_url(mail_server, "WR0NG-PASSWORD"), signing_secret=""))
    error = SEND(delivery, now=NOON)
    assert error
    assert mail_server.handler.mails == []
    written = capfd.readouterr()
    assert "WR0NG" not in error + caplog.text + written.out + written.err


@pytest.mark.parametrize("status", [302, 403, 500])
def test_refusal_by_a_service_is_an_error_without_the_secrets_of_the_url(
    receiver: Receiver, status: int, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    receiver.answer = lambda _number: status
    url = f"json://ops:S3CRET1@{receiver.hostport}/S3CRET2/?+X-Key=S3CRET3"
    error = SEND(delivery_to(a_channel(url, signing_secret="")), now=NOON)
    assert error is not None
    assert str(status) in error
    assert receiver.requests[0].headers["x-key"] == "S3CRET3"
    written = capfd.readouterr()
    assert "S3CRET" not in error + caplog.text + written.out + written.err


def test_service_receives_the_severity_as_its_message_type(receiver: Receiver) -> None:
    channel = a_channel(f"json://{receiver.hostport}/", signing_secret="")
    delivery = delivery_to(channel)
    event = delivery.events.get()
    assert SEND(delivery, now=NOON) is None
    resolve(event, now=NOON)
    assert SEND(Delivery.objects.get(kind="resolved"), now=NOON) is None
    assert [request.json["type"] for request in receiver.requests] == ["failure", "success"]


@pytest.mark.parametrize(
    ("url", "most", "is_whole"),
    [
        ("rocket://abc/def@{}/%23gpus?mode=webhook", 1000, True),
        ("rocket://abc/def@{}/%23gpus?mode=webhook&overflow=truncate", 1000, False),
        ("misskey://token@{}", 512, False),
    ],
)
def test_text_too_long_for_a_service_is_split_or_truncated(
    receiver: Receiver, url: str, most: int, is_whole: bool
) -> None:
    receiver.answer = lambda _number: 200
    lines = [f"· GPU {index}: has reached 88 °C" for index in range(50)]
    order = ServiceOrder(url=url.format(receiver.hostport), title="50 GPUs", text="\n".join(lines), limit_seconds=40)
    assert run_child(order).error is None
    texts = [request.json["text"] for request in receiver.requests]
    assert max(map(len, texts)) <= most
    assert (len(texts) > 1) is is_whole
    arrived = [line for text in texts for line in text.splitlines() if line in lines]
    assert arrived == lines[: len(arrived)] != []
    assert (arrived == lines) is is_whole


def test_delivery_to_a_service_that_never_responds_is_aborted() -> None:
    def drip(connection: socket.socket, is_over: threading.Event) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not is_over.wait(0.05):
            connection.sendall(b"x")

    with rude_server(drip) as address:
        answer = run_child(ServiceOrder(url=f"json://{address}/", text="hello", limit_seconds=2))
    assert answer.error == "The server did not answer within 2 s."


def test_url_unknown_to_apprise_is_an_error() -> None:
    error = SEND(delivery_to(a_channel("nonsense://S3CRET", signing_secret="")), now=NOON)
    assert error == "Apprise does not understand this URL"


@pytest.mark.parametrize(
    ("url", "service"),
    [
        ("https://discord.com/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "Discord"),
        ("https://hooks.slack.com/services/T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "Slack"),
        ("https://example.com/hook", None),
    ],
)
def test_apprise_accepts_the_native_urls_of_services(url: str, service: str | None) -> None:
    assert run_child(ServiceOrder(url=url)).service == service


def test_webhook_carries_the_event_and_the_message_id(receiver: Receiver) -> None:
    delivery = delivery_to(a_channel(receiver.url))
    assert SEND(delivery, now=NOON) is None
    (got,) = receiver.requests
    assert got.headers["webhook-id"] == str(delivery.message_id)
    body = got.json
    assert (body["type"], body["timestamp"]) == ("alert.fired", "2026-11-24T12:00:00Z")
    (event,) = body["data"]["events"]
    assert {name: event[name] for name in ("state", "rule", "severity", "host", "gpu_index", "resolved_at")} == {
        "state": "firing",
        "rule": "A GPU is gone",
        "severity": "critical",
        "host": "dgx-07",
        "gpu_index": 3,
        "resolved_at": None,
    }
    assert event["url"] == "https://gpus.example.com/gpu/GPU-3"


def test_webhook_with_an_uppercase_scheme_is_sent(receiver: Receiver) -> None:
    """The channel's form accepts such a URL too."""
    assert SEND(delivery_to(a_channel(receiver.url.replace("http", "HTTP"))), now=NOON) is None
    assert "webhook-signature" in receiver.requests[0].headers


def test_webhook_with_an_invalid_secret_is_an_error_and_sends_nothing(receiver: Receiver) -> None:
    error = SEND(delivery_to(a_channel(receiver.url, signing_secret="whsec_spoilt")), now=NOON)
    assert (error or "").startswith("A signing secret is ")
    assert receiver.requests == []


def test_hanging_webhook_is_an_error_without_the_secrets_of_the_url(receiver: Receiver) -> None:
    receiver.go_on.clear()
    delivery = delivery_to(a_channel(receiver.url))
    error = Sending(webhook_seconds=0.2).send(delivery, now=NOON)
    assert error == "The server did not answer within 0.2 s."
