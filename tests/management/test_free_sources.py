"""What the commands ask a server, and what they make of each answer."""

from __future__ import annotations

import msgspec
import pytest

from monitor.management.free_sources import NoAnswer, Refused, Server, Unknown
from monitor.management.gpu_claims import Claims
from monitor.telemetry.free.choice import choose
from monitor.telemetry.free.wanted import Wanted
from tests.management.answering import answering
from tests.support.snapshots import gpu, host

FOUND = choose(host(gpu(0, use="free")), Wanted(), {})


@pytest.mark.parametrize("status", [200, 409])
def test_question_and_token_are_sent_and_the_answer_is_returned(status: int) -> None:
    with answering(status, msgspec.json.encode(FOUND)) as server:
        wanted = Wanted(2, 20 << 30, 90.0, frozenset({"3", "GPU-1"}))
        assert Server(f"{server.url}/base/", "gpumon_secret").ask(wanted) == FOUND
    ((path, authorization),) = server.asked
    assert path == "/base/api/free?count=2&memory=20480.000MiB&idle_for=90.000&exclude=3%2CGPU-1"
    assert authorization == "Bearer gpumon_secret"


@pytest.mark.parametrize(
    ("status", "body", "raised", "said"),
    [
        (503, b'{"error": "The readings are stale."}', Unknown, "The readings are stale"),
        (401, b'{"error": "Log in."}', Refused, "answers Log in"),
        (400, b'{"error": "No host."}', NoAnswer, "status 400: No host"),
        (302, b"", NoAnswer, "status 302"),
        (200, b"<html>", NoAnswer, "not gpumon"),
        (503, b"<html>", NoAnswer, "status 503"),
    ],
)
def test_other_answers_are_errors_with_their_reason(
    status: int, body: bytes, raised: type[Exception], said: str
) -> None:
    with answering(status, body) as server, pytest.raises(raised, match=said):
        Server(server.url, None).ask(Wanted())
    assert [each.authorization for each in server.asked] == [None]


@pytest.mark.parametrize("url", ["http://127.0.0.1:1", "http://", "http://127.0.0.1:x", "nothing"])
def test_address_without_a_server_is_no_answer(url: str) -> None:
    with pytest.raises(NoAnswer, match="no answer"):
        Server(url, None).ask(Wanted())


def test_claim_excludes_others_until_it_is_given_back() -> None:
    mine, others = Claims(), Claims()
    assert mine.take(["test-a", "test-b"]) == frozenset()
    assert others.take(["test-b", "test-c"]) == frozenset({"test-b"})
    assert mine.take(["test-c"]) == frozenset(), "who cannot have all claims none"
    assert mine.take(["test-a"]) == frozenset(), "what is ours already is no obstacle"
    mine.give_back()
    assert others.take(["test-a", "test-b", "test-c"]) == frozenset()
    others.give_back()
