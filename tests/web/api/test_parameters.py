"""Checks of parameters that several endpoints share."""

from __future__ import annotations

import pytest

from monitor.web.api.parameters import refuse_unknown, whole_number


def test_a_number_between_the_limits_is_taken() -> None:
    assert [whole_number("limit", text, 1, 1000) for text in ("1", "007", "1000")] == [1, 7, 1000]


@pytest.mark.parametrize("text", ["", "0", "1001", "-1", "+1", "1.0", "1e2", " 5", "٣", "²", "9" * 5000])
def test_any_other_text_is_refused_with_the_limits(text: str) -> None:
    """Five thousand digits once needed a check of their own: Python refuses to read so many."""
    with pytest.raises(ValueError, match=r"limit is .*; it must be a whole number from 1 to 1000"):
        whole_number("limit", text, 1, 1000)


def test_a_misspelled_parameter_is_refused_with_the_known_ones() -> None:
    refuse_unknown({"since": "1"}, ("since", "limit"))
    with pytest.raises(ValueError, match="unknown parameter 'sinse'; known are since, limit"):
        refuse_unknown({"sinse": "1"}, ("since", "limit"))
