"""What a PromQL expression asks for: enough to hold names and labels against what is exported."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector

_STRING = re.compile(r'"(?:\\.|[^"\\])*"')
_RANGE = re.compile(r"\[[^\]]*\]")
_LABEL_LIST = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
# No letter of a number: 5m, 1e9.
_SELECTOR = re.compile(r"(?<![\w.])([A-Za-z_:][\w:]*)\s*(?:\{([^}]*)\})?")
_MATCHER = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_WORDS = frozenset({"and", "or", "unless", "bool", "offset", "inf", "nan"})
_KINDS = {"Counter", "Gauge", "Histogram", "CounterMetricFamily", "GaugeMetricFamily"}
SCRAPED = frozenset({"job", "instance"})
"""Labels that Prometheus adds to every sample."""


@dataclass(frozen=True)
class Selector:
    """A metric by name, and the labels it is asked for."""

    name: str
    labels: frozenset[str]


def selectors(expression: str) -> list[Selector]:
    """The metrics of an expression that parses."""
    plain = _LABEL_LIST.sub(" ", _RANGE.sub(" ", _STRING.sub('""', expression)))
    return [
        Selector(found[1], frozenset(_MATCHER.findall(found[2] or "")))
        for found in _SELECTOR.finditer(plain)
        if found[1] not in _WORDS and not plain[found.end() :].lstrip().startswith("(")
    ]


def grouped_by(expression: str) -> frozenset[str]:
    """Labels that an expression keeps or joins on."""
    lists = _LABEL_LIST.findall(_STRING.sub('""', expression))
    return frozenset(label for one in lists for label in re.findall(r"\w+", one))


def exported(*folders: Path) -> dict[str, frozenset[str]]:
    """Every sample that the code below `folders` can export, with its labels; read, not run."""
    samples = dict(_of_every_process())
    for folder in folders:
        for path in folder.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                samples.update(_samples(node))
    return samples


def _samples(node: ast.AST) -> Iterator[tuple[str, frozenset[str]]]:
    if not isinstance(node, ast.Call) or not node.args:
        return
    kind = getattr(node.func, "id", getattr(node.func, "attr", None))
    if kind not in _KINDS or not isinstance(node.args[0], ast.Constant):
        return
    name, labels = str(node.args[0].value), _labels(node)
    if kind == "Histogram":
        yield from ((f"{name}_{part}", labels) for part in ("sum", "count"))
        yield f"{name}_bucket", labels | {"le"}
    elif kind.startswith("Counter"):
        yield f"{name.removesuffix('_total')}_total", labels
    else:
        yield name, labels


def _labels(node: ast.Call) -> frozenset[str]:
    given = [*node.args[2:], *(k.value for k in node.keywords if k.arg in ("labelnames", "labels"))]
    return frozenset(
        str(item.value)
        for one in given
        if isinstance(one, ast.List | ast.Tuple)
        for item in one.elts
        if isinstance(item, ast.Constant)
    )


def _of_every_process() -> Iterator[tuple[str, frozenset[str]]]:
    registry = CollectorRegistry()
    for collector in (ProcessCollector, PlatformCollector, GCCollector):
        collector(registry=registry)
    for family in registry.collect():
        for sample in family.samples:
            yield sample.name, frozenset(sample.labels)
