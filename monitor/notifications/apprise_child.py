"""A process that hands one message to Apprise and ends: `python -m monitor.notifications.apprise_child`, an Order on stdin.

A process of its own because Apprise and its 190 services take 42 MB and stay for good once loaded, because a service that
hangs can be ended, and because nothing that Apprise logs can reach our log from here.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any, Literal

import msgspec

from monitor.notifications.private_addresses import FORBIDDEN, is_public

_REACHING_OUT = frozenset({"socket.connect", "socket.sendto", "socket.sendmsg"})
"""Audit events of Python whose second argument is the address of the other side."""
_LEAST_PART = 1000
"""Characters. Who takes less is told the beginning alone, such as phones by SMS: dozens of parts, each seconds after the
other, would take longer than the process has, and come again with the next attempt."""
NotifyType = Literal["info", "success", "warning", "failure"]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to send, or, without a text, only what to look up."""

    url: str
    title: str = ""
    text: str | None = None
    notify_type: NotifyType = "info"
    limit_seconds: int = 60
    """The process ends itself after that long, whatever Apprise does."""
    forbids_private: bool = False
    """Connect to public addresses alone, and to no proxy of the environment."""


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

    refused = _keep_to_public_addresses() if order.forbids_private else []
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
    if service.overflow_mode is apprise.OverflowMode.UPSTREAM:
        # Sent whole, a text longer than the service takes is refused at each attempt, and holds up those behind it.
        in_parts = service.body_maxlen >= _LEAST_PART
        service.overflow_mode = apprise.OverflowMode.SPLIT if in_parts else apprise.OverflowMode.TRUNCATE
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
    if refused:
        return Answer(service=name, error=FORBIDDEN)
    said = list(dict.fromkeys(entry.message for entry in result.logs()))
    return Answer(service=name, error=" ".join(said) or "it did not take the message, and gave no reason")


def _keep_to_public_addresses() -> list[object]:
    """Refuse, for as long as this process lives, every connection to an address that is not public; gives the refused ones.

    At the connection itself, whichever of Apprise's services makes it: what a name means by then is known exactly. The
    path of a local socket, such as syslog's, is no address.
    """
    refused: list[object] = []

    def watch(event: str, given: tuple[Any, ...]) -> None:
        if event not in _REACHING_OUT or not isinstance(given[1], tuple):
            return
        if not is_public(str(given[1][0])):
            refused.append(given[1])
            raise PermissionError(FORBIDDEN)

    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        del os.environ[name]  # a proxy would look the name up by itself
    sys.addaudithook(watch)
    return refused


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
