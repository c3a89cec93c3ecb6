"""Text from outside has no meaning in any receiver's language."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.notifications.inert_text import MARK, inert

LIVE = [
    r"@(everyone|here|all|channel|room)",
    r"@[\w*&!]",
    r"<[!@#/a-zA-Z]",
    r"://",
    r"\]\(",
    r"\]\[",
    r"\w\.[a-zA-Z]",
    r"[*`~]",
    r"\|\|",
    rf"(?<!{MARK})_|_(?!{MARK})",
    r"&(#|\w)",
    r"^[#/>-]",
]
"""Mentions, tags, addresses, links, emphasis, code, spoilers, entities, headings and commands of chat services and mail."""
HOSTILE = [
    "@everyone @here @all @channel @room",
    "<!channel> <!here> <@U012AB3CD> <@&112233> <users/all> <at>all</at>",
    "@**all** in Zulip, @room:matrix.org in Matrix",
    "[click](https://evil.example) <https://evil.example|login> ![i](http://x/y.png) [a][b]",
    "*now* **now** _x_ __x__ `rm` ~gone~ ~~gone~~ ||hidden||",
    "evil.example/login www.evil.example http://evil.example mailto:a@evil.example",
    "&lt;!channel&gt; &#64;all &commat;all",
    "# heading\n/command\n> quote\n- item",
]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("pattern", LIVE)
def test_no_construct_of_a_receiver_survives(text: str, pattern: str) -> None:
    assert not re.search(pattern, inert(text), re.MULTILINE)


@settings(max_examples=150)
@given(st.text(alphabet="@<>[]()|!&#/_*`~.:ab1 \n", max_size=40))
def test_no_mixture_of_constructs_survives(text: str) -> None:
    made = inert(text)
    assert not [pattern for pattern in LIVE if re.search(pattern, made, re.MULTILINE)]


@pytest.mark.parametrize(
    "text", ["GPU 3: temperature reached 88.5 °C (limit 87 °C)", "0000:9a:00.0", "Zu heiß – Größe"]
)
def test_ordinary_words_and_numbers_are_unchanged(text: str) -> None:
    assert inert(text) == text


def test_people_read_the_same_text() -> None:
    text = "mira's python (PID 7): train.py --lr 1e-3 @x"
    assert inert(text).replace(MARK, "") == text


def test_host_can_be_copied() -> None:
    made = inert("Host: gpu-01.example.com\nmira: ssh evil.example", kept=["gpu-01.example.com"])
    assert made.startswith("Host: gpu-01.example.com\n")
    assert "evil.example" not in made
    assert "@everyone" not in inert("Host: @everyone", kept=["@everyone"])
