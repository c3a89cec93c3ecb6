"""Every regular expression of the code takes linear time: for twice the text, about twice the time.

One request with a long path of `token` once blocked the whole server for minutes, in a cubic pattern of the log.
"""

from __future__ import annotations

import ast
import functools
import importlib
import logging
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from monitor.logs import lines
from monitor.notifications import masking
from monitor.rules import quiet_hours
from monitor.telemetry.host import container_ids
from monitor.telemetry.providers import nvtop
from tests.support.servers import ROOT

PACKAGES = ("monitor", "gpumon_site")
SIZES = (512, 4_096)
"""Characters. A pattern that takes less than MEASURABLE_SECONDS for the most is linear: a quadratic one takes 6 ms."""
MEASURABLE_SECONDS = 0.0005
MOST_GROWTH = 3.0
"""Growth per doubling of the text: 2 for a linear search, 4 for a quadratic one."""
UNITS = (
    *("a", "0", " ", "\n", ":", "=", ".", "/", "-", "@", "?", "&", ",", "'", '"', "`", "[", "<", "a.", "0.", "0:", ":0", "0 "),
    *("a:", "a=", "a@", "?a", "&a", ":[", "'a", '"\n', '" ', "= ", ": ", "://", "a://", "://a:", "bearer ", "null\n", "/pod"),
    *("token", "password", "authorization", "tokentoken=", '"token" ', "\udcff"),
)  # fmt: skip
SINGLE = ("a", "0", " ", "\n", ":", "=", ".", "/", "-", "@", "?", "&", "'", '"')
STARTS = ("://", "https://a", "a=", '"', '"token"')
ENDS = ("", "!", "\x00\n")


def files() -> Iterator[tuple[str, str]]:
    """Each module's name and text."""
    for package in PACKAGES:
        for file in sorted((ROOT / package).rglob("*.py")):
            yield ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"), file.read_text()


@functools.cache
def sources() -> list[tuple[str, ast.Module]]:
    return [(name, ast.parse(text, name)) for name, text in files()]


def uses_of_re(tree: ast.AST) -> list[ast.Attribute]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "re"
    ]


def compiled_in(tree: ast.Module) -> list[ast.Call]:
    """The module's constants made by `re.compile`."""
    return [
        statement.value
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        and isinstance(statement.value, ast.Call)
        and ast.unparse(statement.value.func) == "re.compile"
    ]


def is_escaped(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "re.escape"


def escaping(tree: ast.Module) -> list[str]:
    """Uses of `re` that the measurement of the module's constants misses. Searching for a plain text is allowed."""
    seen = {id(call.func) for call in compiled_in(tree)}
    plain = {
        id(node.func)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and node.args and is_escaped(node.args[0])
    }
    found = [
        ast.unparse(each)
        for each in uses_of_re(tree)
        if each.attr not in {"Match", "Pattern", "escape", "IGNORECASE", "MULTILINE", "DOTALL"}
        and id(each) not in seen | plain
    ]
    imported = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module == "re"]
    return found + [ast.unparse(each) for each in imported]


MODULES = [name for name, text in files() if "re.compile(" in text]
"""Not found by parsing: every test process would parse the whole project to collect this file's tests."""


def patterns(module: str) -> dict[str, re.Pattern[Any]]:
    """The constants of a module that are patterns."""
    return {
        name: value for name, value in vars(importlib.import_module(module)).items() if isinstance(value, re.Pattern)
    }


def seconds(search: Callable[[str], object], text: str, *, below: float) -> float:
    """The lowest CPU time of up to four runs, because other programs only add time. A run shorter than `below`
    is the last: it already answers the caller's question.
    """
    least = float("inf")
    for _ in range(4):
        began = time.thread_time()
        search(text)
        least = min(least, time.thread_time() - began)
        if least < below or least > 100 * MEASURABLE_SECONDS:
            break
    return least


def growth(search: Callable[[str], object], start: str, unit: str, end: str) -> float:
    """The factor by which the time grows if the text doubles. 1 if it stays too short to be measured."""

    def text(size: int) -> str:
        return start + unit * (size // len(unit)) + end

    for size in SIZES:
        before = seconds(search, text(size), below=MEASURABLE_SECONDS)
        if before >= MEASURABLE_SECONDS:
            return seconds(search, text(2 * size), below=MOST_GROWTH * before) / before
    return 1.0


def too_steep(
    search: Callable[[str], object], *, words: Iterable[str] = (), marks: Iterable[str] = ()
) -> Iterator[str]:
    """The texts, as `beginning + repeated + end`, for which the time grows too fast: three times in a row, so not by chance."""
    texts = [("", unit, end) for unit in (*UNITS, *words, *marks) for end in ENDS]
    texts += [(start, unit, "!") for start in (*STARTS, *words) for unit in {*SINGLE, *marks}]
    for start, unit, end in dict.fromkeys(texts):
        if all(growth(search, start, unit, end) >= MOST_GROWTH for _ in range(3)):
            yield f"{start!r} + {unit!r} + {end!r}"


def too_steep_for(pattern: re.Pattern[Any]) -> Iterator[str]:
    """Like `too_steep`, and also with the words and characters of the pattern itself."""
    source = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode()
    words = sorted(set(re.findall(r"[A-Za-z_]{3,}", source)))
    marks = sorted(set(re.findall(r"[^\w\s\\]", source)) - set("(){}|^$*+"))
    return too_steep(every_way(pattern), words=words, marks=marks)


def every_way(pattern: re.Pattern[Any]) -> Callable[[str], object]:
    """Search and full match: both must be linear, whichever one the code uses."""

    def search(text: str) -> None:
        given: Any = text if isinstance(pattern.pattern, str) else text.encode(errors="replace")
        deque(pattern.finditer(given), maxlen=0)
        pattern.fullmatch(given)

    return search


@pytest.mark.slow
def test_every_pattern_is_a_constant_of_its_module() -> None:
    assert {name: found for name, tree in sources() if (found := escaping(tree))} == {}


@pytest.mark.slow
def test_every_constant_is_measured() -> None:
    written = Counter(name for name, tree in sources() for _ in compiled_in(tree))
    measured = Counter({module: len(patterns(module)) for module in MODULES})
    assert written
    assert written <= measured


@pytest.mark.parametrize(
    "source",
    [
        "import re\ndef f(text):\n    return re.sub('a+', '', text)",
        "import re\ndef f(text):\n    return re.compile('a+').search(text)",
        "import re\nclass A:\n    PATTERN = re.compile('a+')",
        "import re\ndef f(text, word):\n    return re.compile(re.escape(word) + 'a+').search(text)",
        "from re import compile",
    ],
)
def test_pattern_that_is_not_a_constant_is_found(source: str) -> None:
    assert escaping(ast.parse(source))


@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_patterns_take_linear_time(module: str) -> None:
    assert {name: steep for name, each in patterns(module).items() if (steep := list(too_steep_for(each)))} == {}


@pytest.mark.slow
@pytest.mark.parametrize(
    "was",
    [
        pytest.param(
            r"([\w-]*(?:password|passwd|token|secret)[\w-]*)(=|['\"]\s*:\s*)(['\"]?)[^\s'\"&;,)]+", id="names"
        ),
        pytest.param(r"\b([a-z][a-z0-9+.-]*://)[^\s/@'\"]+@", id="userinfo"),
        pytest.param(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>]+", id="url"),
        pytest.param(r"://[^/?#]*?:([^/?#]*)@", id="password"),
        pytest.param(r"[?&]([^=&]+)=", id="parameters"),
        pytest.param(r"(?P<days>.*?)\s*(?P<start>\d+:\d+)\s*[-–]\s*(?P<end>\d+:\d+)", id="quiet hours"),
        pytest.param(r"(\d+)\.(\d+)(?:\.(\d+))?", id="version"),
        pytest.param(r'(?m)^(\s*"(?:device_name|user)"\s*:\s*)"(.*)"(,?\s*)$', id="names of nvtop"),
    ],
)
def test_former_patterns_are_found_too_slow(was: str) -> None:
    pattern = re.compile(was)
    # On a busy machine, the shorter of two runs can be the one that was held up. In ten attempts that does not happen each time.
    assert any(next(too_steep_for(pattern), None) for _ in range(10))


URL = "https://ada:hunter2hunter2@hooks.example.com/T0KENT0KEN?key=S3CRET"


def formatted(log_format: lines.LogFormat, request_id: str | None) -> Callable[[str], object]:
    formatter = lines.lines_of(log_format, secrets=("token" * 8,))

    def search(text: str) -> str:
        record = logging.LogRecord("django.request", logging.WARNING, __file__, 1, "Not Found: %s", (text,), None)
        record.request_id = request_id
        record.fields = {"path": text}
        try:
            raise ValueError(text)
        except ValueError as error:
            record.exc_info = (ValueError, error, error.__traceback__)
        return formatter.format(record)

    return search


def parsed(text: str) -> None:
    try:
        quiet_hours.parse(text)
    except ValueError:
        return


@pytest.mark.slow
@pytest.mark.parametrize(
    "search",
    [
        pytest.param(lambda text: lines.without_secrets(text, ("token" * 8,)), id="secrets of the log"),
        pytest.param(lambda text: masking.without_secrets(text, URL, "whsec_abc"), id="secrets of a channel"),
        pytest.param(lambda text: masking.without_secrets("refused", f"json://{text}"), id="the URL of a channel"),
        pytest.param(masking.masked, id="a URL that is shown"),
        pytest.param(formatted("text", None), id="text"),
        pytest.param(formatted("json", None), id="JSON"),
        pytest.param(formatted("text", "4f2a"), id="text about a request"),
        pytest.param(formatted("json", "4f2a"), id="JSON about a request"),
        pytest.param(parsed, id="quiet hours"),
        pytest.param(container_ids.membership, id="cgroups"),
        pytest.param(nvtop.version_of, id="version"),
    ],
)
def test_function_for_text_from_outside_takes_linear_time(search: Callable[[str], object]) -> None:
    assert list(too_steep(search)) == []
