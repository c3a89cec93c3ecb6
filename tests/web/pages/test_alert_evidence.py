"""The evidence on an alert's page: what it shows, when it is missing, and who sees whose processes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from pytest_django import Settings

from monitor.access.policy import Access
from monitor.alerts.evidence import Evidence, Gap, GpuThen, KernelLine, Line, SeenXid, pack
from monitor.models import AlertEvent, AlertEvidence
from monitor.runtime.runtime import Runtime
from tests.support.clients import text
from tests.support.runtimes import current_runtime
from tests.support.snapshots import process
from tests.web.alert_rows import event

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("static_root")]

TIMES = tuple(float(at) for at in range(-900, 901))
RULE = {"id": 1, "name": "Hot", "kind": "threshold", "metric": "gpu.temperature_celsius", "comparator": ">=",
        "threshold": 0.0, "relative_to": "slowdown_temperature_celsius", "clear_threshold": -3.0}  # fmt: skip
SECRET = ("ana", "train.py", "0123456789ab")


@pytest.fixture(autouse=True)
def runtime() -> Iterator[Runtime]:
    with current_runtime() as running:
        yield running


def hot(**changes: Any) -> AlertEvent:
    values = {"rule_name": "Hot", "rule_then": RULE, "metric": "gpu.temperature_celsius", "threshold": 87.0,
              "value": 87.0, "worst_value": 88.0, "summary": "GPU 5 reached 88 °C",
              "severity": "critical"}  # fmt: skip
    return event(**{**values, **changes})


def evidence(**changes: Any) -> Evidence:
    values: dict[str, Any] = {
        "times": TIMES,
        "lines": (
            Line("gpu.temperature_celsius", tuple(88.0 if 0 <= at < 60 else 69.0 for at in TIMES)),
            Line("gpu.sm_clock_mhz", tuple(1325.0 if 0 <= at < 60 else 1830.0 for at in TIMES), 1980.0),
        ),
        "gpus": (GpuThen(5, "GPU-5", (process(7, container_id="0123456789ab" * 5 + "0123"),)),),
        "xids": (SeenXid(-10.0, 5, 62, 1),),
    }
    return Evidence(**{**values, **changes})


def kept(alert: AlertEvent, found: Evidence) -> AlertEvent:
    AlertEvidence.objects.create(event=alert, data=pack(found))
    return alert


def page(alert: AlertEvent, client: Client | None = None) -> Any:
    answer = (client or Client()).get(f"/alerts/{alert.pk}")
    assert answer.status_code == 200
    return answer


def drawn(answer: Any) -> list[Any]:
    return [chart.drawn for chart in answer.context["evidence"].charts]


def test_charts_have_the_limit_the_span_of_the_alert_and_the_worst_value() -> None:
    alert = kept(hot(), evidence())
    answer = page(alert)
    temperature, clock = answer.context["evidence"].charts
    assert (temperature.title, temperature.worst, temperature.worst_label) == ("Temperature", "88\u2009°C", "max")
    assert (clock.title, clock.worst, clock.worst_label) == ("SM clock", "1325\u2009MHz", "min")
    assert clock.caption == "max 1980\u2009MHz"
    shown = temperature.drawn
    fired = alert.fired_at.timestamp()
    assert (shown.start, shown.end, shown.fired, shown.over) == (fired - 900, fired + 900, fired, fired + 120)
    assert (shown.limit.value, shown.clear.value) == (87, 84)
    assert (shown.low, shown.high, shown.gaps, shown.recorded_until) == (50, 100, [], None)
    assert (clock.drawn.limit, clock.drawn.low, clock.drawn.high) == (None, 0, 2000)
    assert "69\u2009°C at first, between 69\u2009°C and 88\u2009°C, 69\u2009°C at the end." in answer.content.decode()


def test_page_lists_processes_and_xid_errors_of_the_moment() -> None:
    said = text(page(kept(hot(), evidence())))
    assert "1 on GPU 5 · kept with this alert" in said
    assert "ana 5 python train.py --rank 7 1.0 GiB" in said
    assert "GPU 5: Xid 62, the GPU's microcontroller halted" in said


@pytest.mark.parametrize("shows_details", [True, False])
def test_kernel_log_is_shown_to_those_who_see_who_runs_what(settings: Settings, shows_details: bool) -> None:
    settings.ACCESS = Access("nobody", is_exposed=True, shows_details=shows_details)
    line = KernelLine(-9.9, 5, "NVRM: Xid (PCI:0000:3b:00): 31, name=<b>ana</b>")
    answer = page(kept(hot(), evidence(kernel_lines=(line,))))
    assert ("name=&lt;b&gt;ana&lt;/b&gt;" in answer.content.decode()) == shows_details
    hidden = "Lines of the kernel log are shown to those who may see who runs what."
    assert (hidden in text(answer)) != shows_details
    assert "<b>ana" not in answer.content.decode()


def test_unreadable_kernel_log_is_said() -> None:
    answer = page(kept(hot(), evidence(kernel_log_note="kernel log not readable: no permission")))
    assert "Kernel log not readable: no permission." in text(answer)


def test_what_happened_is_in_order_with_the_worst_value() -> None:
    operator = User.objects.create_user("olga")
    alert = hot(acknowledged_at=None)
    AlertEvent.objects.filter(pk=alert.pk).update(
        acknowledged_at=alert.fired_at + timedelta(seconds=90), acknowledged_by=operator, note="fan tray 2"
    )
    moments = page(kept(alert, evidence())).context["happened"]
    assert [each.text for each in moments] == [
        "Condition first met", "Fired after 30\u2009s", "Worst: 88\u2009°C", "Acknowledged by olga", "Resolved"
    ]  # fmt: skip


@pytest.mark.parametrize("shows_details", [True, False])
def test_anonymous_visitor_sees_who_ran_what_only_where_current_processes_show_it(
    settings: Settings, shows_details: bool
) -> None:
    settings.ACCESS = Access("nobody", is_exposed=True, shows_details=shows_details)
    said = page(kept(hot(), evidence()), Client()).content.decode()
    assert ("ana" in said, "0123456789ab" in said) == (shows_details, shows_details)
    assert "train.py" not in said  # command lines need a permission
    assert "GPU memory" in said


def test_user_without_the_permission_sees_no_command_line(settings: Settings) -> None:
    settings.ACCESS = Access("everybody", is_exposed=True, shows_details=False)
    client = Client()
    client.force_login(User.objects.create_user("viewer"))
    said = page(kept(hot(), evidence()), client).content.decode()
    assert "ana" in said
    assert "train.py" not in said


@pytest.mark.parametrize(("setting", "has_name"), [("name", True), ("none", False)])
def test_command_lines_switched_off_since_are_not_shown(runtime: Runtime, setting: str, has_name: bool) -> None:
    runtime.settings.config = runtime.config.model_copy(update={"show_commands": setting})
    [row] = page(kept(hot(), evidence())).context["evidence"].rows
    assert row.process.command is None
    assert (row.process.name == "python") is has_name


def test_gap_has_its_reason_and_unexplained_ones_are_not_recorded() -> None:
    times = (-100.0, *(float(at) for at in range(-50, 200)), 260.0)
    values = tuple(None if 10 <= at <= 40 else 60.0 for at in times)
    found = evidence(times=times, lines=(Line("gpu.temperature_celsius", values),), gaps=(Gap(10.0, 40.0, "GPU lost"),))
    alert = kept(hot(), found)
    [shown] = drawn(page(alert))
    fired = alert.fired_at.timestamp()
    assert [(start - fired, end - fired, reason) for start, end, reason in shown.gaps] == [
        (-900, -100, "not recorded"),
        (-100, -50, "not recorded"),
        (9, 41, "GPU lost"),
        (199, 260, "not recorded"),
        (260, 900, "not recorded"),
    ]


def test_alert_that_still_records_has_no_gap_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    alert = hot(state="firing")
    now = alert.fired_at + timedelta(seconds=100)
    monkeypatch.setattr("monitor.web.pages.alert_evidence.timezone.now", lambda: now)
    times = tuple(float(at) for at in range(-900, 61))
    line = Line("gpu.temperature_celsius", (88.0,) * len(times))
    [shown] = drawn(page(kept(alert, evidence(times=times, lines=(line,)))))
    assert shown.gaps == []
    assert shown.recorded_until == alert.fired_at.timestamp() + 60


def test_alert_recorded_with_another_shows_its_readings_at_their_own_time() -> None:
    first = kept(hot(), evidence())
    second = hot(minutes=-5)
    kept(second, Evidence(recorded_with=str(first.pk), gpus=(GpuThen(5, "GPU-5", ()),)))
    answer = page(second)
    shown = drawn(answer)[0]
    known = {at: value for at, value in zip(shown.times, shown.values, strict=True) if value is not None}
    assert (min(known), max(known)) == (second.fired_at.timestamp() - 900, first.fired_at.timestamp() + 900)
    assert known[first.fired_at.timestamp()] == 88
    assert "No process was on GPU 5." in text(answer)
    first.delete()
    assert "No values were recorded" in text(page(second))


def test_alert_without_evidence_says_why() -> None:
    assert "No evidence is kept with this alert" in text(page(hot()))
    alert = hot()
    AlertEvidence.objects.create(event=alert, data=b"damaged")
    assert "The evidence of this alert cannot be shown" in text(page(alert))


def test_page_links_to_the_alerts_around_it() -> None:
    first, second, other, third = hot(minutes=30), hot(minutes=20), hot(minutes=15, gpu_uuid="GPU-6"), hot(minutes=10)
    around = page(second).context["around"]
    assert (around.earlier, around.later) == (first.pk, other.pk)
    assert [each.event.pk for each in page(third).context["around"].same] == [second.pk, first.pk]
