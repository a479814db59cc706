"""`cnnedge bench`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from ..engines import ENGINES
from . import output
from .runtime import (
    agreement_text,
    delegate_option_option,
    disagreement_option,
    precision_option,
)


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
    help="What to run on: cpu, gpu, nnapi, npu, auto, or the path of a delegate library; repeat "
    "or list. Default: cpu",
)
@delegate_option_option
@click.option(
    "--engine",
    "engines",
    multiple=True,
    type=_Many(click.Choice(ENGINES), "E[,E]"),
    default=("auto",),
    help=f"What computes: {', '.join(ENGINES)}; repeat or list to compare. Default: auto",
)
@precision_option
@disagreement_option
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
    delegate_options: dict[str, str],
    engines: tuple[list[str], ...],
    precision: str,
    allow_disagreement: bool,
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
            threads=_each(threads),
            delegates=_each(delegates),
            engine=_each(engines),
            precision=precision,
            delegate_options=delegate_options,
            allow_disagreement=allow_disagreement,
            protocol=protocol,
            progress=lambda done, total, what: progress.update(
                task, completed=done, total=total, description=f"timing {what}"
            ),
        )
    if json_file:
        output.write_json(json_file, outcome)
    if json_file != "-":
        _print(outcome["results"], protocol)


def _each(parts: tuple[list[Any], ...]) -> list[Any]:
    return list(dict.fromkeys(value for part in parts for value in part))


def _print(results: list[dict[str, Any]], protocol: str) -> None:
    columns = ["median", "p90", "p99"] if protocol == "quick" else ["p90", "median", "p99"]
    shown = _distinguishing(results)
    ratios = _ratios(results, columns[0])
    table = output.table()
    if shown:
        table.padding = (0, 1, 0, 0)
    # A long name is folded; figures are never cut.
    table.add_column("model", overflow="fold", min_width=min(20, _longest(results)))
    for name in shown:
        table.add_column(name, overflow="fold", no_wrap=name != "on")
    figures = ["threads", *columns, *(["speed"] if ratios else [])]
    for name in (*figures, "count", "init", "first", "memory", "nodes"):
        table.add_column(name, justify="right", no_wrap=True)
    for n, r in enumerate(results):
        latency, delegate = r["latency_ms"], r["delegate"]
        table.add_row(
            Text(_short(r["model"], results)),
            *(Text(_VARYING[name](r)) for name in shown),
            str(r["threads"]),
            *(output.milliseconds(latency[c]) for c in columns),
            *([ratios[n]] if ratios else []),
            f"{latency['count']:,}",
            output.milliseconds(r["init_ms"]),
            output.milliseconds(r["first_ms"]),
            output.size(r["peak_memory_bytes"]),
            f"{delegate['nodes_delegated']}/{delegate['nodes_total']}",
        )
    output.results().print(table)
    _notes(results, protocol)


# What tells results apart beside their model and threads, and is shown where it does.
_VARYING: dict[str, Callable[[dict[str, Any]], str]] = {
    "engine": lambda r: str(r["engine"]),
    "precision": lambda r: str(r["precision"]).replace("unknown", "?"),
    # Without what is behind it: XNNPACK, WebGPU.
    "on": lambda r: str(r["delegate"]["used"]).split(" (")[0],
}


def _longest(results: list[dict[str, Any]]) -> int:
    return max(len(_short(r["model"], results)) for r in results)


def _distinguishing(results: list[dict[str, Any]]) -> list[str]:
    return [name for name, get in _VARYING.items() if len({get(r) for r in results} - {"?"}) > 1]


def _ratios(results: list[dict[str, Any]], headline: str) -> list[str]:
    """How many times as fast as the first result of the same model and threads; [] for none."""
    first: dict[tuple[str, int], float] = {}
    ratios = []
    for r in results:
        value = r["latency_ms"][headline]
        ratios.append(first.setdefault((r["model"], r["threads"]), value) / value)
    return (
        [f"{ratio:.{0 if ratio >= 100 else 2}f}x" for ratio in ratios]
        if len(first) < len(results)
        else []
    )


def _notes(results: list[dict[str, Any]], protocol: str) -> None:
    about = results[0]["conditions"]
    runtimes = dict.fromkeys(_runtime(r) for r in results)
    used = {r["delegate"]["used"]: None for r in results}
    output.note(
        f"{', '.join(runtimes)} on {about['cpu']}, {about['cores']} cores; {protocol} protocol, "
        f"{about['processes']} fresh processes each; memory is the peak of the whole process; "
        f"nodes: operators that {' or '.join(used)} runs, of all"
    )
    for text in dict.fromkeys(t for r in results for t in _about_delegate(r, results)):
        output.note(text)
    for r in results:
        if r["unstable"]:
            output.warn(
                f"{_named(r, results)} with --threads {r['threads']} may be unstable: "
                f"{'; '.join(r['unstable'])}. Close other programs, or use --protocol standard"
            )
        agreement = r["delegate"]["agreement"]
        if agreement and not agreement["agrees"]:
            output.warn(f"{_named(r, results)}: {agreement_text(r['delegate'])}")


def _runtime(r: dict[str, Any]) -> str:
    known = r["precision"] != "unknown"
    precision = r["precision"] if known else f"what {r['delegate']['used']} computes in"
    return f"{r['engine']} {r['engine_version']} in {precision}"


def _about_delegate(r: dict[str, Any], results: list[dict[str, Any]]) -> list[str]:
    delegate = r["delegate"]
    lines = [f"{delegate['used']}: {note}" for note in delegate["notes"]]
    if delegate["device"] and not delegate["used"].startswith("cpu"):
        lines.append(f"{delegate['used']} is {delegate['device']}")
    if delegate["requested"] == "auto":
        lines += [f"auto passed {p['delegate']} over: {p['reason']}" for p in _passed(delegate)]
    if delegate["agreement"] and delegate["agreement"]["agrees"]:
        lines.append(f"{_named(r, results)}: {agreement_text(delegate)}")
    return lines


def _passed(delegate: dict[str, Any]) -> list[dict[str, str]]:
    passed: list[dict[str, str]] = delegate["passed_over"]
    return passed


def _named(r: dict[str, Any], results: list[dict[str, Any]]) -> str:
    """A result as it is told apart in the table."""
    parts = (_VARYING[name](r) for name in _distinguishing(results))
    return ", ".join((_short(r["model"], results), *parts))


def _short(model: str, results: list[dict[str, Any]]) -> str:
    """As much of the path's end as tells the models apart."""
    files = {r["model"] for r in results}
    parts = Path(model).parts
    for count in range(1, len(parts) + 1):
        if len({Path(f).parts[-count:] for f in files}) == len(files):
            return str(Path(*parts[-count:]))
    return model
