"""The files written from the settings model by `make settings`: .env.example, and docs/configuration.md in part.

In the document, everything before the first group is kept. From there on, the headings and the first paragraph of each setting are
written; text that follows them is kept, unless its group or setting is gone.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from pydantic import BaseModel

from monitor.config.declarations import Declaration, declarations
from monitor.config.model import Config
from monitor.config.paths import BASE_DIR

_WIDTH = 130
_EXAMPLE_HEAD = """\
# Copy to .env and uncomment the lines you change. docs/configuration.md says more about each setting.
# Environment variables override this file. An empty value counts as not set.
"""
_SECTION = re.compile(r"^(?=##+ )", re.MULTILINE)


def example_file(model: type[BaseModel]) -> str:
    """The text of .env.example: every setting with its default, commented out."""
    groups = []
    for group, settings in _by_group(model).items():
        lines = [f"\n# --- {group} ---\n"]
        for each in settings:
            comment = textwrap.wrap(_described(each).replace("`", ""), _WIDTH - 2, break_on_hyphens=False)
            lines += [f"# {line}" for line in comment]
            lines.append(f"#{each.variable}={each.written_default}\n")
        groups.append("\n".join(lines).rstrip("\n") + "\n")
    return _EXAMPLE_HEAD + "".join(groups)


def documented(text: str, model: type[BaseModel]) -> str:
    """This text of docs/configuration.md with a section for each group and setting of the model, and for no other."""
    groups = _by_group(model)
    head: list[str] = []
    kept: dict[str, str] = {}
    for section in _SECTION.split(text):
        heading, _, body = section.partition("\n")
        title = heading.lstrip("# ")
        if heading.startswith("### "):
            kept[title] = body.partition("\n\n")[2].strip("\n")
        elif kept or title in groups:
            kept[title] = body.strip("\n")
        else:
            head.append(section.strip("\n"))
    sections = head
    for group, settings in groups.items():
        sections.append("\n\n".join(filter(None, (f"## {group}", kept.get(group)))))
        for each in settings:
            first = f"### {each.variable}\n{first_paragraph(each)}"
            sections.append("\n\n".join(filter(None, (first, kept.get(each.variable)))))
    return "\n\n".join(sections) + "\n"


def first_paragraph(declared: Declaration) -> str:
    """What a setting is, its default and allowed values, and whether it can be set in the admin."""
    sentences = [_described(declared)]
    bounds = f", from {declared.minimum:g} to {declared.maximum:g}" if declared.is_number else ""
    sentences.append(f"Default{_default(declared)}{bounds}.")
    if declared.admin_label is not None:
        sentences.append(f"In the admin: *{declared.admin_label}*.")
    return textwrap.fill(" ".join(sentences), _WIDTH, break_long_words=False, break_on_hyphens=False)


def _described(declared: Declaration) -> str:
    choices = ("true", "false") if declared.kind == "boolean" else declared.choices
    if not choices:
        return declared.description
    *others, last = (f"`{choice}`" for choice in choices)
    return f"{declared.description.removesuffix('.')}: {', '.join(others)} or {last}."


def _default(declared: Declaration) -> str:
    if declared.written_default:
        return f" {declared.written_default}" if declared.is_number else f" `{declared.written_default}`"
    unset = ": " if isinstance(declared.default, Path) else ": not set; "
    return f"{unset}{declared.default_text}" if declared.default_text else ": not set"


def _by_group(model: type[BaseModel]) -> dict[str, list[Declaration]]:
    groups: dict[str, list[Declaration]] = {}
    for each in declarations(model).values():
        groups.setdefault(each.group, []).append(each)
    return groups


if __name__ == "__main__":
    document = BASE_DIR / "docs" / "configuration.md"
    document.write_text(documented(document.read_text(), Config))
    (BASE_DIR / ".env.example").write_text(example_file(Config))
