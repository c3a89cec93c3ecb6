"""A process that hands one message to Apprise and ends: `python -m monitor.alerts.apprise_child`, an Order on stdin.

A process of its own because Apprise and its 190 services take 42 MB and stay for good once loaded, because a service that
hangs can be ended, and because nothing that Apprise logs can reach our log from here.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Literal

import msgspec

NotifyType = Literal["info", "success", "warning", "failure"]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to send, or, without a text, only what to look up."""

    url: str
    title: str = ""
    text: str | None = None
    notify_type: NotifyType = "info"
    limit_seconds: int = 60
    """The process ends itself after that long, whatever Apprise does."""


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What Apprise made of it. The error may name secrets: whoever shows it hides them first."""

    service: str | None
    """The service that the URL belongs to, such as Discord; None where Apprise knows none."""
    error: str | None = None
    has_failed: bool = False
    """The process failed, so that nothing is known."""


def obey(order: Order) -> Answer:
    """Find the service and, where there is a text, send it."""
    import apprise  # here, so that whoever imports Order and Answer does not load it

    asset = apprise.AppriseAsset(
        app_id="gpumon",
        app_desc="gpumon alerts",
        async_mode=False,
        service_timeout=0,  # the whole process has a limit
        http_redirects=False,  # a redirected POST becomes a GET and counts as sent, with the message lost
        secure_logging=True,
    )
    service = apprise.Apprise.instantiate(order.url, asset=asset)
    if service is None:
        return Answer(service=None, error="Apprise does not understand this URL")
    name = str(service.service_name)
    if order.text is None:
        return Answer(service=name)
    sender = apprise.Apprise(asset=asset)
    sender.add(service)
    result = sender.notify(
        body=order.text,
        title=order.title,
        notify_type=order.notify_type,
        body_format=apprise.NotifyFormat.TEXT,
    )
    if result:
        return Answer(service=name)
    said = list(dict.fromkeys(entry.message for entry in result.logs()))
    return Answer(service=name, error=" ".join(said) or "it did not take the message, and gave no reason")


def main() -> None:
    """Read the order, write the answer."""
    answer_to = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a service that prints does not write into the answer
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    signal.alarm(order.limit_seconds)  # its default action ends the process; holds when the parent is gone too
    answer_to.write(msgspec.json.encode(obey(order)))
    answer_to.flush()
    os._exit(0)  # without waiting for threads that a service may have left behind


if __name__ == "__main__":
    main()
