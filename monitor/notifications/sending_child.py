"""A process that sends one message or heartbeat and exits: `python -m monitor.notifications.sending_child`, with an order on stdin.

Each message has a process of its own. It can be killed whatever the receiver does. The address guard covers every connection it
makes. Apprise and its 190 services, which take 42 MB and stay loaded, end with it, and nothing they log reaches our log. Orders
contain secrets, so they come by stdin: other users can read a process's arguments.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Literal

import msgspec

from monitor.notifications import address_guard
from monitor.notifications.inert_text import inert

_SHORTEST_PART = 1000
"""Characters. A service with a lower limit, such as SMS, gets only the beginning: dozens of parts, each seconds after the last,
would take longer than the process has, and would be repeated with the next attempt."""
_THIS_HOST = ("localhost", "127.0.0.0/8", "::1")
NO_MAIL = "The channel sends no mail now, so users' reports cannot be sent with it."
NotifyType = Literal["info", "success", "warning", "failure"]


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What every order has."""

    url: str
    limit_seconds: float = 60
    """The process is killed after this time, whatever it is waiting for. Loading the library does not count."""
    forbids_private: bool = False
    """Connect only to public addresses, and not through a proxy of the environment."""


class ServiceOrder(Order, frozen=True, kw_only=True, tag="service"):
    """A message for a service of Apprise; without a text, only look up the service."""

    recipient: str = ""
    """A mail address to send to in place of those of the URL. Only for mail."""
    title: str = ""
    text: str | None = None
    """Contains texts from outside: it is made inert before it is sent, as the title is."""
    links: str = ""
    """Our own addresses, appended to the text as they are."""
    kept: tuple[str, ...] = ()
    """Parts of title and text that are not changed: the names of hosts."""
    notify_type: NotifyType = "info"


class WebhookOrder(Order, frozen=True, kw_only=True, tag="webhook"):
    """A request for a webhook, already signed."""

    headers: dict[str, str]
    body: bytes


class HeartbeatOrder(Order, frozen=True, kw_only=True, tag="heartbeat"):
    """A request that says that gpumon is well."""


AnyOrder = ServiceOrder | WebhookOrder | HeartbeatOrder


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an order. The error can contain secrets; mask them before showing it."""

    service: str | None = None
    """The service that the URL belongs to, such as Discord; None if Apprise knows none."""
    error: str | None = None
    has_failed: bool = False
    """The process failed, so the service is unknown."""
    is_refused: bool = False
    """The URL asks for something that channels may not do; the error says what."""
    forms: tuple[str, ...] = ()
    """If the URL has a known scheme but is incomplete: the service's URLs, as {placeholders}."""
    retry_after_seconds: int | None = None
    """How long the receiver asked to wait before the next attempt (RFC 9110, 10.2.3)."""


def obey(order: AnyOrder) -> Answer:
    """Carry out an order. Runs in the child: the address guard and the time limit last until the process ends."""
    refused = address_guard.install() if order.forbids_private else []
    answer = _notify(order) if isinstance(order, ServiceOrder) else _request(order)
    if answer.error is not None and refused:
        is_heartbeat = isinstance(order, HeartbeatOrder)
        error = address_guard.FORBIDDEN_HEARTBEAT if is_heartbeat else address_guard.FORBIDDEN
        return msgspec.structs.replace(answer, error=error)
    return answer


def _request(order: WebhookOrder | HeartbeatOrder) -> Answer:
    from monitor.notifications import webhook_client  # here, so that importing the orders does not load requests

    _limit(order)
    if isinstance(order, HeartbeatOrder):
        answered = webhook_client.get(order.url)
    else:
        answered = webhook_client.post(order.url, order.body, order.headers)
    return Answer(error=answered.error, retry_after_seconds=answered.retry_after_seconds)


def _notify(order: ServiceOrder) -> Answer:
    import apprise  # here, so that importing the orders does not load it

    from monitor.notifications import apprise_urls

    _limit(order)
    if (refusal := apprise_urls.refusal_before_loading(order.url)) is not None:
        return Answer(error=refusal, is_refused=True)
    asset = apprise.AppriseAsset(
        app_id="gpumon",
        app_desc="gpumon alerts",
        async_mode=False,
        service_timeout=0,  # the process has a limit
        http_redirects=False,  # a redirected POST becomes a GET and counts as sent, with the message lost
        secure_logging=True,
    )
    service = apprise.Apprise.instantiate(order.url, asset=asset)
    if service is None:
        return apprise_urls.unknown(order.url)
    name = str(service.service_name)
    if (refusal := apprise_urls.refusal_of(service, order.url)) is not None:
        return Answer(service=name, error=refusal, is_refused=True)
    if order.text is None:
        return Answer(service=name)
    if service.overflow_mode is apprise.OverflowMode.UPSTREAM:
        # A text over the service's limit would be refused at every attempt and delay those behind it.
        in_parts = service.body_maxlen >= _SHORTEST_PART
        service.overflow_mode = apprise.OverflowMode.SPLIT if in_parts else apprise.OverflowMode.TRUNCATE
    if order.recipient and not apprise_urls.send_only_to(service, order.recipient):
        return Answer(service=name, error=NO_MAIL)
    apprise_urls.mark_as_automatic(service)
    sender = apprise.Apprise(asset=asset)
    sender.add(service)
    text = inert(order.text, kept=order.kept)
    result = sender.notify(
        body=f"{text}\n\n{order.links}" if order.links else text,
        title=inert(order.title, kept=order.kept),
        notify_type=order.notify_type,
        body_format=apprise.NotifyFormat.TEXT,
    )
    if result:
        return Answer(service=name)
    logged = list(dict.fromkeys(entry.message for entry in result.logs()))
    return Answer(service=name, error=" ".join(logged) or "The service refused the message without a reason.")


def _limit(order: Order) -> None:
    """Kill this process after the order's time. SIGALRM's default action does it, in any library, without the parent."""
    signal.setitimer(signal.ITIMER_REAL, order.limit_seconds)


def _leave_this_host_out_of_proxies() -> None:
    """A proxy of the environment has a loopback of its own. requests, which Apprise uses too, reads these variables."""
    kept = os.environ.get("no_proxy") or os.environ.get("NO_PROXY", "")
    if kept != "*":
        os.environ["no_proxy"] = os.environ["NO_PROXY"] = ",".join(filter(None, (kept, *_THIS_HOST)))


def main() -> None:
    _leave_this_host_out_of_proxies()
    answer_to = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a service that prints must not write into the answer
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=AnyOrder)
    answer_to.write(msgspec.json.encode(obey(order)))
    answer_to.flush()
    os._exit(0)  # do not wait for threads that a service left behind


if __name__ == "__main__":
    main()
