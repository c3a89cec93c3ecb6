"""Sends one delivery: a signed webhook by our own client, everything else through Apprise, each with a limit of time."""

from __future__ import annotations

import signal
import subprocess
from datetime import datetime
from typing import NamedTuple

import msgspec

from monitor.models import Channel, Delivery
from monitor.notifications.apprise_child import Answer, NotifyType, Order
from monitor.notifications.masking import without_secrets
from monitor.notifications.messages import events_of, message_of
from monitor.notifications.private_addresses import public_addresses
from monitor.notifications.webhook_payload import body_of
from monitor.rules.choices import SEVERITIES
from monitor.telemetry.subprocesses import command_of, environment

_COMMAND = command_of("monitor.notifications.apprise_child")
_START_SECONDS = 10
"""The process of Apprise may take that long to start on a busy machine, beyond the time it has for sending."""


class Sending(NamedTuple):
    """What is the same for every delivery."""

    public_url: str | None = None
    """Where people reach the dashboard, for links."""
    webhook_seconds: float = 15.0
    """How long a receiver of webhooks may take."""
    apprise_seconds: int = 60
    """How long a service of Apprise may take."""
    forbids_private: bool = False
    """Whether messages go to public addresses alone."""

    def send(self, delivery: Delivery, *, now: datetime) -> str | None:
        """Send it once. None when it was taken, else an error without secrets. Raises nothing for what receivers do."""
        channel = delivery.channel
        message = message_of(delivery, now=now, public_url=self.public_url)
        if is_webhook(channel):
            body = body_of(delivery, message, public_url=self.public_url)
            error = self._post(channel, delivery, body, now)
        else:
            error = ask_apprise(
                Order(
                    url=channel.url,
                    title=message.title,
                    text=message.text,
                    notify_type=_type_of(delivery),
                    limit_seconds=self.apprise_seconds,
                    forbids_private=self.forbids_private,
                )
            ).error
        return None if error is None else without_secrets(error, channel.url, channel.signing_secret)

    def _post(self, channel: Channel, delivery: Delivery, body: bytes, now: datetime) -> str | None:
        from monitor.notifications import webhook_client

        try:
            return webhook_client.post(
                channel.url,
                body,
                secret=channel.signing_secret,
                message_id=str(delivery.message_id),
                now=now,
                whole_seconds=self.webhook_seconds,
                lookup=public_addresses if self.forbids_private else None,
            )
        except ValueError as error:  # the secret is none
            return str(error)


def is_webhook(channel: Channel) -> bool:
    """Whether it gets our signed JSON. The channel's form gives a signing secret to http(s) addresses that no service of
    Apprise claims, and to nothing else.
    """
    return bool(channel.signing_secret) and channel.url.lower().startswith(("http://", "https://"))


def ask_apprise(order: Order) -> Answer:
    """What a process with Apprise makes of an order."""
    limit = order.limit_seconds + _START_SECONDS
    try:
        done = subprocess.run(
            _COMMAND,
            env=environment(),
            input=msgspec.json.encode(order),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=limit,
            check=False,
        )
        if done.returncode == 0:
            return msgspec.json.decode(done.stdout, type=Answer)
    except subprocess.TimeoutExpired:
        return Answer(service=None, has_failed=True, error=f"The service did not answer within {limit} s.")
    except (OSError, msgspec.MsgspecError) as error:
        return Answer(service=None, has_failed=True, error=f"The process for Apprise failed: {error}.")
    if done.returncode == -signal.SIGALRM:  # its own limit
        return Answer(
            service=None, has_failed=True, error=f"The service did not answer within {order.limit_seconds} s."
        )
    return Answer(service=None, has_failed=True, error=f"The process for Apprise ended with status {done.returncode}.")


def _type_of(delivery: Delivery) -> NotifyType:
    """The colour that services with one give a message."""
    if delivery.kind in ("test", "resolved"):
        return "success" if delivery.kind == "resolved" else "info"
    worst = max((event.severity for event in events_of(delivery)), key=SEVERITIES.index, default="info")
    types: dict[str, NotifyType] = {"info": "info", "warning": "warning", "critical": "failure"}
    return types[worst]
