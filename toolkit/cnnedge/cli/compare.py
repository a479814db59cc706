"""`cnnedge compare`."""

from __future__ import annotations

import sys
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

import click
from rich.text import Text

from .. import figures
from ..errors import GateError
from ..specs import plain
from . import output
from .streams import clean

if TYPE_CHECKING:
    from ..comparison.outcome import Comparison

_STYLES = {"regression": "bold red", "improvement": "green", "no difference": ""}


@click.command()
@click.argument("base", metavar="BASE.json", type=click.Path(path_type=Path))
@click.argument("new", metavar="NEW.json", type=click.Path(path_type=Path))
@click.option(
    "--max-slower",
    type=click.FloatRange(min=0, max=1000),
    default=0.0,
    metavar="PERCENT",
    help="Accept a slowdown of the median of up to PERCENT. [default: what noise can explain]",
)
@click.option(
    "--allow",
    multiple=True,
    metavar="KEY",
    help="Compare even if this condition differs, such as engine_version. Repeatable.",
)
@output.json_option
@click.option(
    "--markdown",
    metavar="FILE",
    help="Write a table for a pull request to FILE, or to stdout with -.",
)
@output.verbose_option
def command(
    base: Path,
    new: Path,
    max_slower: float,
    allow: tuple[str, ...],
    json_file: str | None,
    markdown: str | None,
    verbose: bool,
) -> None:
    """Report how much slower NEW is than BASE, and whether that is more than noise.

    Both are files from `cnnedge bench --json`, measured under the same conditions. Exit code 3 on a
    regression.
    """
    from ..comparison import KEYS, as_markdown, compare, read_run

    unknown = [key for key in allow if key not in KEYS]
    if unknown:
        raise click.UsageError(f"--allow {unknown[0]}: allowed: {', '.join(KEYS)}")
    if json_file == markdown == "-":
        raise click.UsageError(
            "--json - and --markdown - cannot both use stdout; name a file for one of them"
        )
    found = compare(read_run(base), read_run(new), max_slower=max_slower / 100, allow=allow)
    if "-" not in (json_file, markdown):
        _print(found)
    if json_file:
        output.write_json(json_file, plain(found))
    if markdown:
        _write(markdown, as_markdown(found))
    if found.verdict == "regression":
        raise GateError(_regressions(found))


def _print(found: Comparison) -> None:
    from ..comparison.wording import change, doubts, resolution, settings

    told = settings(found.compared)
    table = output.table()
    table.add_column("model", overflow="fold")
    for name in told:
        table.add_column(name, overflow="fold")
    for name in ("base", "new", "change", "95 % interval", "noise floor"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    for c in found.compared:
        low, high = c.ci95
        table.add_row(
            Text(_plain(PurePath(c.model).name)),
            *(Text(_plain(str(getattr(c, name)))) for name in told),
            figures.milliseconds(c.base_ms),
            figures.milliseconds(c.new_ms),
            change(c.ratio),
            f"{change(low)} to {change(high)}",
            figures.percent(c.noise_floor, 1),
            Text(c.verdict, style=_STYLES[c.verdict]),
        )
    output.results().print(table)
    for method in dict.fromkeys(c.method for c in found.compared):
        output.note(method)
    for c in found.compared:
        name = _plain(PurePath(c.model).name)
        for text in resolution(c):
            output.note(f"{name}: {text}")
        for text in doubts(c):
            output.warn(f"{name}: {_plain(text)}")
    for side, labels in (("BASE", found.only_in_base), ("NEW", found.only_in_new)):
        names = dict.fromkeys(_plain(PurePath(m.model).name) for m in labels)
        if names:
            output.warn(f"only in {side}, not compared: {', '.join(names)}")


def _regressions(found: Comparison) -> str:
    from ..comparison.wording import change

    slower = [c for c in found.compared if c.verdict == "regression"]
    said = ", ".join(
        f"{_plain(PurePath(c.model).name)} {change(c.ratio)} "
        f"(limit: {figures.percent(c.threshold, 1)})"
        for c in slower
    )
    return f"slower than {found.base}: {said}"


def _write(target: str, text: str) -> None:
    if target == "-":
        sys.stdout.write(clean(text))
        sys.stdout.flush()
        return
    from ..files import write_text

    write_text(Path(target), text)


def _plain(text: str) -> str:
    return "".join(c if c.isprintable() else " " for c in text)
