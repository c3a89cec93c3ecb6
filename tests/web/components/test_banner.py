"""The banner and the badge at one snapshot: the alert they show, and when they are redrawn and so announced again."""

from __future__ import annotations

from typing import Any

from monitor.live.pieces import Part
from monitor.web.components.banner import Banner
from monitor.web.components.live_pieces import LivePieces
from tests.support.snapshots import alert, gpu, host

QUIET = {"acknowledged_at": 990.0, "acknowledged_by": "ana"}


def banner(*alerts: Any, **changes: Any) -> tuple[Part, dict[str, str], dict[str, str]]:
    """The banner's part, the texts of its values, and the attributes of the link."""
    live = LivePieces()
    made = Banner(host(gpu(5), alerts=alerts, **changes), live)
    return made.part, {value.name: value.text for value in live.values}, dict(made.link.attributes)


def test_no_alert_means_no_banner_and_no_count() -> None:
    part, texts, link = banner()
    assert part.draw() == ""
    assert texts["alerts-count"] == ""
    assert (link["title"], link["aria-label"], link["data-level"]) == ("", "Alerts", "ok")


def test_banner_says_what_is_the_case_now() -> None:
    hot = host(gpu(5, temperature_celsius=91), alerts=(alert(),))
    cool = host(gpu(5, temperature_celsius=67), alerts=(alert(is_clearing=True),))
    for snapshot, words in ((hot, "now 91 °C, for 1 min 10 s"), (cool, "now 67 °C, clearing")):
        live = LivePieces()
        made = Banner(snapshot, live)
        assert made.happening.text.replace("\u2009", " ") == words


def test_banner_shows_summary_limit_duration_and_rule() -> None:
    part, texts, _ = banner(alert())
    html = part.draw()
    assert "<b>GPU 5 is hotter than its slowdown threshold</b>" in html
    assert "“Thermal slowdown”" in html
    assert "Critical: " in html
    assert texts["banner-now"] == "now 60\u2009°C, for 1\u2009min 10\u2009s"
    assert texts["banner-more"] == "see all"


def test_banner_shows_the_worst_unacknowledged_alert_and_counts_the_others() -> None:
    others = (alert(2, severity="warning", summary="Full"), alert(3, severity="info"))
    part, texts, link = banner(alert(1, **QUIET), *others)
    assert "Full" in part.draw()
    assert texts["banner-more"] == "and 1 more"
    assert texts["alerts-count"] == "3"
    assert link["data-level"] == "warning"
    assert link["aria-label"] == "Alerts 3: 1 critical, 1 warning, 1 info, 1 of them acknowledged"


def test_acknowledged_alerts_are_counted_without_a_banner() -> None:
    part, texts, link = banner(alert(**QUIET))
    assert part.draw() == ""
    assert texts["alerts-count"] == "1"
    assert link["data-level"] == "ok"


def test_banner_is_announced_once_and_not_each_second_or_for_a_lesser_alert() -> None:
    once, texts, _ = banner(alert(1))
    later, later_texts, _ = banner(alert(1), alert(2, severity="warning"), time=1001.0, sampled_at=1001.0)
    assert once.key == later.key
    assert texts["banner-now"] != later_texts["banner-now"]
    outside = once.draw().partition('role="alert"')[2].partition('<span class="banner-tail">')[0]
    assert "banner-now" not in outside  # what changes each second is outside the announced element
    another, _, _ = banner(alert(9))
    assert another.key != once.key


def test_mark_of_the_link_changes_with_the_set_of_open_alerts() -> None:
    marks = {banner(*alerts)[2]["data-alerts"] for alerts in ((), (alert(1),), (alert(2),), (alert(1), alert(2)))}
    assert len(marks) == 4


def test_clock_set_back_makes_no_negative_duration() -> None:
    _, texts, _ = banner(alert(fired_at=5000.0))
    assert texts["banner-now"] == "now 60\u2009°C, for —"


def test_text_from_outside_is_escaped() -> None:
    part, _, _ = banner(alert(summary="<i>GPU</i>", rule='"><b onclick=1>'))
    assert "<i>" not in part.draw()
    assert "<b onclick" not in part.draw()
