"""Signatures of webhooks, and secrets that can and cannot sign."""

from __future__ import annotations

import pytest

from monitor.notifications.webhook_signature import key_of, new_secret, signature
from tests.support.outbox_rows import SECRET


def test_the_signature_is_the_one_of_the_specifications_example() -> None:
    signed = signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_new_secret_is_one_that_can_sign() -> None:
    first, second = new_secret(), new_secret()
    assert first != second
    assert len(key_of(first)) == 32


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_short", "whsec_!!!!", "whsec_" + "A" * 100])
def test_a_secret_that_is_none_is_refused_without_being_repeated(secret: str) -> None:
    with pytest.raises(ValueError, match="24 to 64 random bytes in base64") as caught:
        key_of(secret)
    assert not secret.removeprefix("whsec_") or secret not in str(caught.value)
