"""Code statistics: what is hard to read, and how much of it there is.

    python scripts/shape.py [--rooms] [--list]

Counts in toolkit/cnnedge: modules and lines; modules under 40 lines and over 400; functions with 6
or more parameters (without self and the parameters of click commands) and with more than 40 lines;
signatures with an untyped dictionary. --rooms prints one row per package; --list names everything
that was counted.
"""

from __future__ import annotations

import argparse
import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.table import Table

SOURCE = Path(__file__).resolve().parents[1] / "toolkit" / "cnnedge"
COUNTED = (
    *("modules", "lines", "under 40 lines", "over 400 lines", "6 or more parameters"),
    *("over 10 parameters", "over 40 lines", "dict[str, Any]"),
)


def found(path: Path) -> Iterator[tuple[str, int, str]]:
    """What is counted in a module: the kind, how often, and where."""
    text = path.read_text(encoding="utf-8")
    place, lines = str(path.relative_to(SOURCE)), len(text.splitlines())
    yield "modules", 1, place
    yield "lines", lines, place
    if lines < 40:
        yield "under 40 lines", 1, place
    if lines > 400:
        yield "over 400 lines", 1, place
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from _of_function(node, f"{place}:{node.lineno} {node.name}")


def _of_function(
    node: ast.FunctionDef | ast.AsyncFunctionDef, place: str
) -> Iterator[tuple[str, int, str]]:
    command = any(
        "click" in ast.unparse(d) or "option" in ast.unparse(d) for d in node.decorator_list
    )
    parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
    count = sum(p.arg not in ("self", "cls") for p in parameters)
    if count >= 6 and not command:
        yield "6 or more parameters", 1, f"{place} ({count})"
    if count > 10 and not command:
        yield "over 10 parameters", 1, f"{place} ({count})"
    if (node.end_lineno or 0) - node.lineno + 1 > 40:
        yield "over 40 lines", 1, place
    annotations = [p.annotation for p in parameters] + [node.returns]
    untyped = sum("dict[str, Any]" in ast.unparse(a) for a in annotations if a is not None)
    if untyped:
        yield "dict[str, Any]", 1, place


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rooms", action="store_true")
    parser.add_argument("--list", action="store_true")
    options = parser.parse_args()
    rooms: dict[str, Counter[str]] = {}
    for path in sorted(SOURCE.rglob("*.py")):
        room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        for kind, count, place in found(path):
            rooms.setdefault(room, Counter())[kind] += count
            if options.list and kind not in ("modules", "lines"):
                print(f"{kind}: {place}")
    table = Table(box=None, pad_edge=False)
    table.add_column("room")
    for kind in COUNTED:
        table.add_column(kind, justify="right")
    whole = sum(rooms.values(), Counter())
    shown = {**rooms, "in all": whole} if options.rooms else {"in all": whole}
    for room, counts in shown.items():
        table.add_row(room, *(f"{counts[kind]:,}" for kind in COUNTED))
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
