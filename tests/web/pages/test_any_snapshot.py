"""Every page and feed shows any snapshot that its schema accepts: another host, or a recording, can contain anything."""

from __future__ import annotations

import random
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Literal

import hypothesis
import hypothesis.strategies as some
import msgspec
import pytest

from monitor.sanitize import with_plain_texts
from monitor.telemetry.schema import Snapshot
from tests.support.every_output import show_everywhere

pytestmark = pytest.mark.usefixtures("static_root")

FLOATS = [0.0, -1.0, 1e300, -1e300, 1e18, 5e-324, -0.0, 1.79e9, 253_402_300_799.0, float("nan"), float("inf")]
INTEGERS = [0, -1, 1, 10**12, 2**31, 2**63, 2**64 - 1, -(2**63)]
TEXTS = ["", "a", "GPU-0", "a/b c", "x" * 5000, "\x00\x1b[31m", "\u202eabc", "<script>'\"", "%s{{7*7}}", "\U0001f600"]


def value_of(kind: Any, chance: random.Random) -> Any:
    """Any value of this type of the schema, as plain data; within its bounds where it has some."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Annotated:
        tried = [*(value_of(arguments[0], chance) for _ in range(9)), 1, "GPU-0"]
        return next(value for value in tried if fits(value, kind))
    if origin in (types.UnionType, typing.Union):
        return value_of(chance.choice(arguments), chance)
    if origin is Literal:
        return chance.choice(arguments)
    if origin is tuple:
        return [value_of(arguments[0], chance) for _ in range(chance.randrange(3))]
    if origin is Mapping:
        return {chance.choice(TEXTS): chance.choice(TEXTS) for _ in range(chance.randrange(2))}
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        kinds = typing.get_type_hints(kind, include_extras=True)
        return {field.name: value_of(kinds[field.name], chance) for field in msgspec.structs.fields(kind)}
    return {
        str: lambda: chance.choice(TEXTS),
        bool: lambda: chance.random() < 0.5,
        int: lambda: chance.choice(INTEGERS),
        float: lambda: chance.choice([*FLOATS, chance.uniform(0, 100)]),
        types.NoneType: lambda: None,
    }[kind]()


def fits(value: Any, kind: Any) -> bool:
    try:
        msgspec.convert(value, kind)
    except msgspec.ValidationError:
        return False
    return True


@hypothesis.settings(max_examples=60, deadline=None, phases=[hypothesis.Phase.generate])  # shrinking takes minutes
@hypothesis.given(some.randoms(use_true_random=False))
def test_any_snapshot_is_shown(chance: random.Random) -> None:
    snapshot = with_plain_texts(msgspec.convert(value_of(Snapshot, chance), Snapshot))
    # Alerts are the server's own. No UUID that cannot be in an address gets here (sampler/identity.py, fleet/bounds.py).
    gpus = tuple(msgspec.structs.replace(gpu, uuid=chance.choice(("a", "GPU-0"))) for gpu in snapshot.gpus)
    snapshot = msgspec.structs.replace(snapshot, gpus=gpus, alerts=())
    show_everywhere(snapshot)


@pytest.mark.parametrize(
    "changes",
    [{"since": 1e300}, {"since": -1.0}, {"since": float("nan")}, {"read_at": 1e18}],
    ids=str,
)
def test_what_no_page_can_show_is_refused(changes: dict[str, object]) -> None:
    of_gpu = {"index": 0, "uuid": "GPU-0", "name": "H100", **changes}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"host": "a", "seq": 1, "time": 1.0, "gpus": [of_gpu]}, Snapshot)


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e9, float("nan"), float("inf")])
def test_interval_by_which_no_silence_could_be_judged_is_refused(seconds: float) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"host": "a", "seq": 1, "time": 1.0, "poll_interval_seconds": seconds}, Snapshot)
