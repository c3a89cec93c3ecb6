"""Secrets in command lines are hidden before they leave the sampler, in the forms in which people pass them."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.telemetry.host.command_secrets import hide_in_arguments, hide_secrets


@pytest.mark.parametrize(
    ("command", "shown"),
    [
        ("t.py --password=S3CRET --lr 0.1", "t.py --password=*** --lr 0.1"),
        ("t.py --api-key S3CRET --foo", "t.py --api-key *** --foo"),
        ("t.py -password S3CRET", "t.py -password ***"),
        ("TOKEN=S3CRET python x", "TOKEN=*** python x"),
        ("PGPASSWORD=S3CRET x", "PGPASSWORD=*** x"),
        ("AWS_SECRET_ACCESS_KEY=S3CRET x", "AWS_SECRET_ACCESS_KEY=*** x"),
        ("-e WANDB_API_KEY=S3CRET i", "-e WANDB_API_KEY=*** i"),
        ("--env=HF_TOKEN=S3CRET i", "--env=HF_TOKEN=*** i"),
        ("apiKey=S3CRET hfToken=S3CRET", "apiKey=*** hfToken=***"),
        ("x postgres://ana:S3CRET@db/x", "x postgres://ana:***@db/x"),
        ("x postgres://ana:S3/CRET@db/x", "x postgres://ana:***@db/x"),
        ("x ana:S3CRET@host:5", "x ana:***@host:5"),
        ("git clone https://S3CRET@github.com/x", "git clone https://***@github.com/x"),
        ("curl -u ana:S3CRET http://h", "curl -u ana:*** http://h"),
        ('curl -H "Authorization: Bearer S3CRET" http://h', 'curl -H "Authorization: Bearer ***" http://h'),
        ("curl -H Authorization: Bearer S3CRET http://h", "curl -H Authorization: Bearer *** http://h"),
        ("curl -H X-Api-Key: S3CRET http://h", "curl -H X-Api-Key: *** http://h"),
        ("x http://h/?token=S3CRET&y=1", "x http://h/?token=***"),
        ('sh -c "HF_TOKEN=S3CRET python x"', 'sh -c "HF_TOKEN=*** python x"'),
        ("x --password='S3 CRET' y", "x --password='***' y"),
        ('x {"password": "S3CRET", "a": 1}', 'x {"password": "***", "a": 1}'),
        ('x {"password":"S3CRET","a":1}', 'x {"password":"***","a":1}'),
        ("serve hf_S3CRETabcdefghijklmnop", "serve ***"),
        ("serve --key=sk-proj-S3CRETabcdefghijklm1", "serve --key=***"),
    ],
)
def test_secret_is_hidden_and_the_rest_stays(command: str, shown: str) -> None:
    assert hide_secrets(command) == shown


@pytest.mark.parametrize(
    "command",
    [
        "python train.py --max-new-tokens 512 --tokenizer bert --lr=3e-4",
        "vllm serve --token-file /run/secrets/hf --pad-token-id 3 --host 0.0.0.0:8000",
        "docker run -u 1000:1000 --gpus all img:tag@sha256:0123abc",
        "git clone git@github.com:a/b ssh://git@host/x",
        "torchrun --rdzv-endpoint=node1:29500 --sort-key length --bypass x --compass y",
        "python -c 'print(1)' --password --verbose",
        "[kworker/0:1] <defunct>",
        "",
    ],
)
def test_command_line_without_a_secret_is_unchanged(command: str) -> None:
    assert hide_secrets(command) == command


def test_arguments_with_spaces_are_hidden_as_a_whole() -> None:
    assert hide_in_arguments(["x", "--password=S3 CRET", "y z"]) == "x --password=*** y z"
    assert hide_in_arguments(["x", "--password", "S3 CRET", "y"]) == "x --password *** y"
    assert hide_in_arguments(["sh", "-c", "TOKEN=S3CRET x"]) == "sh -c TOKEN=*** x"


PIECES = st.lists(
    st.sampled_from(["--token", "=", ":", " ", "a", "'", '"', "@", "://", "Bearer", "-u", "password", "{", "é"])
)


@settings(max_examples=100, deadline=None)
@given(
    PIECES.map("".join) | st.text(max_size=40), st.sampled_from(["--password=", "--api-key ", "HF_TOKEN=", "x://u:"])
)
def test_secret_is_hidden_whatever_else_the_command_line_contains(text: str, name: str) -> None:
    end = "@h" if name.startswith("x") else ""
    assert "S3CRET" not in hide_secrets(f"python {name}S3CRET{end} {text}")
    assert "S3CRET" not in hide_secrets(hide_secrets(f"{text} ' {name}S3CRET{end}"))


@pytest.mark.parametrize(
    "unit", ["token", "token=", "a:", "'", "@", " --token", "://", "a.", "A", "=", "aA", "Bearer "]
)
@pytest.mark.slow
def test_time_grows_with_the_length_of_the_text(unit: str) -> None:
    def seconds(length: int) -> float:
        text = (unit * length)[: length * 4]
        times = []
        for turn in range(3):
            started = time.process_time()
            hide_secrets(f"{turn}{text}")
            times.append(time.process_time() - started)
        return min(times)

    assert seconds(80_000) < 8 * seconds(20_000) + 0.05
