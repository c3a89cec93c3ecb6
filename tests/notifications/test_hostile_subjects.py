"""Hostile names in the subject add no header to a mail."""

from __future__ import annotations

import pytest
from aiosmtpd.controller import Controller

from monitor.models import Delivery
from monitor.notifications.messages import message_of
from tests.notifications.mailing import PASSWORD, SEND, mail_server
from tests.support.outbox_rows import NOON, a_channel, a_rule, fire

__all__ = ["mail_server"]

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

NAMES = [
    "x\r\nBcc: victim@example.com",
    "x\n\n<b>body</b>",
    "\x1b]0;title\x07",
    "a\u2028Bcc: v@example.com",
    "é" * 90,
    "=?utf-8?q?Bcc:_v?=",
]


def mail_of(server: Controller, name: str) -> tuple[list[str], str]:
    """The header names and the subject of a mail about a rule with this name."""
    address = (
        f"mailto://ops:{PASSWORD}@127.0.0.1:{server.port}/?from=gpumon@example.com&to=oncall@example.com&mode=insecure"
    )
    a_channel(address, signing_secret="", name=name[:90])
    fire(a_rule(name=name[:90]), host=name[:60], summary="GPU 0 is lost")
    assert SEND(Delivery.objects.get(), now=NOON) is None
    mail = server.handler.mails[-1]
    return mail.keys(), str(mail["Subject"])


@pytest.mark.parametrize("name", NAMES)
def test_hostile_name_adds_no_header_to_a_mail(mail_server: Controller, name: str) -> None:
    headers, subject = mail_of(mail_server, name)
    assert "Bcc" not in headers
    assert headers.count("Subject") == headers.count("To") == 1
    assert len(subject.splitlines()) == 1
    assert "\x1b" not in subject


@pytest.mark.parametrize("name", NAMES)
def test_title_is_one_line(name: str) -> None:
    a_channel(name=name[:90])
    fire(a_rule(name=name[:90]), host=name[:60])
    message = message_of(Delivery.objects.get(), now=NOON)
    assert len(message.title.splitlines()) == 1
    assert not any(each in message.text for each in "\x1b\r\u2028\x07")
