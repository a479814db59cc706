"""`cnnedge bench`."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.text import Text

from ...bundle import Guest
from ...engines import ENGINES, Runtime
from ...errors import CnnedgeError
from .. import output
from ..devices import Reach, target_options
from ..guest_options import input_option
from ..options import gathered
from ..runtime import delegate_option_option, disagreement_option, precision_option

if TYPE_CHECKING:
    from ...benchmark.device import Device
    from ...benchmark.rounds import Failure, Outcome


class _Many(click.ParamType[Any]):
    """Values separated by commas: --threads 1,2,4 and --delegate cpu,auto."""

    def __init__(self, inner: click.ParamType[Any], name: str) -> None:
        self.inner = inner
        self.name = name

    def convert(self, value: Any, param: Any, ctx: Any) -> Any:
        if not isinstance(value, str):
            return value
        return [self.inner.convert(part.strip(), param, ctx) for part in value.split(",")]


_FILE = click.Path(dir_okay=False, path_type=Path)


def _runtimes(**given: Any) -> list[Runtime]:
    """One for each engine, delegate and thread count that is named."""
    from ...benchmark import each_runtime

    shared = Runtime(
        precision=given["precision"],
        options=given["delegate_options"],
        guest=Guest(size=given["input_size"]),
        allow_disagreement=given["allow_disagreement"],
    )
    several = {name: _each(given[name]) for name in ("engines", "delegates", "threads")}
    return each_runtime(shared, **several)


_runtime_options = gathered(
    _runtimes,
    "runtimes",
    (
        click.option(
            "--threads",
            multiple=True,
            type=_Many(click.IntRange(1, 256), "N[,N]"),
            default=("1",),
            help="Use N CPU threads for each inference. Repeat, or list several: 1,2,4. "
            "[default: 1]",
        ),
        click.option(
            "--delegate",
            "delegates",
            multiple=True,
            type=_Many(click.STRING, "D[,D]"),
            default=("cpu",),
            help="Run on this delegate: cpu, gpu, nnapi, npu, auto, or the path of a delegate "
            "library. Repeat, or list several. [default: cpu]",
        ),
        delegate_option_option,
        click.option(
            "--engine",
            "engines",
            multiple=True,
            type=_Many(click.Choice(ENGINES), "E[,E]"),
            default=("auto",),
            help=f"Run the model with this engine: {', '.join(ENGINES)}. Repeat, or list several, "
            "to compare them. [default: auto]",
        ),
        precision_option,
        disagreement_option,
        input_option,
    ),
    {
        name: name
        for name in (
            *("threads", "delegates", "delegate_options", "engines", "precision"),
            *("allow_disagreement", "input_size"),
        )
    },
)


@click.command()
@click.argument("models", metavar="MODEL...", nargs=-1, required=True)
@click.option(
    "--device",
    "devices",
    multiple=True,
    type=_Many(click.STRING, "NAME[,NAME]"),
    help="Measure on this device: a profile (see cnnedge devices), user@host, adb:SERIAL, or "
    "browser for any browser that opens the page. Repeat the option, or separate several with "
    "commas. [default: this machine]",
)
@target_options
@_runtime_options
@click.option(
    "--protocol",
    type=click.Choice(["quick", "standard", "sustained"]),
    default="quick",
    show_default=True,
    help="quick takes seconds. standard takes at least 1,024 inferences and 60 s, after a "
    "cool-down. sustained runs for minutes without a pause, to show throttling.",
)
@click.option(
    "--duration",
    type=click.FloatRange(min=1, max=86_400),
    metavar="S",
    help="Run the sustained protocol for this many seconds. [default: 600]",
)
@output.json_option
@click.option("--report", type=_FILE, metavar="FILE.html", help="Write an HTML report.")
@output.verbose_option
def command(
    models: tuple[str, ...],
    devices: tuple[list[str], ...],
    reach: Reach,
    runtimes: list[Runtime],
    protocol: str,
    duration: float | None,
    json_file: str | None,
    report: Path | None,
    verbose: bool,
) -> None:
    """Measure latency, start-up and memory of each MODEL in fresh processes, interleaved."""
    if duration is not None and protocol != "sustained":
        raise click.UsageError("--duration goes with --protocol sustained")
    if report:
        from ...pages.rendering import require_jinja2

        require_jinja2()
    reach.check(*_each(devices), measures=True)
    from ...benchmark import cases_of, cases_on, get_protocol, measure_all

    chosen = get_protocol(protocol, seconds=duration)
    with output.progress_bar() as progress:
        task = progress.add_task("timing", total=None)

        def say(text: str) -> None:
            progress.console.print(Text(text, style="dim"), highlight=False, soft_wrap=True)

        def tell(done: int, total: int, what: str) -> None:
            progress.update(task, completed=done, total=total, description=f"timing {what}")

        with _opened(_each(devices), reach, say) as opened:
            cases = cases_of(models, runtimes)
            plan = {device: cases_on(device, cases) for device in opened}
            outcome = measure_all(plan, chosen, tell)
    _refuse_nothing(outcome.results, outcome.failures)
    payload = outcome.as_json()
    with output.kept("bench", payload):
        if json_file:
            output.write_json(json_file, payload)
        if json_file != "-":
            from .table import show

            show(outcome.results, chosen, verbose=verbose)
        if report:
            _write_report(report, outcome)
    if outcome.failures:
        _say(_errors(outcome.failures))
        click.get_current_context().exit(max(f.error.exit_code for f in outcome.failures))


@contextlib.contextmanager
def _opened(
    names: Sequence[str], reach: Reach, say: Callable[[str], None]
) -> Iterator[list[Device]]:
    """The devices, each closed at the end whatever happened; this machine where none is named."""
    if not names:
        from ...benchmark import LocalDevice

        yield [LocalDevice()]
        return
    with contextlib.ExitStack() as stack:
        opened: list[Device] = []
        for name in names:
            opened.append(stack.enter_context(reach.opened(name, say)))
        yield opened


def _refuse_nothing(results: Sequence[Any], failures: Sequence[Failure]) -> None:
    """Raises the gravest failure, the others said before it, where nothing was measured."""
    if results or not failures:
        return
    *others, last = sorted(_errors(failures), key=lambda error: error.exit_code)
    _say(others)
    raise last


def _errors(failures: Sequence[Failure]) -> list[CnnedgeError]:
    """One for each text: a model that fails with every thread count fails for one reason."""
    return list({str(f.error): f.error for f in failures}.values())


def _say(errors: Sequence[CnnedgeError]) -> None:
    for error in errors:
        output.error(error)


def _write_report(path: Path, outcome: Outcome) -> None:
    from ...bench_report import render
    from ...files import write_text

    write_text(path, render(outcome))
    output.note(f"report: {path}")


def _each(parts: tuple[list[Any], ...]) -> list[Any]:
    return list(dict.fromkeys(value for part in parts for value in part))
