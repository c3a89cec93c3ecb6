"""URLs and texts without secrets."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.notifications.masking import LONGEST_TEXT, masked, without_secrets


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://hooks.example.com/T0KEN?key=S3CRET", "https://hooks.example.com/***"),
        ("https://user:pass@hooks.example.com:8443/x", "https://hooks.example.com:8443/***"),
        ("https://discord.com/api/webhooks/4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js", "https://discord.com/***"),
        ("mailtos://ops:pass@smtp.example.com:465/?to=a@example.com", "mailtos://smtp.example.com:465/***"),
        ("slack://TokenA/TokenB/TokenC", "slack://***"),
        ("ntfy://secret-topic", "ntfy://***"),
        ("tgram://123456789:AAbcdefghij/12315544", "tgram://***"),
        ("JSONS://localhost/path", "jsons://localhost/***"),
        ("no url at all", "***"),
        ("https://pass@word:x@host.example.com/", "https://host.example.com/***"),
    ],
)
def test_url_is_shown_without_possible_secrets(url: str, shown: str) -> None:
    assert masked(url) == shown


@pytest.mark.parametrize(
    ("text", "url", "left"),
    [
        ("POST /hook/T0KEN?key=S3CRET refused", "https://example.com/hook/T0KEN?key=S3CRET", "POST /***/***?*** refused"),
        ("login of ops with p/w failed", "mailto://ops:p%2Fw@example.com", "login of ops with *** failed"),
        ("see https://other.example.com/a/b?c=d", "slack://TokenA", "see https://other.example.com/***"),
        ("1.https://other.example.com/a, -https://b/c", "slack://TokenA", "1.https://other.example.com/*** -https://b/***"),
        ("1https://other.example.com/a", "slack://TokenA", "***"),
        ("p/w and hunter2", "slack://://://:hunter2@host/", "p/w and ***"),
        ("token TOKENA is wrong", "slack://TokenA", "token *** is wrong"),
        ("Connection refused by example.com", "https://example.com/", "Connection refused by example.com"),
    ],
)  # fmt: skip
def test_text_is_shown_without_the_secrets_of_the_url(text: str, url: str, left: str) -> None:
    assert without_secrets(text, url) == left


def test_other_secrets_are_hidden_and_long_texts_truncated() -> None:
    assert without_secrets("signed by whsec_abc", "https://example.com/", "whsec_abc", "") == "signed by ***"
    assert len(without_secrets("x " * 1000, "https://example.com/")) == LONGEST_TEXT


WORD = st.text(alphabet="abcdefgXYZ0123456789_-", min_size=6, max_size=20)


@given(
    scheme=st.sampled_from(["https", "mailto", "slack", "tgram", "json"]),
    secrets=st.lists(WORD, min_size=4, max_size=4),
)
def test_masked_text_has_no_piece_of_the_url(scheme: str, secrets: list[str]) -> None:
    user, password, path, value = secrets
    url = f"{scheme}://{user}:{password}@h.example.com/{path}?q={value}"
    text = without_secrets(f"{url}: {password} at {path}, {value.upper()}", url)
    assert not [piece for piece in (password, path, value) if piece.lower() in text.lower()]
    assert not [piece for piece in secrets if piece in masked(url)]
