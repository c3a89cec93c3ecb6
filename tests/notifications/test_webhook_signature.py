"""Signatures of webhooks; valid and invalid secrets."""

from __future__ import annotations

import pytest

from monitor.notifications.webhook_signature import key_of, new_secret, signature
from tests.support.outbox_rows import SECRET


def test_signature_matches_the_example_of_the_specification() -> None:
    signed = signature(SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert signed == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_new_secret_can_sign() -> None:
    first, second = new_secret(), new_secret()
    assert first != second
    assert len(key_of(first)) == 32


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_short", "whsec_!!!!", "whsec_" + "A" * 100])
def test_invalid_secret_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(ValueError, match="24 to 64 random bytes in base64") as caught:
        key_of(secret)
    assert not secret.removeprefix("whsec_") or secret not in str(caught.value)
