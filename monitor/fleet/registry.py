"""Which agents may connect: exchanging one-time codes for keys, and checking keys. Everything here queries the database."""

from __future__ import annotations

import hashlib
import secrets
import socket
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import NamedTuple

from django.contrib.auth.models import AbstractBaseUser
from django.db import transaction

from monitor.fleet.protocol import Hello, Refused
from monitor.models import FleetHost, JoinCode
from monitor.sanitize import plain

KEY_PREFIX = "gpumonhost_"
CODE_PREFIX = "gpumonjoin_"
CODE_LASTS = timedelta(hours=24)
_SHOWN = len(KEY_PREFIX) + 5
_LONGEST_NAME = 100
State = FleetHost.State
_ASK = "ask an administrator of the hub for a new code (Settings, Hosts, Add), and start the agent with --code"

REFUSALS: dict[str, str] = {
    "no_code": f"This host has no key yet: {_ASK}.",
    "wrong_code": f"The code is wrong, or belongs to another hub: {_ASK}.",
    "used_code": f"The code has been used by another host, and each is valid once: {_ASK}.",
    "expired_code": f"The code has expired; a code is valid for 24 hours: {_ASK}.",
    "unknown_key": f"The hub does not know the key of this host, which was deleted there or joined another hub: {_ASK}.",
    "other_host": "The key belongs to another host: the data folder was copied without its file host_id. Delete the file "
    f"agent_key in it, then {_ASK}.",
    "revoked": f"An administrator of the hub has revoked the key of this host. To join again, {_ASK}.",
    "retired": "An administrator of the hub has marked this host as retired. To use it again, they can set its state to active.",
    "is_hub": "This is the host id of the hub itself, which needs no agent: it reads its own GPUs. If another host has a copy "
    "of its data folder, give the agent a folder of its own (GPU_MONITOR_DATA_DIR).",
}


class Admitted(NamedTuple):
    """A host whose agent may connect."""

    host_id: str
    name: str
    tags: tuple[str, ...]
    key: str | None
    """A new key, to be sent to the agent; None if it already has one."""


def make_code(*, name: str, created_by: AbstractBaseUser | None, now: datetime) -> str:
    """Save a one-time code and return it. Only its hash is kept."""
    code = CODE_PREFIX + secrets.token_urlsafe(24)
    JoinCode.objects.create(
        name=name,
        digest=digest_of(code),
        created_by=created_by,  # type: ignore[misc]  # whatever the user model is
        expires_at=now + CODE_LASTS,
    )
    return code


def digest_of(secret: str) -> str:
    """The hash of a key or code, which is stored in its place."""
    return hashlib.sha256(secret.encode()).hexdigest()


def admit(hello: Hello, key: str | None, connected: Collection[str], now: datetime) -> Admitted | Refused:
    """Check the key. If it is not valid, exchange the code for a new one, if there is a code. `connected`: host ids of agents that
    are connected now.
    """
    known = _by_key(hello, key)
    if isinstance(known, FleetHost):
        return _admitted(known, None)
    if hello.code is None:
        return known
    joined = _join(hello, hello.code, connected, now)
    # An agent keeps its code in its settings. Once it has a key, an old code says nothing about why it is refused.
    is_old_code = key is not None and isinstance(joined, Refused) and joined.code in ("used_code", "expired_code")
    return known if is_old_code else joined


def _by_key(hello: Hello, key: str | None) -> FleetHost | Refused:
    if key is None:
        return refused("no_code")
    # Found by its hash: the time that takes reveals nothing about keys, because hashes cannot be chosen.
    host = FleetHost.objects.filter(key_digest=digest_of(key)).first() if key.startswith(KEY_PREFIX) else None
    if host is None:
        return refused("unknown_key")
    if host.host_id != hello.host_id:
        return refused("other_host")
    if (reason := why_not(host.state)) is not None:
        return reason
    if hello.machine is not None and host.machine != hello.machine:
        FleetHost.objects.filter(pk=host.pk).update(machine=hello.machine)
    return host


def why_not(state: str) -> Refused | None:
    """Why a host with a key is refused in this state, if it is."""
    return refused(state) if state in (State.REVOKED, State.RETIRED) else None


def refused(code: str) -> Refused:
    """The refusal with this code."""
    return Refused(code=code, text=REFUSALS[code])


def _join(hello: Hello, secret: str, connected: Collection[str], now: datetime) -> Admitted | Refused:
    """A code is claimed in its row, so that two agents cannot both use it. The same host can use it again until it expires: its
    key may have been lost on the way, or an administrator has to agree first.
    """
    with transaction.atomic():
        code = JoinCode.objects.filter(digest=digest_of(secret)).first() if secret.startswith(CODE_PREFIX) else None
        if code is None:
            return refused("wrong_code")
        if code.expires_at <= now:
            return refused("expired_code")
        claimed = JoinCode.objects.filter(pk=code.pk, used_by="").update(used_by=hello.host_id)
        if not claimed and code.used_by != hello.host_id:
            return refused("used_code")
        host = FleetHost.objects.filter(host_id=hello.host_id).first()
        if host is None:
            if not claimed:  # it was deleted
                return refused("used_code")
            host = _new_host(hello, code, connected)
        elif not claimed and (reason := why_not(host.state)) is not None:
            return reason
        if host.state == State.PENDING:
            return _same_machine(host)
        host.key_prefix, host.key_digest, key = _made_key()
        host.state = State.ACTIVE if why_not(host.state) else host.state
        host.machine, host.last_seen_at, host.agent_version = hello.machine or "", now, plain(hello.version)
        host.save(update_fields=["key_prefix", "key_digest", "state", "machine", "last_seen_at", "agent_version"])
    return _admitted(host, key)


def _made_key() -> tuple[str, str, str]:
    key = KEY_PREFIX + secrets.token_urlsafe(32)
    return key[:_SHOWN], digest_of(key), key


def _new_host(hello: Hello, code: JoinCode, connected: Collection[str]) -> FleetHost:
    """If another host was on the same machine and is gone, the machine was probably reinstalled."""
    twin = None
    if hello.machine is not None:
        same = FleetHost.objects.filter(machine=hello.machine, state__in=(State.ACTIVE, State.MAY_BE_OFF))
        twin = same.exclude(host_id__in=connected).first()
    return FleetHost.objects.create(
        host_id=hello.host_id,
        name=free_name(code.name or plain(hello.host) or "unnamed"),
        state=State.ACTIVE if twin is None else State.PENDING,
        machine=hello.machine or "",
        replaces=twin,
        agent_version=plain(hello.version),
        problem=""
        if twin is None
        else f"The same machine as {twin.name}: if it was reinstalled, replace that host by this one.",
    )


def free_name(wanted: str) -> str:
    """This name, or with a number if another host has it; the hub is one too."""
    wanted = wanted[:_LONGEST_NAME]
    taken = set(FleetHost.objects.filter(name__startswith=wanted[: _LONGEST_NAME - 5]).values_list("name", flat=True))
    taken.add(plain(socket.gethostname()))
    names = (wanted, *(f"{wanted[: _LONGEST_NAME - 5]}-{number}" for number in range(2, len(taken) + 3)))
    return next(name for name in names if name not in taken)


def _same_machine(host: FleetHost) -> Refused:
    twin = host.replaces.name if host.replaces else "another host"
    return Refused(
        code="same_machine",
        text=f"The hub knows this machine as {twin}, with another host id. If it was reinstalled, an administrator of the hub can "
        f"replace {twin} by it (Settings, Hosts); the agent keeps asking.",
    )


def replace(host: FleetHost) -> None:
    """The pending host becomes what the host with the same machine was: it gets its name and tags, and that one is retired."""
    with transaction.atomic():
        before = host.replaces
        if before is not None:
            name, tags = before.name, before.tags
            before.name, before.state = free_name(f"{name} (replaced)"), State.RETIRED
            before.save(update_fields=["name", "state"])
            host.name, host.tags = name, tags
        host.state, host.replaces, host.problem = State.ACTIVE, None, ""
        host.save(update_fields=["name", "tags", "state", "replaces", "problem"])


def _admitted(host: FleetHost, key: str | None) -> Admitted:
    return Admitted(host.host_id, host.name, tuple(host.tags), key)


# ── For the watch ─────────────────────────────────────────────────────────────────────────────────────────────────────


class Row(NamedTuple):
    """What the registry says about a host."""

    host_id: str
    name: str
    tags: tuple[str, ...]
    state: str
    last_seen_at: datetime | None
    agent_version: str
    driver_version: str
    clock_offset_seconds: float | None
    problem: str


class Seen(NamedTuple):
    """What a connected agent has shown, to be written down."""

    host_id: str
    at: datetime
    agent_version: str
    driver_version: str
    clock_offset_seconds: float | None
    problem: str


def rows() -> list[Row]:
    """Every host, by name."""
    return [
        Row(tags=tuple(each.pop("tags")), **each) for each in FleetHost.objects.order_by("name").values(*Row._fields)
    ]


def write_seen(seen: list[Seen]) -> None:
    """Write all in one transaction."""
    with transaction.atomic():
        for each in seen:
            FleetHost.objects.filter(host_id=each.host_id).update(
                last_seen_at=each.at,
                agent_version=each.agent_version,
                driver_version=each.driver_version,
                clock_offset_seconds=each.clock_offset_seconds,
                problem=each.problem,
            )
