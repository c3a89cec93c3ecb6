"""Text from outside is made harmless; harmless text is unchanged."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.sanitize import LONGEST, plain, visible, with_plain_texts
from monitor.telemetry.schema import Gpu, GpuProcess, Notice, Reading

ANYTHING = st.text(st.characters(codec=None, categories=None), max_size=60)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("python train.py", "python train.py"),
        ("Größe – 東京 💾", "Größe – 東京 💾"),
        ("a\r\nb", "a  b"),
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("a\u202egnp.exe", "a gnp.exe"),
        ("a\u2028b\x9bc\x00d", "a b c d"),
        ("broken \udcff", "broken \ufffd"),
        ("x" * 100_000, "x" * (LONGEST - 1) + "…"),
    ],
)
def test_unprintable_text_becomes_a_space(given: str, expected: str) -> None:
    assert plain(given) == expected


@given(ANYTHING)
def test_plain_text_is_encodable_one_line_and_stable(text: str) -> None:
    made = plain(text)
    made.encode()
    assert len(made.splitlines()) <= 1
    assert "\x1b" not in made
    assert plain(made) == made


@given(ANYTHING)
def test_visible_text_keeps_every_character_and_contains_no_terminal_escapes(text: str) -> None:
    shown = visible(text)
    shown.encode()
    assert not any(character in shown for character in "\x1b\r\n\x9b\u202e\u2028")
    assert visible("a\x1b[31m\u202eb") == "a\\x1b[31m\\u202eb"


def test_every_text_of_a_reading_is_made_plain() -> None:
    process = GpuProcess(pid=1, name="a\x1bb", user="u\nv", unavailable={"co\x07mmand": "no\x08ne"})
    gpu = Gpu(index=0, uuid="GPU-0", name="H\u202e100", processes=(process,), clock_event_reasons=("i\rdle",))
    reading = Reading(sampled_at=1.0, gpus=(gpu,), driver_version="5\x9b80", notices=(Notice(code="c", text="t\x00"),))
    made = with_plain_texts(reading)
    assert made.gpus[0].name == "H 100"
    assert made.gpus[0].clock_event_reasons == ("i dle",)
    assert made.gpus[0].processes is not None
    assert made.gpus[0].processes[0].name == "a b"
    assert made.gpus[0].processes[0].user == "u v"
    assert made.gpus[0].processes[0].unavailable == {"co mmand": "no ne"}
    assert (made.driver_version, made.notices[0].text) == ("5 80", "t")


@given(ANYTHING, st.sampled_from(("", "\\", '"', '\\"', "°", "x" * LONGEST, '"' * LONGEST)))
def test_texts_of_a_struct_become_what_plain_makes_of_them(text: str, more: str) -> None:
    made = with_plain_texts(Notice(code=more + text, text=text + more, fix=text))
    assert (made.code, made.text, made.fix) == (plain(more + text), plain(text + more), plain(text))


def test_reading_with_only_plain_texts_is_returned_unchanged() -> None:
    reading = Reading(sampled_at=1.0, gpus=(Gpu(index=0, uuid="GPU-0", name="NVIDIA H100", unavailable={"a": "b"}),))
    assert with_plain_texts(reading) is reading
