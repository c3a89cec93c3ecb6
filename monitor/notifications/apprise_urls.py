"""What Apprise makes of a channel's URL: whether gpumon refuses it, and what an incomplete one lacks. Loads Apprise (42 MB), so
only the sending process imports it.
"""

from __future__ import annotations

import re
from email.message import Message as Headers
from typing import Any

from apprise.apprise_attachment import AppriseAttachment
from apprise.manager_plugins import NotificationManager
from apprise.plugins import url_to_dict
from apprise.plugins.email import NotifyEmail

from monitor.notifications.sending_child import Answer

_READ_LOCALLY = {
    "keyfile": "keyfile=",
    "subfile": "subfile=",
    "pgp_key": "pgppub=",
    "pgp_privkey": "pgpprv=",  # pragma: allowlist secret
    "attach": "attach=",
}
"""Parsed parts of a URL that are a path or an address to read from, and the parameter that people write."""
_MAIL_SERVICES = ("Mailgun", "SMTP2Go")
"""Services that send mail through an API, with headers of the URL."""
_AUTOMATIC = {"Auto-Submitted": "auto-generated", "X-Auto-Response-Suppress": "All"}
"""RFC 3834, section 5, and Exchange's own (MS-OXCMAIL 2.2.3.2.14): no out-of-office answers, no loops with ticket systems."""
_COPIED = (
    (("discord.com", "discordapp.com"), "Discord", "https://discord.com/api/webhooks/{id}/{token}"),
    (("hooks.slack.com",), "Slack", "https://hooks.slack.com/services/{T…}/{B…}/{token}"),
    (("chat.googleapis.com",), "Google Chat", "https://chat.googleapis.com/v1/spaces/{space}/messages?key={key}&token={token}"),
    (("webhook.office.com",), "Microsoft Teams", "https://{team}.webhook.office.com/webhookb2/{id}@{id}/IncomingWebhook/{id}/{id}"),
    (("logic.azure.com", "environment.api.powerplatform.com"), "Microsoft Teams (workflow)",
     "https://{host}/workflows/{id}/triggers/manual/paths/invoke?api-version={version}&sig={signature}"),
    (("guilded.gg",), "Guilded", "https://media.guilded.gg/webhooks/{id}/{token}"),
    (("api.telegram.org",), "Telegram", "tgram://{bot_token}/{chat_id}"),
    (("webexapis.com", "api.ciscospark.com"), "Webex", "https://webexapis.com/v1/webhooks/incoming/{token}"),
    (("inbots.zoom.us",), "Zoom", "https://inbots.zoom.us/incoming/hook/{id}?format=full&token={token}"),
    (("qyapi.weixin.qq.com",), "WeCom", "https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key={key}"),
    (("api.flock.com",), "Flock", "https://api.flock.com/hooks/sendMessage/{token}"),
    (("maker.ifttt.com",), "IFTTT", "https://maker.ifttt.com/use/{token}"),
    (("alert.victorops.com",), "Splunk On-Call", "https://alert.victorops.com/integrations/generic/{id}/alert/{key}/{routing_key}"),
    (("ntfy.sh",), "ntfy", "https://ntfy.sh/{topic}"),
    (("api.pushover.net",), "Pushover", "pover://{user_key}@{token}"),
    (("events.pagerduty.com", "api.opsgenie.com"), "a pager service", "pagerduty://{integration_key}@{api_key} or opsgenie://{api_key}"),
)  # fmt: skip
"""Hosts, with their subdomains, whose addresses belong to a service, and the address that the service gives."""
_HTTP = re.compile(r"https?://(?:[^/?#@]*@)?(?P<host>[^/?#:]+)", re.IGNORECASE)


def refusal_before_loading(url: str) -> str | None:
    """Why gpumon does not use this URL, or None: it would make the server read a file, or another address, for the channel."""
    parsed = url_to_dict(url) or {}  # type: ignore[no-untyped-call]  # Apprise has no types
    given = {**parsed.get("qsd", {}), **parsed}
    found = [parameter for name, parameter in _READ_LOCALLY.items() if given.get(name)]
    return _refusal(found[0]) if found else None


def refusal_of(service: Any, url: str) -> str | None:
    """The same for what the service has made of its URL, such as a template that it reads from a path or an address."""
    for name, value in vars(service).items():
        if isinstance(value, AppriseAttachment) and len(value):
            return _refusal(f"{name}=")
    return None


def _refusal(parameter: str) -> str:
    return f"The parameter {parameter} makes the server read a file or another address, which channels may not do. Remove it."


def unknown(url: str) -> Answer:
    """The answer to a URL that Apprise does not understand: with the service and its form, if they can be recognized."""
    schema = url.partition("://")[0].strip().lower()
    plugins = NotificationManager()  # type: ignore[no-untyped-call]  # likewise
    if schema not in ("http", "https") and schema in plugins:
        plugin = plugins[schema]
        forms = tuple(sorted({form.replace("{schema}", schema) for form in plugin.templates}, key=len))
        return Answer(service=str(plugin.service_name), error="The URL is incomplete or malformed.", forms=forms)
    host = _HTTP.match(url.strip())
    name = "" if host is None else host["host"].rstrip(".").lower()
    for hosts, service, form in _COPIED:
        if any(f".{name}".endswith(f".{each}") for each in hosts):
            return Answer(service=service, error="The address is incomplete.", forms=(form,))
    return Answer(error="Apprise does not understand this URL")


def send_only_to(service: Any, address: str) -> bool:
    """Send to this address alone, not to those of the URL. False if the service is no mail."""
    if not isinstance(service, NotifyEmail):
        return False
    service.targets = [(False, address)]
    service.cc, service.bcc = set(), set()
    return True


def mark_as_automatic(service: Any) -> None:
    """Add the headers of automatic messages to mails, except those that the URL sets."""
    if isinstance(service, NotifyEmail) or service.service_name in _MAIL_SERVICES:
        given = Headers()
        for name in service.headers:
            given[name] = ""
        service.headers.update({name: value for name, value in _AUTOMATIC.items() if name not in given})
