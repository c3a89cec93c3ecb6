"""Send one delivery, in a process of its own with a time limit: a signed webhook, or a message through Apprise."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

import msgspec

from monitor.models import Channel, Delivery
from monitor.notifications.masking import without_secrets
from monitor.notifications.messages import Message, events_of, message_of
from monitor.notifications.reports.settings import ReportSettings
from monitor.notifications.sending_child import NO_MAIL, Answer, AnyOrder, NotifyType, ServiceOrder, WebhookOrder
from monitor.notifications.webhook_payload import body_of
from monitor.notifications.webhook_signature import signed_headers
from monitor.rules.choices import SEVERITIES
from monitor.telemetry.subprocesses import command_of, environment

_COMMAND = command_of("monitor.notifications.sending_child")
_START_SECONDS = 10
"""How long the process can take to start on a busy host, in addition to its time for sending."""


class Sending(NamedTuple):
    """What is the same for every delivery."""

    public_url: str | None = None
    """The dashboard's address, for links."""
    webhook_seconds: float = 15.0
    """How long a webhook's receiver can take."""
    apprise_seconds: float = 60
    """How long a service of Apprise can take."""
    forbids_private: bool = False
    """Whether messages go only to public addresses."""
    reports: Callable[[], ReportSettings] = ReportSettings
    """Prices and addresses of the weekly reports."""

    def send(self, delivery: Delivery, *, now: datetime) -> str | None:
        """Send it once. None if the receiver accepted it, else an error without secrets. A receiver's failure is not raised.

        Sets the delivery's `retry_after_seconds`: how long the receiver asked to wait, 0 if it did not.
        """
        channel = delivery.channel
        message = message_of(delivery, now=now, public_url=self.public_url, reports=self.reports())
        try:
            order = self._order(delivery, message, now=now)
        except ValueError as invalid:  # the signing secret, or a webhook for a user's mail
            return str(invalid)
        answer = run_child(order)
        delivery.retry_after_seconds = answer.retry_after_seconds or 0
        return None if answer.error is None else without_secrets(answer.error, channel.url, channel.signing_secret)

    def _order(self, delivery: Delivery, message: Message, *, now: datetime) -> ServiceOrder | WebhookOrder:
        if not is_webhook(delivery.channel):
            return self._service(delivery, message)
        if delivery.recipient:
            raise ValueError(NO_MAIL)
        return self._webhook(delivery, message, now=now)

    def _webhook(self, delivery: Delivery, message: Message, *, now: datetime) -> WebhookOrder:
        channel, body = delivery.channel, body_of(delivery, message, public_url=self.public_url)
        message_id = str(delivery.message_id)
        return WebhookOrder(
            url=channel.url,
            headers=signed_headers(channel.signing_secret, message_id=message_id, now=now, body=body),
            body=body,
            limit_seconds=self.webhook_seconds,
            forbids_private=self.forbids_private or not delivery.channel.may_reach_private,
        )

    def _service(self, delivery: Delivery, message: Message) -> ServiceOrder:
        return ServiceOrder(
            url=delivery.channel.url,
            recipient=delivery.recipient,
            title=message.title,
            text=message.text,
            links=message.links,
            kept=tuple({event.host for event in events_of(delivery)}),
            notify_type=_notify_type(delivery),
            limit_seconds=self.apprise_seconds,
            forbids_private=self.forbids_private or not delivery.channel.may_reach_private,
        )


def is_webhook(channel: Channel) -> bool:
    """Whether the channel gets our signed JSON. The channel's form gives a signing secret only to http(s) URLs that no service
    of Apprise recognizes.
    """
    return bool(channel.signing_secret) and channel.url.lower().startswith(("http://", "https://"))


def run_child(order: AnyOrder) -> Answer:
    """The answer of a sending process to an order."""
    late = f"The server did not answer within {order.limit_seconds:g} s."
    try:
        done = subprocess.run(
            _COMMAND,
            env=environment(),
            input=msgspec.json.encode(order),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=order.limit_seconds + _START_SECONDS,
            check=False,
        )
        if done.returncode == 0:
            return msgspec.json.decode(done.stdout, type=Answer)
    except subprocess.TimeoutExpired:
        return Answer(has_failed=True, error=late)
    except (OSError, msgspec.MsgspecError) as error:
        return Answer(has_failed=True, error=f"The sending process failed: {error}.")
    if done.returncode == -signal.SIGALRM:  # its own limit
        return Answer(has_failed=True, error=late)
    return Answer(has_failed=True, error=f"The sending process exited with status {done.returncode}.")


def _notify_type(delivery: Delivery) -> NotifyType:
    """The kind of message, which some services show as a color."""
    if delivery.kind in ("test", "resolved"):
        return "success" if delivery.kind == "resolved" else "info"
    worst = max((event.severity for event in events_of(delivery)), key=SEVERITIES.index, default="info")
    types: dict[str, NotifyType] = {"info": "info", "warning": "warning", "critical": "failure"}
    return types[worst]
