"""Static files: hashed names without a build step, long caching, new names for changed sources; served from their sources
with DEBUG.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.template import Context, Template
from django.templatetags.static import static
from django.test import Client, override_settings

from monitor.config.paths import BASE_DIR
from monitor.http.static_files import collect_if_outdated, compact_script, compact_style
from tests.support.raw_requests import PARTS, request, status_of
from tests.support.servers import Server, wait_for


@pytest.fixture
def own_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of scripts, the only one collected, into a root beside it."""
    (tmp_path / "src" / "js").mkdir(parents=True)
    return tmp_path / "src"


def collected(sources: Path) -> override_settings:
    return override_settings(
        STATICFILES_DIRS=[sources],
        STATICFILES_FINDERS=["django.contrib.staticfiles.finders.FileSystemFinder"],
        STATIC_ROOT=sources.parent / "static",
    )


@pytest.mark.usefixtures("static_root")
def test_htmx_and_its_extension_come_from_our_own_origin_under_hashed_names() -> None:
    html = Template('{% load htmx %}{% htmx_script "hx-ws" %}').render(Context())
    assert re.findall(r'src="([^"]+)"', html) == [static(f"vendor/htmx/{name}.min.js") for name in ("htmx", "hx-ws")]
    assert len(re.findall(r'src="/static/vendor/htmx/[\w-]+\.min\.[0-9a-f]{12}\.js" defer', html)) == 2


def test_hashed_file_is_compressed_and_cached_forever(static_root: Path) -> None:
    client = Client(headers={"Accept-Encoding": "gzip"})
    response = client.get(static("vendor/htmx/htmx.min.js"))
    assert response.status_code == 200
    assert "immutable" in response["Cache-Control"]
    assert response["Content-Encoding"] == "gzip"
    assert response["Content-Type"].startswith("text/javascript")


@pytest.mark.usefixtures("static_root")
@pytest.mark.parametrize("path", ["/static/no.js", "/static/../manage.py", "/static/%2e%2e/manage.py", "/static/"])
def test_path_without_a_static_file_is_not_found(path: str) -> None:
    assert Client().get(path).status_code == 404


def test_unchanged_sources_are_not_collected_again(own_sources: Path) -> None:
    (own_sources / "a.css").write_text("p { color: red }")
    with collected(own_sources):
        assert collect_if_outdated() is True
        assert collect_if_outdated() is False


def test_collected_files_are_readable_for_a_web_server_whatever_the_umask(own_sources: Path) -> None:
    """Regression: with umask 077 the folder and the compressed copies were closed to nginx."""
    (own_sources / "js" / "a.js").write_text("// long enough to be worth compressing\n" + "let a = 1\n" * 500)
    before = os.umask(0o077)
    try:
        with collected(own_sources):
            collect_if_outdated()
    finally:
        os.umask(before)
    root = own_sources.parent / "static"
    modes = {(path.is_dir(), path.suffix, stat.S_IMODE(path.stat().st_mode)) for path in (root, *root.rglob("*"))}
    assert {(True, "", 0o755), (False, ".js", 0o644), (False, ".gz", 0o644)} <= modes
    assert {mode for _, _, mode in modes} == {0o755, 0o644}


def test_changed_source_gets_a_new_name(own_sources: Path) -> None:
    with collected(own_sources):
        (own_sources / "a.css").write_text("p { color: red }")
        collect_if_outdated()
        before = static("a.css")
        (own_sources / "a.css").write_text("p { color: green }")
        assert collect_if_outdated() is True
        assert static("a.css") != before


def test_scripts_import_each_other_by_hashed_names(own_sources: Path) -> None:
    (own_sources / "js" / "main.js").write_text(
        'import { draw } from "./chart.js";\nimport {\n  open,\n} from "./socket.js";\nexport * from \'./chart.js\';\n'
    )
    (own_sources / "js" / "chart.js").write_text("export const draw = 1;\n")
    (own_sources / "js" / "socket.js").write_text('import "./chart.js";\nexport const open = 2;\n')
    with collected(own_sources):
        collect_if_outdated()
        script = (own_sources.parent / static("js/main.js").lstrip("/")).read_text()
        for name in ("chart", "socket"):
            assert f'"./{static(f"js/{name}.js").removeprefix("/static/js/")}"' in script
            assert f"./{name}.js" not in script


def test_files_are_not_collected_with_debug(own_sources: Path) -> None:
    with collected(own_sources), override_settings(DEBUG=True):
        assert collect_if_outdated() is False
    assert not (own_sources.parent / "static").exists()


@pytest.fixture(scope="module")
def debug_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("debug"), telemetry_provider="simulated", debug="true").start()
    try:
        wait_for(lambda: server.get("/api/health")[0] == 200, "the first reading")
        yield server
    finally:
        server.stop()


@pytest.mark.slow
def test_file_is_served_from_its_source(debug_server: Server) -> None:
    status, text = debug_server.get("/static/css/gpumon.css")
    assert (status, "--line" in text) == (200, True)


@pytest.mark.slow
@pytest.mark.parametrize("folder", [b"/static/", b"/static/css/", b"/static/css/gpumon.css"])
def test_invalid_path_is_not_found_without_an_error(debug_server: Server, folder: bytes) -> None:
    """ServeStatic raises an error there, on purpose."""
    assert {
        part[:20]: status for part in PARTS if (status := status_of(debug_server, request(folder + part))) >= 500
    } == {}
    assert status_of(debug_server, request(folder + b"/nothing.js")) == 404


def test_collected_scripts_and_styles_have_no_comments(own_sources: Path) -> None:
    script, style = own_sources / "js" / "a.js", own_sources / "css" / "a.css"
    style.parent.mkdir()
    script.write_text('// Why.\nconst a = "//host"; // how\n\n  // What.\n  a();\n')
    style.write_text("/* Why. */\np {\n  color: red; /* how */\n}\n/* one */ a { top: 0 } /* two */\n")
    with collected(own_sources):
        collect_if_outdated()
        built = own_sources.parent
        assert (built / static("js/a.js").lstrip("/")).read_text() == 'const a="//host";\na();\n'
        built_style = (built / static("css/a.css").lstrip("/")).read_text()
    assert built_style == "p{color:red}a{top:0}\n"


@pytest.mark.parametrize("path", sorted(BASE_DIR.glob("static/js/**/*.js")), ids=lambda path: path.name)
def test_scripts_have_no_multiline_text_that_would_lose_its_indentation(path: Path) -> None:
    assert all(line.count("`") % 2 == 0 for line in path.read_text().splitlines())
    assert compact_script(path.read_text()).count("\n") > 0


def test_style_keeps_its_meaning_without_spaces() -> None:
    style = """.a > .b, :is(.c, .d) { content: "No ; open { alerts, : x"; font: 1rem/1.45 var(--font) }
      @media (max-width: 45em) and (min-height: 2em) { a :hover { margin: calc(2 * 1px + 3px) 0 } }"""
    assert compact_style(style) == (
        '.a > .b,:is(.c,.d){content:"No ; open { alerts, : x";font:1rem/1.45 var(--font)}'
        "@media (max-width:45em) and (min-height:2em){a :hover{margin:calc(2 * 1px + 3px) 0}}\n"
    )


def test_script_keeps_its_meaning_without_spaces() -> None:
    script = """
      const { a } = b ? c : "x = { y }"; // why
      if (a >= 1 && `${a} = (b)`) return /, *;/.test(a) ? 1 / 2 : "it's // here";
      x = a + +b; // isn't
      const url = `${a && `?${a, b}`}`;"""
    assert compact_script(script) == (
        'const{a}=b?c:"x = { y }";\n'
        'if (a >= 1 && `${a} = (b)`) return /, *;/.test(a) ? 1 / 2 : "it\'s // here";\n'
        "x=a + +b;\n"
        "const url = `${a && `?${a, b}`}`;\n"
    )


def test_style_loses_its_comments() -> None:
    assert (
        compact_style("""/* a; "b */ p { content: "/* c */"; /* d\n e */ top: 0; }""") == 'p{content:"/* c */";top:0}\n'
    )
