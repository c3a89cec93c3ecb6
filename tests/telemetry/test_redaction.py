"""Redaction of snapshots for anonymous viewers."""

from __future__ import annotations

import msgspec

from monitor.telemetry.redaction import NEEDS_PERMISSION, OF_ALERTS, OF_PROCESSES, REASON, as_seen, without_details
from tests.support.snapshots import alert, gpu, host, process

SECRETS = ("ana", "train.py", "c0ffee", "vllm-2", "p0d", "team/serve", "8841", "S123", "mira", "held by", "eva")


def whole() -> bytes:
    places = {
        "container_id": "c0ffee",
        "container_name": "vllm-2",
        "pod_id": "p0d",
        "pod_name": "team/serve",
        "job_id": "8841",
    }
    running = process(7, **places, name="ana-python", unavailable={"user": "no permission"})
    told = alert(detail="held by ana", acknowledged_by="mira", acknowledged_at=950.0, note="ask eva")
    return msgspec.json.encode(host(gpu(processes=(running,), serial_number="S123"), alerts=(told,)))


def test_users_and_commands_are_removed() -> None:
    snapshot = msgspec.json.decode(whole(), type=type(host()))
    text = msgspec.json.encode(without_details(snapshot)).decode()
    assert [secret for secret in SECRETS if secret in text] == []
    assert all(secret in whole().decode() for secret in SECRETS)


def test_hidden_values_are_unknown_with_the_reason_and_the_rest_stays() -> None:
    shown = without_details(msgspec.json.decode(whole(), type=type(host())))
    (running,) = shown.gpus[0].processes or ()
    assert {name: running.unavailable[name] for name in OF_PROCESSES} == dict.fromkeys(OF_PROCESSES, REASON)
    assert (running.pid, running.memory_used_bytes) == (7, 1 << 30)
    assert shown.gpus[0].unavailable["serial_number"] == REASON
    assert [getattr(shown.alerts[0], name) for name in OF_ALERTS] == [None, None, None]
    assert (shown.alerts[0].summary, shown.alerts[0].acknowledged_at) == (alert().summary, 950.0)


def test_command_line_is_removed_with_the_reason_and_the_program_stays() -> None:
    shown = as_seen(msgspec.json.decode(whole(), type=type(host())), has_details=True, has_commands=False)
    (running,) = shown.gpus[0].processes or ()
    assert (running.user, running.name, running.command) == ("ana", "ana-python", None)
    assert running.unavailable["command"] == NEEDS_PERMISSION
    assert shown.alerts[0].detail == "held by ana"


def test_reason_of_a_command_line_that_is_missing_anyway_stays() -> None:
    gone = process(7, command=None, unavailable={"command": "gone"})
    (shown,) = as_seen(host(gpu(processes=(gone,))), has_details=True, has_commands=False).gpus[0].processes or ()
    assert shown.unavailable["command"] == "gone"


def test_unavailable_process_list_stays_unavailable() -> None:
    assert without_details(host(gpu(processes=None))).gpus[0].processes is None
