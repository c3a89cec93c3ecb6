"""Which hosts a rule applies to, from the text of its field: dgx-01, rack2-*, tag:lab."""

from __future__ import annotations

import functools
from fnmatch import fnmatchcase

TAG = "tag:"


def entries_of(text: str) -> tuple[str, ...]:
    """The names and tags in order. Raises ValueError."""
    entries = tuple(entry for entry in (each.strip() for each in text.split(",")) if entry)
    if TAG in (entry.lower() for entry in entries):
        raise ValueError("“tag:” names no tag: separate names and tags by commas, such as dgx-01, rack2-*, tag:lab")
    return entries


@functools.lru_cache(maxsize=4096)
def selects(text: str, name: str, tags: tuple[str, ...]) -> bool:
    """Whether the text names this host or one of its tags, in any case; an empty text selects every host."""
    entries = [entry.lower() for entry in entries_of(text)]
    lower = [tag.lower() for tag in tags]
    return not entries or any(
        any(fnmatchcase(tag, entry[len(TAG) :].strip()) for tag in lower)
        if entry.startswith(TAG)
        else fnmatchcase(name.lower(), entry)
        for entry in entries
    )
