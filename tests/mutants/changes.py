"""The small changes of a module: Cosmic Ray's operators at sampled places."""

from __future__ import annotations

import ast
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

import cosmic_ray.plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code

Place = tuple[int, int]
"""Line and column."""
LEFT_OUT = re.compile(r"Comparison.*(_Is(Not)?_(?!Is)|(?<!_Is)(?<!_IsNot)_Is(Not)?$)")
"""Comparisons of identity in place of comparisons of value, or the other way round: mostly the same answer."""


@dataclass(frozen=True)
class Change:
    """One small change of a module: where, and the whole source with it."""

    line: int
    function: str | None
    """`line:name` of the innermost function whose body it lies in; None for what runs at import."""
    operator: str
    source: str


def places_of(source: str) -> dict[Place, list[tuple[str, int]]]:
    """Place → operators of Cosmic Ray that change it, each with its number; no places that decide nothing."""
    passed_over = places_passed_over(ast.parse(source))
    nodes = list(ast_nodes(get_ast(source)))
    places: dict[Place, list[tuple[str, int]]] = {}
    for name in cosmic_ray.plugins.operator_names():
        operator = cosmic_ray.plugins.get_operator(name)
        if operator.arguments() or LEFT_OUT.search(name):
            continue
        starts = [start for node in nodes for start, _ in operator().mutation_positions(node)]
        for number, start in enumerate(starts):
            if start not in passed_over:
                places.setdefault(start, []).append((name, number))
    return places


def changed_at(source: str, line: int, operator: str, number: int) -> Change | None:
    """None if nothing that compiles comes of it."""
    changed = mutate_code(source, cosmic_ray.plugins.get_operator(operator)(), number)
    if not changed or changed == source:
        return None
    try:
        compile(changed, "changed", "exec")
    except (SyntaxError, ValueError):
        return None
    return Change(line, function_at(source, line), operator.partition("/")[2], changed)


def function_at(source: str, line: int) -> str | None:
    inner = None
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef) and node.body[0].lineno <= line <= (node.end_lineno or 0):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            inner = max(inner or (0, ""), (first, node.name))
    return f"{inner[0]}:{inner[1]}" if inner else None


def changes_of_line(source: str, line: int) -> list[Change]:
    """Every change of a line."""
    places = places_of(source)
    found = [changed_at(source, line, *one) for place in sorted(places) if place[0] == line for one in places[place]]
    return [change for change in found if change]


def _decides_nothing(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise):
        return True
    if isinstance(node, ast.If):
        return "TYPE_CHECKING" in ast.unparse(node.test)
    return isinstance(node, ast.Call) and bool(re.fullmatch(r"_?log(ger)?\.\w+|Field|Problem", ast.unparse(node.func)))


def _is_checked_by_types(decorator: ast.expr) -> bool:
    """Whether the type checker holds what a decorator says: nothing assigns to a frozen field, or lacks a method."""
    return bool(re.fullmatch(r"dataclass(\(frozen=True\))?|abstractmethod", ast.unparse(decorator)))


def sample(source: str, count: int, seed: int) -> list[Change]:
    """One change at each of `count` places, in the order of the file."""
    places = places_of(source)
    draw = random.Random(seed)
    changes = []
    for place in sorted(draw.sample(sorted(places), min(count, len(places)))):
        tried = (changed_at(source, place[0], *one) for one in draw.sample(places[place], len(places[place])))
        changes.extend(next(([change] for change in tried if change), []))
    return changes


class Spans:
    """Stretches of a source text as (line, column) pairs."""

    def __init__(self, nodes: Sequence[ast.AST]) -> None:
        self.spans = [
            ((node.lineno, node.col_offset), (node.end_lineno, node.end_col_offset))  # type: ignore[attr-defined]
            for node in nodes
        ]

    def __contains__(self, place: Place) -> bool:
        return any(start <= place < end for start, end in self.spans)


def places_passed_over(tree: ast.Module) -> Spans:
    """Annotations, what is imported or declared for types alone, messages, and settings' defaults and bounds."""
    found: list[ast.AST] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.AnnAssign | ast.arg) and node.annotation:
            found.append(node.annotation)
        elif isinstance(node, ast.FunctionDef) and node.returns:
            found.append(node.returns)
        elif _decides_nothing(node):
            found.append(node)
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            for one in filter(_is_checked_by_types, node.decorator_list):
                one.col_offset -= 1  # its `@`
                found.append(one)
    return Spans(found)
