"""`cnnedge run --device`: frames labelled on a device, with its camera or with files from here."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

import click

from ...bundle import read_model
from ...errors import CnnedgeError, DeviceError, GateError, SourceError, SpecError
from ...files import explained, json_text
from ...harmless import one_line, tidy
from ...live import Outlets
from ...pipeline import FrameAnswer, FrameLine, RunResult
from ...specs import plain
from ...specs.values import read
from ...targets import Target
from .. import output
from ..guest_options import words as guest_words
from .saved import check_place, fetch
from .source import Placed, placed
from .summary import print_summary

# The options that concern this side alone; every other one travels.
_HERE = frozenset(
    {
        *("model", "source", "device", "ssh_config", "benchmark_tool", "python"),
        *("show", "save", "json_file", "jsonl", "verbose"),
    }
)
# A camera without --duration is watched until Ctrl-C, but no process stays behind for ever.
_LONGEST_SECONDS = 86_400.0
_SECONDS_TO_START = 300.0


def run_on(target: Target, ctx: click.Context, outlets: Outlets, duration: float | None) -> None:
    """Labels there, and prints and writes here what `cnnedge run` would."""
    model, source, json_file = (ctx.params[n] for n in ("model", "source", "json_file"))
    save, jsonl = outlets.save, outlets.jsonl
    if save:
        check_place(Path(save))
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(target.scratch())
        lines = stack.enter_context(_Lines.to(jsonl))
        brought = lines.placed = placed(target, source, place)
        model_there = target.push(Path(model))
        words = ["run", model_there, "--source", brought.source]
        words += [*_travelling(target, ctx), "--jsonl", "-", "--json", f"{place}/result.json"]
        saved = f"{place}/{Path(save).name}" if save else None
        words += ["--save", saved] if saved else []
        try:
            done = target.cnnedge(
                words,
                seconds=(duration + _SECONDS_TO_START) if duration else _LONGEST_SECONDS,
                line=lines.take,
            )
        except KeyboardInterrupt:
            lines.stop()
            output.note(f"stopped; {target.name} labelled {lines.count:,} frames")
            return
        lines.stop()
        errors = brought.text(done.complaint).replace(model_there, model)
        _say(target.name, errors)
        if done.code:
            _raise(target.name, done.code, errors)
        if save and saved:
            fetch(target, saved, Path(save))
        result = replace(
            _named_here(_pulled(target, f"{place}/result.json"), brought),
            model=model,
            source=source,
            saved=save,
            jsonl=jsonl,
            device=target.name,
        )
    if json_file:
        output.write_json(json_file, plain(result))
    if "-" not in (json_file, jsonl):
        _print(result, "label" if read_model(model).picture_answer is None else "picture")


def _travelling(target: Target, ctx: click.Context) -> Iterator[str]:
    """The options that were given, as words again; a file that one names is pushed."""
    for option in ctx.command.params:
        name = option.name or ""
        given = ctx.get_parameter_source(name)
        if name in _HERE or given in (None, click.core.ParameterSource.DEFAULT):
            continue
        value, word = ctx.params[name], option.opts[0]
        if name == "labels_file":
            yield from (word, target.push(Path(value)))
        elif (written := guest_words(name, value)) is not None:
            yield from (word, written)
        elif value is True:
            yield word
        elif isinstance(value, dict):
            for key, text in value.items():
                yield from (word, f"{key}={text}")
        elif value is not False and value is not None:
            shown = "x".join(map(str, value)) if isinstance(value, tuple) else str(value)
            yield from (word, shown)


class _Lines:
    """Takes the device's lines, one for each frame: counts, shows and passes them on."""

    def __init__(self, stream: IO[str] | None, path: Path) -> None:
        self.count = 0
        # A frame is named as it is here.
        self.placed = Placed(source="")
        self._stream, self._path = stream, path
        self._bar = output.progress_bar("frames")
        self._progress = self._bar.__enter__()
        self._task = self._progress.add_task("labelling", total=None)

    @classmethod
    @contextlib.contextmanager
    def to(cls, jsonl: str | None) -> Iterator[_Lines]:
        """With the file of --jsonl open, where there is one."""
        with contextlib.ExitStack() as stack:
            path = Path(jsonl or "-")
            stream: IO[str] | None = sys.stdout if jsonl == "-" else None
            if jsonl not in (None, "-"):
                with explained(path):
                    path.parent.mkdir(parents=True, exist_ok=True)
                    stream = path.open("w", encoding="utf-8")
                stack.callback(_closed, stream)
            lines = cls(stream, path)
            stack.callback(lines.stop)
            yield lines

    def take(self, text: str) -> None:
        """One line of the device; what is no frame is passed over."""
        try:
            found = read(FrameLine, tidy(json.loads(text)), "", others=True)
        except (ValueError, RecursionError, SpecError):
            return
        self.count += 1
        label = found.top[0].label if found.top else None
        shown = f"labelling: {one_line(label, 40)}" if label else "labelling"
        self._progress.update(self._task, completed=self.count, description=shown)
        if self._stream is not None:
            with explained(self._path):
                # Written anew: what a device sends is data, and one line.
                line = replace(found, name=self.placed.here(found.name))
                self._stream.write(json_text(plain(line)) + "\n")
                self._stream.flush()

    def stop(self) -> None:
        """Takes the bar away."""
        if self._bar is not None:
            bar, self._bar = self._bar, None  # type: ignore[assignment]
            bar.__exit__(None, None, None)


def _closed(stream: IO[str]) -> None:
    """What could not be written was said when it was tried."""
    with contextlib.suppress(OSError):
        stream.close()


def _named_here(result: RunResult, brought: Placed) -> RunResult:
    """The result, its files called as they are here."""

    def named(answers: tuple[FrameAnswer, ...] | None) -> tuple[FrameAnswer, ...] | None:
        if answers is None:
            return None
        return tuple(replace(each, name=brought.here(each.name)) for each in answers)

    return replace(
        result,
        predictions=named(result.predictions),
        outputs=named(result.outputs),
        skipped=tuple(brought.text(text) for text in result.skipped),
    )


def _say(name: str, errors: str) -> None:
    for text in errors.splitlines():
        if text.strip() and not text.startswith("Error:"):
            output.note(f"{name}: {one_line(text)}")


def _raise(name: str, code: int, errors: str) -> None:
    said = [line for line in errors.splitlines() if line.startswith("Error:")]
    reason = said[-1].removeprefix("Error:").strip() if said else f"it ended with exit {code}"
    kind: type[CnnedgeError] = GateError if code == 3 else SourceError
    raise kind(f"{name}: {one_line(reason, 2000)}")


def _pulled(target: Target, remote: str) -> RunResult:
    with tempfile.TemporaryDirectory(prefix="cnnedge-") as folder:
        local = Path(folder) / "result.json"
        target.pull(remote, local)
        try:
            said = json.loads(local.read_text(encoding="utf-8"))
            return read(RunResult, tidy(said), "", others=True)
        except (ValueError, RecursionError, SpecError) as error:
            raise DeviceError(
                f"{target.name}: its result cannot be read ({error}). It may run another cnnedge: "
                f"cnnedge devices clean {target.name}"
            ) from None


def _print(result: RunResult, answer: str) -> None:
    emulated = result.conditions.emulated
    if emulated:
        output.results().print(
            f"{result.device} answered {result.frames:,} frames. No times are shown: its "
            f"processor is emulated ({one_line(emulated)})",
            highlight=False,
            soft_wrap=True,
        )
        return
    output.results().print(f"on {result.device}:", highlight=False)
    print_summary(result, live=bool(result.dropped), answer=answer)
