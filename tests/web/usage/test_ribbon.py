"""The ribbon of a card: states by shape, users by color, and no name for viewers without details."""

from __future__ import annotations

from datetime import UTC

import msgspec
from django.template.loader import render_to_string

from monitor.usage.ribbons import Ribbon, RibbonSpan, RibbonUser
from monitor.web.usage.ribbon import HOURS, Ribbons, start_of, strips_of, who_of
from tests.support.snapshots import gpu, host

START = 1_800_000_000.0 // 86400 * 86400
HOUR = 3600.0


def span(start: float, end: float, state: str, user: str = "", hue: int = 0) -> RibbonSpan:
    return RibbonSpan(start=START + start * HOUR, end=START + end * HOUR, state=state, user=user, hue=hue)  # type: ignore[arg-type]


RIBBON = Ribbon(
    uuid="GPU-5",
    index=5,
    name="H100",
    spans=(
        span(0, 12, "busy", "mira", 1),
        span(12, 14, "unknown"),
        span(14, 18, "held", "<b>jo", 4),
        span(18, 20, "free"),
        span(20, 23, "busy", "ninth"),
        span(23, 24, "busy"),
    ),
    users=(
        RibbonUser(user="mira", hue=1, seconds=12 * HOUR),
        RibbonUser(user="<b>jo", hue=4, seconds=4 * HOUR),
        RibbonUser(user="ninth", hue=0, seconds=3 * HOUR),
    ),
)


def made(*, has_details: bool = True) -> Ribbons:
    return strips_of(host(gpu(3), gpu(5)), [RIBBON], START, UTC, has_details=has_details)


def test_state_is_a_shape_and_the_user_a_color() -> None:
    (card,) = made().cards
    assert card.place == 1, "the second card"
    strip = card.strip
    assert [(part.kind, part.x, part.y, part.width, part.height) for part in strip.parts] == [
        ("1", "0.0", "0", "144.0", "10"),
        ("4", "168.0", "6", "48.0", "4"),
        ("others", "240.0", "0", "36.0", "10"),
        ("nobody", "276.0", "0", "12.0", "10"),
    ]
    assert [hatch.title for hatch in strip.hatches] == ["no data, 12:00–14:00"]
    assert [part.title for part in strip.parts] == [
        "mira, 00:00–12:00",
        "<b>jo, idle-held, 14:00–18:00",
        "ninth, 20:00–23:00",
        "busy, 23:00–00:00",
    ]
    assert strip.caption.replace("\u2009", " ") == "mira 12.0 h · <b>jo 4.0 h · 1 more 3.0 h · no data 2.0 h"


def test_legend_has_the_users_with_a_color_of_their_own() -> None:
    assert [user.user for user in made().users] == ["mira", "<b>jo"]
    assert made(has_details=False).users == ()


def test_viewer_without_details_sees_the_same_shapes_without_names() -> None:
    strip, with_names = made(has_details=False).cards[0].strip, made().cards[0].strip
    assert [part[1:5] for part in strip.parts] == [part[1:5] for part in with_names.parts]
    assert {part.kind for part in strip.parts} == {"used"}
    assert strip.caption.replace("\u2009", " ") == "busy 16.0 h · idle-held 4.0 h · no data 2.0 h"
    html = render_to_string("monitor/fragments/usage/ribbons.html", {"ribbons": made(has_details=False)})
    assert not any(name in html for name in ("mira", "jo", "ninth"))


def test_names_are_escaped() -> None:
    html = render_to_string("monitor/fragments/usage/ribbons.html", {"ribbons": made()})
    assert "&lt;b&gt;jo, idle-held" in html
    assert "<b>jo" not in html


def test_gpu_that_nobody_used_is_free_and_an_unknown_gpu_has_no_ribbon() -> None:
    free = Ribbon(uuid="GPU-5", index=5, name="H100", spans=(span(0, 24, "free"),), users=())
    ((_, strip),) = strips_of(host(gpu(5), gpu(6)), [free], START, UTC, has_details=True).cards
    assert (strip.caption, strip.parts, strip.hatches) == ("free", (), ())


def test_time_before_the_recording_is_not_drawn_as_free() -> None:
    """A host that had just joined had been free for 24 hours."""
    new = msgspec.structs.replace(
        RIBBON,
        spans=(span(22, 24, "busy", "mira", 1),),
        users=(RibbonUser(user="mira", hue=1, seconds=2 * HOUR),),
    )
    ((_, strip),) = strips_of(host(gpu(5)), [new], START, UTC, has_details=True).cards
    assert [hatch.title for hatch in strip.hatches] == ["not recorded, 00:00–22:00"]
    assert strip.caption.replace("\u2009", " ") == "mira 2.0 h · not recorded 22.0 h"
    who = who_of(new, START, START + 24 * HOUR, UTC, has_details=True)
    assert [(share.label, share.kind) for share in who.shares] == [("mira", "1"), ("not recorded", "unknown")]


def test_no_user_held_a_gpu_idle_for_longer_than_they_had_it() -> None:
    """The spans of a strip begin and end at whole steps."""
    new = msgspec.structs.replace(
        RIBBON, spans=(span(0, 0.1, "held", "jo", 4),), users=(RibbonUser(user="jo", hue=4, seconds=120.0),)
    )
    (jo,) = who_of(new, START, START + 24 * HOUR, UTC, has_details=True).shares
    assert jo.text.replace("\u2009", " ") == "2 min, idle-held 2 min"


def test_caption_of_a_short_span_names_who_had_the_gpu() -> None:
    """In less than a quarter-hour, every GPU was free."""
    minute = msgspec.structs.replace(
        RIBBON,
        spans=(span(0, 1 / 60, "busy", "mira", 1),),
        users=(RibbonUser(user="mira", hue=1, seconds=45.0),),
    )
    who = who_of(minute, START, START + 60, UTC, has_details=True)
    assert who.strip.caption.replace("\u2009", " ") == "mira 45 s"


def test_ribbon_ends_at_the_next_five_minutes() -> None:
    assert start_of(START + 1) == START + 300 - HOURS * HOUR
    assert start_of(START + 299.9) == START + 300 - HOURS * HOUR


def test_strip_of_a_gpu_covers_any_span_and_its_legend_says_for_how_long() -> None:
    who = who_of(RIBBON, START, START + 48 * HOUR, UTC, has_details=True)
    assert [(part.x, part.width) for part in who.strip.parts][:2] == [("0.0", "72.0"), ("84.0", "24.0")]
    assert who.strip.parts[0].title == "mira, 15 Jan 00:00–15 Jan 12:00", "with the day where there are several"
    assert [(share.label, share.kind, share.text.replace("\u2009", " ")) for share in who.shares] == [
        ("mira", "1", "12.0 h"),
        ("<b>jo", "4", "4.0 h, idle-held 4.0 h"),
        ("ninth", "others", "3.0 h"),
        ("free", "free", "2.0 h"),
        ("no data", "unknown", "2.0 h"),
    ]


def test_legend_without_details_names_states_only() -> None:
    who = who_of(RIBBON, START, START + 24 * HOUR, UTC, has_details=False)
    assert [share.label for share in who.shares] == ["busy", "idle-held", "free", "no data"]
    html = render_to_string("monitor/fragments/usage/who.html", {"who": who})
    assert not any(name in html for name in ("mira", "jo", "ninth"))
