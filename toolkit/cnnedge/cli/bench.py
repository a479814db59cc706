"""`cnnedge bench`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from rich.text import Text

from ..engines import ENGINES
from . import output


class _Many(click.ParamType[Any]):
    """Values separated by commas: --threads 1,2,4 and --delegate cpu,auto."""

    def __init__(self, inner: click.ParamType[Any], name: str) -> None:
        self.inner = inner
        self.name = name

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if not isinstance(value, str):
            return value
        return [self.inner.convert(part.strip(), param, ctx) for part in value.split(",")]


@click.command()
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option(
    "--threads",
    multiple=True,
    type=_Many(click.IntRange(1, 256), "N[,N]"),
    default=("1",),
    help="CPU threads; repeat or list: 1,2,4. Default: 1",
)
@click.option(
    "--delegate",
    "delegates",
    multiple=True,
    type=_Many(click.STRING, "D[,D]"),
    default=("cpu",),
    help="What to run on; this version knows cpu.",
)
@click.option("--engine", type=click.Choice(ENGINES), default="auto", show_default=True)
@click.option(
    "--protocol",
    type=click.Choice(["quick", "standard"]),
    default="quick",
    show_default=True,
    help="quick: seconds; standard: at least 1,024 inferences and 60 s.",
)
@output.json_option
@output.verbose_option
def command(
    models: tuple[str, ...],
    threads: tuple[list[int], ...],
    delegates: tuple[list[str], ...],
    engine: str,
    protocol: str,
    json_file: str | None,
    verbose: bool,
) -> None:
    """Measure latency, start-up and memory of each MODEL in fresh processes, interleaved."""
    from ..benchmark import bench

    with output.progress_bar() as progress:
        task = progress.add_task("timing", total=None)
        outcome = bench(
            models,
            threads=list(dict.fromkeys(t for part in threads for t in part)),
            delegates=list(dict.fromkeys(d for part in delegates for d in part)),
            engine=engine,
            protocol=protocol,
            progress=lambda done, total, what: progress.update(
                task, completed=done, total=total, description=f"timing {what}"
            ),
        )
    if json_file:
        output.write_json(json_file, outcome)
    if json_file != "-":
        _print(outcome["results"], protocol)


def _print(results: list[dict[str, Any]], protocol: str) -> None:
    console = output.results()
    columns = ["median", "p90", "p99"] if protocol == "quick" else ["p90", "median", "p99"]
    table = output.table()
    for name in ("model", "threads", *columns, "count", "init", "first", "memory", "delegated"):
        if name == "model":
            # A long name is folded; figures are never cut.
            table.add_column(name, overflow="fold")
        else:
            table.add_column(name, justify="right", no_wrap=True)
    for r in results:
        latency, delegate = r["latency_ms"], r["delegate"]
        table.add_row(
            Text(_short(r["model"], results)),
            str(r["threads"]),
            *(output.milliseconds(latency[c]) for c in columns),
            f"{latency['count']:,}",
            output.milliseconds(r["init_ms"]),
            output.milliseconds(r["first_ms"]),
            output.size(r["peak_memory_bytes"]),
            f"{delegate['nodes_delegated']}/{delegate['nodes_total']}",
        )
    console.print(table)
    first = results[0]
    about = first["conditions"]
    output.note(
        f"{first['engine']} {first['engine_version']} on {about['cpu']}, {about['cores']} cores; "
        f"{protocol} protocol, {about['processes']} fresh processes each; memory is the peak of "
        f"the whole process; delegated: operators that {first['delegate']['used']} runs"
    )
    for r in results:
        if r["unstable"]:
            output.warn(
                f"{_short(r['model'], results)} with --threads {r['threads']} may be unstable: "
                f"{'; '.join(r['unstable'])}. Close other programs, or use --protocol standard"
            )


def _short(model: str, results: list[dict[str, Any]]) -> str:
    """As much of the path's end as tells the models apart."""
    files = {r["model"] for r in results}
    parts = Path(model).parts
    for count in range(1, len(parts) + 1):
        if len({Path(f).parts[-count:] for f in files}) == len(files):
            return str(Path(*parts[-count:]))
    return model
