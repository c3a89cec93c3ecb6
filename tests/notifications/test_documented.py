"""docs/notifications.md is correct: its snippet verifies our signatures, its JSON has our fields, its URLs work."""

from __future__ import annotations

import json
import re
import textwrap
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.notifications import webhook_signature
from monitor.notifications.senders import run_child
from monitor.notifications.sending_child import ServiceOrder
from monitor.notifications.webhook_payload import Body, event_of
from monitor.rules import quiet_hours
from tests.support.outbox_rows import SECRET
from tests.support.snapshots import alert

TEXT = (Path(__file__).parents[2] / "docs" / "notifications.md").read_text()
BLOCKS = [textwrap.dedent(block) for block in re.findall(r"(?:^    .*\n|^\n(?=    ))+", TEXT, re.MULTILINE)]


def block(beginning: str) -> str:
    (found,) = (each.strip("\n") for each in BLOCKS if each.strip("\n").startswith(beginning))
    return found


def test_snippet_verifies_only_signed_requests() -> None:
    names: dict[str, Any] = {}
    exec(block("import base64"), names)
    now = int(time.time())

    def is_accepted(body: bytes, timestamp: int) -> bool:
        headers = {
            "webhook-id": "m-1",
            "webhook-timestamp": str(timestamp),
            "webhook-signature": "v1,another " + webhook_signature.signature(SECRET, "m-1", timestamp, b"{}"),
        }
        return bool(names["is_from_gpumon"](SECRET, headers, body))

    assert is_accepted(b"{}", now)
    assert not is_accepted(b"{ }", now)
    assert not is_accepted(b"{}", now - 600)


def test_documented_json_has_the_sent_fields() -> None:
    shown = json.loads(block("{"))
    sent = msgspec.to_builtins(msgspec.convert(shown, Body))
    assert list(sent) == list(shown)
    assert list(sent["data"]) == list(shown["data"])
    event = json.loads(msgspec.json.encode(event_of(alert(gpu_name="NVIDIA H100", worst_value=88.0), public_url=None)))
    assert {name: type(value) for name, value in shown["data"]["events"][0].items() if value is not None} == {
        name: type(value) for name, value in event.items() if value is not None
    }
    assert list(event) == list(shown["data"]["events"][0])


def test_documented_quiet_hours_are_valid() -> None:
    assert len(quiet_hours.parse(block("Mon-Fri"))) == 2


@pytest.mark.slow
def test_documented_urls_belong_to_the_named_services() -> None:
    urls = [url for url in re.findall(r"`([a-z]+://[^`]+)`", TEXT.partition("## What is sent")[0]) if "…" not in url]
    services = {url: run_child(ServiceOrder(url=url)).service for url in urls if "***" not in url}
    assert len(services) >= 8
    assert [url for url, service in services.items() if service is None] == ["https://example.com/path"]
