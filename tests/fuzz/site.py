"""A site with a row of everything, for the addresses of tests/support/site_addresses.py to find, and its administrator."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from urllib.parse import quote, unquote

from django.contrib.auth.models import Group, User
from django.http import HttpResponseBase, StreamingHttpResponse
from django.test import Client
from django.utils import timezone

from monitor.access import tokens, view_links
from monitor.fleet.registry import Row
from monitor.history.buckets import Buckets, Column
from monitor.history.store import Written, write
from monitor.models import AlertEvent, AlertRule, Channel, Delivery, FleetHost, HistoryGap, HistorySource, SeenGpu
from monitor.models.usage import UsageGpu, UsagePeriod, UsageSpan, UsageUser
from monitor.runtime.runtime import Runtime
from tests.fuzz.mutations import NUMBERS, PIECES, TEXTS
from tests.support.site_addresses import PLACEHOLDER, UUID_PLACEHOLDER
from tests.support.snapshots import alert, gpu, host, process
from tests.web.hosts.joined import HUB, id_of, join

OTHER = id_of(PLACEHOLDER)
MIB = 1 << 20
LARGEST_ANSWER = 8 * MIB
NEVER_STALE = {"poll_interval_seconds": 3600.0}
"""No reading follows."""
UNAVAILABLE = ("/api/health",)
"""Answers 503 here: the sampler does not run."""


def furnish(runtime: Runtime) -> User:
    """Fill the databases and the runtime; returns the administrator. What an address can name is called PLACEHOLDER."""
    now = time.time()
    start = int(now) // 60 * 60 - 3600
    gpus = (gpu(0, uuid=PLACEHOLDER, processes=(process(1), process(2, user="bo"))), gpu(1))
    runtime.hub.take(host(*gpus, host="hub", host_id=HUB, time=now, sampled_at=now, **NEVER_STALE))
    runtime.show_alerts((alert(1, gpu_uuid=PLACEHOLDER, gpu_index=0, host="hub"),))
    root = User.objects.create_superuser("root", password="correct horse")
    Group.objects.get_or_create(pk=1, defaults={"name": "some"})
    FleetHost.objects.create(pk=1, host_id=OTHER, name=PLACEHOLDER)
    join(runtime, PLACEHOLDER, host(*gpus, host=PLACEHOLDER, host_id=OTHER, time=now, sampled_at=now, **NEVER_STALE))
    runtime.fleet.set_rows([Row(OTHER, PLACEHOLDER, ("rack 1",), "active", None, "", "", None, "")])
    rule = AlertRule.objects.first()
    channel = Channel.objects.create(pk=1, name="c", url="json://127.0.0.1:9")
    SeenGpu.objects.create(pk=1, uuid=PLACEHOLDER, index=0, name="H100")
    tokens.make(owner=root, name="t", scopes=["read"])
    view_links.make(name="wall", created_by=root, expires_at=timezone.now() + timedelta(days=1))
    event = AlertEvent.objects.create(
        pk=UUID_PLACEHOLDER, rule=rule, rule_name="r", severity="info", state="resolved", host="h", summary="s", detail="d",
        gpu_uuid=PLACEHOLDER, gpu_index=0, started_at=timezone.now(), fired_at=timezone.now(), resolved_at=timezone.now(),
    )  # fmt: skip
    at = timezone.now()
    delivery = Delivery.objects.create(
        pk=1,
        channel=channel,
        kind="fired",
        rule=rule,
        status="failed",
        created_at=at,
        due_at=at,
        last_error="no answer",
    )
    delivery.events.add(event)
    for host_id, name in (("", "hub"), (OTHER, PLACEHOLDER)):
        _record(host_id, name, start)
    UsageUser.objects.create(name="ana", hue=1)
    return root


def _record(host_id: str, name: str, start: int) -> None:
    """An hour ago: a minute of history, ten minutes of usage, and a gap."""
    source = HistorySource(
        host_id=host_id,
        host=name,
        key=PLACEHOLDER,
        kind="gpu",
        index=0,
        name="H100",
        first_at=start,
        last_at=start + 60,
    )
    values: list[float | None] = [50.0] * 60
    seconds = [1.0] * 60
    buckets = Buckets(
        [*range(start, start + 60)], seconds, {"utilization_percent": Column(values, values, values, seconds)}
    )
    gap = HistoryGap(host_id=host_id, start=start + 30, end=start + 40, reason="lost", text="lost something")
    write([Written(source, [buckets], is_changed=True)], [gap])
    used = UsageGpu.objects.create(host_id=host_id, host=name, uuid=PLACEHOLDER, index=0, name="H100")
    UsagePeriod.objects.create(gpu=used, start=start, end=start + 600)
    UsageSpan.objects.create(gpu=used, start=start, end=start + 600, state="busy", user="ana")


class Visitor:
    """Sends each request with the cookies of the first login, whatever the ones before did with them."""

    def __init__(self, user: User) -> None:
        client = Client()
        client.force_login(user)
        self._cookies = client.cookies.output(header="", sep=";")

    def ask(self, method: str, path: str, query: str, body: bytes = b"") -> HttpResponseBase:
        """Raises what the view raises. Asserts that it is no server error, and not huge."""
        client = Client()
        client.cookies.load(self._cookies)
        form = {"content_type": "application/x-www-form-urlencoded"} if body or method == "POST" else {}
        answer = client.generic(method, path, body, QUERY_STRING=query, **form)
        size = sum(map(len, answer)) if isinstance(answer, StreamingHttpResponse) else len(answer.content)
        assert answer.status_code < 500 or path in UNAVAILABLE, f"{answer.status_code} {path}?{query[:200]}"
        assert size <= LARGEST_ANSWER, f"{size} bytes"
        return answer


# ── Mutations of addresses and forms ──────────────────────────────────────────────────────────────────────────────────


def change_pairs(data: bytes, chance: random.Random, corpus: Sequence[bytes]) -> bytes:
    """A parameter has another value or name, is missing, is there twice, or comes from another address."""
    path, separator, query = data.partition(b"?")
    pairs = [pair for pair in query.split(b"&") if pair]
    others = [pair for pair in chance.choice(corpus).partition(b"?")[2].split(b"&") if pair]
    kind = chance.randrange(6)
    if kind == 0 and others:
        pairs.append(chance.choice(others))
    elif not pairs:
        pairs = others
    else:
        at = chance.randrange(len(pairs))
        name, _, value = pairs[at].partition(b"=")
        if kind == 1:
            del pairs[at]
        elif kind == 2:
            pairs[at:at] = [pairs[at]]
        elif kind == 3 and others:
            pairs[at] = name + b"=" + chance.choice(others).partition(b"=")[2]
        else:
            pairs[at] = name + b"=" + _odd_value(value, chance)
    return path + (separator or b"?") + b"&".join(pairs)


def _odd_value(value: bytes, chance: random.Random) -> bytes:
    kind = chance.randrange(5)
    if kind == 0:
        return quote(chance.choice(TEXTS)).encode()
    if kind == 1:
        return quote(chance.choice(NUMBERS)).encode()
    if kind == 2:
        return quote(chance.choice(PIECES)).encode()
    text = unquote(value.decode("latin-1"))
    at = chance.randint(0, len(text))
    odd = chance.choice((*TEXTS, "-", ",", ".", ":", "T", "Z", "e", "__", "%"))
    return quote(text[:at] + odd + text[at + chance.choice((0, 1, 3)) :]).encode()


def lines_of(text: str) -> Mapping[str, bytes]:
    """An input for each line, but comments."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {f"line {line[:60]!r}": line.encode() for line in lines}
