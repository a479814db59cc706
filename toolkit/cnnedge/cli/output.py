"""How all commands print: results to stdout, progress to stderr, JSON if requested."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from ..errors import CnnedgeError, one_line
from ..files import cache_root, json_text, write_text
from .streams import CleanConsole

F = TypeVar("F", bound=Callable[..., Any])
# A message may quote a stranger's file.
_MOST_SAID = 10_000

# Width of tables that go to a file or a pipe.
_PIPE_WIDTH = 120


def results() -> Console:
    """The console for results: stdout."""
    if sys.stdout.isatty():
        return CleanConsole()
    return CleanConsole(width=_PIPE_WIDTH)


def progress_console() -> Console:
    """The console for progress and notes: stderr."""
    return CleanConsole(stderr=True)


def note(text: str) -> None:
    """One line on stderr."""
    progress_console().print(Text(one_line(text), style="dim"), highlight=False, soft_wrap=True)


def warn(text: str) -> None:
    """One warning on stderr."""
    message = Text.assemble(("Warning: ", "bold yellow"), one_line(text))
    progress_console().print(message, highlight=False, soft_wrap=True)


def error(problem: Exception) -> None:
    """A problem as one line on stderr."""
    click.echo(
        f"{click.style('Error:', fg='red', bold=True)} {one_line(str(problem), _MOST_SAID)}",
        err=True,
    )


@contextlib.contextmanager
def kept(command: str, payload: Mapping[str, Any]) -> Iterator[None]:
    """For printing results that took minutes: if that fails, they are saved in a file.

    Raises CnnedgeError, with the name of that file.
    """
    try:
        yield
        sys.stdout.flush()
    except (BrokenPipeError, CnnedgeError) as problem:
        place = _keep(command, payload)
        if place is None or isinstance(problem, BrokenPipeError):
            raise
        problem.args = (f"{problem}. The results were saved in {place}",)
        raise


def _keep(command: str, payload: Mapping[str, Any]) -> Path | None:
    name = time.strftime(f"cnnedge-{command}-%Y%m%d-%H%M%S.json")
    for folder in (Path.cwd(), cache_root(), Path.home()):
        with contextlib.suppress(CnnedgeError, OSError):
            write_text(folder / name, json_text(payload) + "\n")
            return folder / name
    return None


def write_json(target: str, payload: Mapping[str, Any]) -> None:
    """Writes a command's JSON to a file, or to stdout for '-'."""
    text = json_text(payload) + "\n"
    if target == "-":
        sys.stdout.write(text)
        sys.stdout.flush()
    else:
        write_text(Path(target), text)


def table(title: str = "") -> Table:
    """An empty results table in the house style."""
    return Table(
        title=title or None,
        title_justify="left",
        box=None,
        header_style="bold",
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )


class _Detail:
    """How much the command that runs says; set by its own -v."""

    asked = False

    @classmethod
    def ask(cls, _: click.Context, __: click.Parameter, value: bool) -> bool:
        cls.asked = value
        return value


def tracebacks() -> bool:
    """Whether -v was given."""
    return _Detail.asked


def verbose_option(function: F) -> F:
    """-v: more detail, and the tracebacks of errors. Read first, so that it holds for them all."""
    return click.option(
        "-v",
        "--verbose",
        is_flag=True,
        is_eager=True,
        callback=_Detail.ask,
        help="Show more detail, and tracebacks.",
    )(function)


def json_option(function: F) -> F:
    """--json FILE."""
    return click.option(
        "--json",
        "json_file",
        metavar="FILE",
        help="Write the results as JSON to FILE, or to stdout with -.",
    )(function)


class Rate(ProgressColumn):
    """Things per second."""

    def __init__(self, unit: str) -> None:
        super().__init__()
        self._unit = unit

    def render(self, task: Task) -> Text:
        speed = task.fields.get("rate") or task.speed
        return Text(f"{speed:,.0f} {self._unit}/s" if speed else "", style="progress.data.speed")


@contextlib.contextmanager
def progress_bar(unit: str = "") -> Iterator[Progress]:
    """A progress bar on stderr with rate and time left; not drawn into a pipe."""
    columns: list[ProgressColumn] = [
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        MofNCompleteColumn(),
    ]
    if unit:
        columns.append(Rate(unit))
    columns.append(TimeRemainingColumn(elapsed_when_finished=True))
    console = progress_console()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as p:
        yield p


def quoted(path: str | Path) -> str:
    """A path as one word of a shell command."""
    import shlex

    return shlex.quote(str(path))
