"""The panels of Grafana dashboards, and the metrics and labels that they query."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
_SELECTOR = re.compile(r"(\w+)\{([^}]*)\}")
_MATCHED_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_GROUPED_LABELS = re.compile(r"\b(?:by|on|without|ignoring|group_left|group_right)\s*\(([^()]*)\)")
_LEGEND_LABEL = re.compile(r"\{\{\s*(\w+)\s*\}\}")
_MADE_LABEL = re.compile(r'[)}],\s*"(\w+)"')
"""The second argument of label_replace and label_join, after the vector."""


class Query(NamedTuple):
    """One expression of a panel."""

    dashboard: str
    panel: str
    expression: str
    labels: frozenset[str]
    """Labels that the expression groups or joins by, that the legend shows, or that are columns of the panel's table."""

    @property
    def metrics(self) -> set[str]:
        """The names of the metrics it selects; without those that it selects by a pattern."""
        return {name for name, _ in self.selectors}

    @property
    def selectors(self) -> list[tuple[str, frozenset[str]]]:
        """Each selected metric, with the labels that it is selected by."""
        return [
            (name, frozenset(_MATCHED_LABEL.findall(labels)))
            for name, labels in _SELECTOR.findall(_STRING.sub('""', self.expression))
        ]


def queries_of(dashboard: Path) -> list[Query]:
    """All expressions of its variables and panels."""
    content = json.loads(dashboard.read_text(encoding="utf-8"))
    variables = [variable for variable in content["templating"]["list"] if variable["type"] == "query"]
    return [
        *(Query(dashboard.stem, f"${variable['name']}", _expression(variable), frozenset()) for variable in variables),
        *(
            Query(dashboard.stem, panel["title"], target["expr"], _labels(panel, target))
            for panel in _panels(content["panels"])
            for target in panel.get("targets", ())
        ),
    ]


def _expression(variable: dict[str, Any]) -> str:
    """Grafana's label_values and query_result, as what Prometheus evaluates for them."""
    query = variable["query"]
    text: str = query["query"] if isinstance(query, dict) else query
    if result := re.fullmatch(r"query_result\((.*)\)", text):
        return result[1]
    values = re.fullmatch(r"label_values\((\w+)(\{.*\})?,\s*(\w+)\)", text)
    assert values, f"an unknown kind of variable: {text}"
    return f"count by ({values[3]}) ({values[1]}{values[2] or '{}'})"


def _panels(panels: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for panel in panels:
        yield panel
        yield from _panels(panel.get("panels") or [])


def _labels(panel: dict[str, Any], target: dict[str, Any]) -> frozenset[str]:
    expression = target["expr"]
    used = set(_LEGEND_LABEL.findall(target.get("legendFormat") or ""))
    for labels in _GROUPED_LABELS.findall(_STRING.sub('""', expression)):
        used |= {label.strip() for label in labels.split(",") if label.strip()}
    for transformation in panel.get("transformations", ()):
        columns = transformation["options"].get("indexByName", {})
        used |= {column for column in columns if not column.startswith(("Time", "Value"))}
    made = {label for other in panel["targets"] for label in _MADE_LABEL.findall(other["expr"])}
    return frozenset(used - made)
