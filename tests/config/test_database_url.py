"""GPU_MONITOR_DATABASE_URL: what it can say, what is wrong with it, and that its password is shown nowhere."""

from __future__ import annotations

import contextlib
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config.database_url import masked, parse, place
from monitor.config.databases import databases
from monitor.config.loading import load_config
from monitor.config.model import Config

SECRET = "hush-hush-hush"


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("postgresql://u:p@db.example.com:6000/gpus", ("db.example.com", 6000, "gpus", "u", "p", {})),
        ("postgres://u:p@DB/gpus", ("DB", 5432, "gpus", "u", "p", {})),
        ("postgresql://u@[::1]/n", ("::1", 5432, "n", "u", "", {})),
        ("postgresql://u:%40%3A%2F%23%25@h/n", ("h", 5432, "n", "u", "@:/#%", {})),
        ("postgresql://u@/n?host=/var/run/postgresql", ("/var/run/postgresql", 5432, "n", "u", "", {})),
        ("postgresql://u@%2FVar%2Frun/n?port=6000", ("/Var/run", 6000, "n", "u", "", {})),
        ("postgresql:///n", ("", 5432, "n", "", "", {})),
        ("postgresql://h/n?sslmode=verify-full", ("h", 5432, "n", "", "", {"sslmode": "verify-full"})),
    ],
)  # fmt: skip
def test_parts(url: str, parts: tuple[object, ...]) -> None:
    assert tuple(parse(url)) == parts


@given(
    user=st.text(st.characters(exclude_characters="\0", codec="utf-8")),
    password=st.text(st.characters(exclude_characters="\0", codec="utf-8")),
)
def test_any_user_and_password_can_be_written(user: str, password: str) -> None:
    url = f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@h/n"
    assert parse(url)[3:5] == (user, password)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (f"mysql://u:{SECRET}@h/n", "must be a URL such as postgresql://"),
        (f"{SECRET}", "(not shown) is invalid"),
        (f"postgresql://u:{SECRET}@h", "which names one database after the host"),
        (f"postgresql://u:{SECRET}@h/n/m", "which names one database after the host"),
        (f"postgresql://u:{SECRET}@h:99999/n", "postgresql://u:***@h:99999/n is invalid"),
        (f"postgresql://u:{SECRET}@h:x/n", "with a port from 1 to 65535"),
        (f"postgresql://u:{SECRET}@h/n?port=0", "with a port from 1 to 65535"),
        (f"postgresql://u:a/{SECRET}@h/n", "special characters of the password written as in %40 for @"),
        (f"postgresql://u:a#{SECRET}@h/n", "special characters of the password"),
        (f"postgresql://u:a?{SECRET}@h/n", "postgresql://*** is invalid"),
        (f"postgresql://u:{SECRET}@h/n?sslmode=maybe", "sslmode is one of disable, allow"),
        (f"postgresql://u@h/n?password={SECRET}", "the parameters after the ? are application_name"),
    ],
)
def test_wrong_url_stops_the_start_without_its_password(
    url: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GPU_MONITOR_DATABASE_URL", url)
    with pytest.raises(SystemExit) as ended:
        load_config((tmp_path / ".env",))
    assert said in str(ended.value)
    assert str(ended.value).startswith("gpumon: GPU_MONITOR_DATABASE_URL=")
    assert SECRET not in str(ended.value)


@given(st.text(alphabet="postgresql:/@?#&=%u*[]5 \n", max_size=60))
def test_any_text_is_a_url_or_a_refusal_in_words(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert parse(text).name
    assert masked(text)


def test_password_is_hidden_in_the_log_and_the_value_in_the_api(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_MONITOR_DATABASE_URL", f"postgresql://u:{SECRET}%40@h/n")
    config = load_config(())
    assert f"{SECRET}@" in config.secret_values()
    (shown,) = [
        each for each in config.settings_in_force(shows_internal=True) if each.name == "GPU_MONITOR_DATABASE_URL"
    ]
    assert (shown.value, shown.is_secret) == (None, True)
    assert SECRET not in repr(config)


def test_sqlite_is_the_default_and_can_be_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("GPU_MONITOR_DATABASE_URL=postgresql://u@h/n\n")
    assert list(databases(load_config((tmp_path / ".env",)))) == ["default"]
    monkeypatch.setenv("GPU_MONITOR_DATABASE_URL", "sqlite")
    config = load_config((tmp_path / ".env",))
    assert config.database_address is None
    assert {name: each["ENGINE"] for name, each in databases(config).items()} == {
        "default": "monitor.sqlite",
        "history": "monitor.sqlite",
    }
    assert Config.model_fields["database_url"].default is None


def test_missing_driver_stops_the_start_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GPU_MONITOR_DATABASE_URL", "postgresql://u@h/n")
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    with pytest.raises(SystemExit, match=r"needs the package psycopg.*requirements-postgresql\.lock"):
        databases(load_config(()))


def test_place_in_messages() -> None:
    assert [place(*each) for each in (("h", 1), ("::1", 2), ("/run", 3), ("", 4))] == [
        "h:1",
        "[::1]:2",
        "/run, port 3",
        "the local socket, port 4",
    ]
