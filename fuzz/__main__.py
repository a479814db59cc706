"""Hostile inputs in great numbers, through the functions that cnnedge's commands run.

    make fuzz [FUZZ_SECONDS=900] [FUZZ_SEED=0]
    python -m fuzz [--seconds 900] [--inputs N] [--seed 0] [--kind KIND]... [--keep FOLDER]

Two processes take the inputs of one kind after another. An input that kills its process, hangs,
shows a traceback or ends with another exit code than 0, 1 or 3 is kept in --keep and listed. Ends
with a table, and with 1 where anything was found. The same seed makes the same inputs.
"""

from __future__ import annotations

import argparse
import functools
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from . import inputs

PROCESSES = 2
# Longer than any input may take; what takes longer hangs.
HANG_SECONDS = 60.0
OUTCOMES = ("traceback", "native death", "hang", "wrong exit")


@dataclass
class Found:
    """What came of the inputs of one kind."""

    inputs: int = 0
    slowest_s: float = 0.0
    outcomes: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)


class Worker:
    """A process that takes inputs, started anew when one kills it."""

    def __init__(self, fixtures: Path) -> None:
        self._fixtures = fixtures
        self._start()

    def _start(self) -> None:
        reader, writer = os.pipe()
        words = [sys.executable, "-m", "fuzz.worker", str(writer), str(self._fixtures)]
        self._process = subprocess.Popen(
            words,
            stdin=subprocess.PIPE,
            pass_fds=[writer],
            text=True,
            env=os.environ | {"CNNEDGE_CACHE": str(self._fixtures / "cache")},
            cwd=Path(__file__).resolve().parents[1],
        )
        os.close(writer)
        self._answers = os.fdopen(reader)

    def take(self, kind: str, path: Path) -> dict[str, Any]:
        """How an input ended."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"kind": kind, "path": str(path)}) + "\n")
        self._process.stdin.flush()
        ready, _, _ = select.select([self._answers], [], [], HANG_SECONDS)
        line = self._answers.readline() if ready else ""
        if line:
            answer: dict[str, Any] = json.loads(line)
            return answer
        outcome = "native death" if ready else "hang"
        self.close()
        code = self._process.returncode
        self._start()
        return {"outcome": outcome, "text": f"exit code {code}", "seconds": HANG_SECONDS}

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._answers.close()


def fuzz(
    kinds: Sequence[str], seed: int, seconds: float, most: int | None, keep: Path, fixtures: Path
) -> dict[str, Found]:
    """Runs inputs of every kind until time or their number is used up; each has an equal share."""
    found = {kind: Found() for kind in kinds}
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(), console=console, transient=True) as progress:
        for kind, share in _shares(kinds, most):
            until = time.monotonic() + seconds / len(kinds)
            task = progress.add_task(kind, total=share)
            waiting = _numbered(kind, seed, share, until, fixtures)
            take = functools.partial(_note, found[kind], kind=kind, seed=seed, keep=keep)
            _side_by_side(kind, waiting, fixtures, take, lambda t=task: progress.advance(t))
            progress.update(task, total=found[kind].inputs)
    return found


def _side_by_side(
    kind: str,
    waiting: Iterator[tuple[int, Path]],
    fixtures: Path,
    take: Callable[..., None],
    tell: Callable[[], None],
) -> None:
    lock = threading.Lock()

    def work() -> None:
        worker = Worker(fixtures)
        try:
            while True:
                with lock:
                    number, path = next(waiting, (0, None))
                if path is None:
                    return
                answer = worker.take(kind, path)
                with lock:
                    take(answer, number=number, path=path)
                    tell()
                _remove(path)
        finally:
            worker.close()

    threads = [threading.Thread(target=work) for _ in range(PROCESSES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _shares(kinds: Sequence[str], most: int | None) -> Iterator[tuple[str, int | None]]:
    for kind in kinds:
        yield (
            kind,
            None
            if most is None
            else most * inputs.WEIGHTS[kind] // sum(inputs.WEIGHTS[k] for k in kinds),
        )


def _numbered(
    kind: str, seed: int, most: int | None, until: float, fixtures: Path
) -> Iterator[tuple[int, Path]]:
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    made = inputs.files(kind, seed, folder, fixtures)
    for number, path in enumerate(itertools.islice(made, most)):
        if most is None and time.monotonic() > until:
            break
        yield number, path


def _note(
    found: Found,
    answer: dict[str, Any],
    *,
    kind: str,
    seed: int,
    number: int,
    path: Path,
    keep: Path,
) -> None:
    found.inputs += 1
    found.slowest_s = max(found.slowest_s, answer["seconds"])
    if answer["outcome"] == "done":
        return
    found.outcomes[answer["outcome"]] += 1
    if found.outcomes[answer["outcome"]] <= 20:
        keep.mkdir(parents=True, exist_ok=True)
        kept = keep / f"{kind}-{seed}-{number}-{path.name}"
        shutil.copytree(path, kept) if path.is_dir() else shutil.copy(path, kept)
        at = "\n    ".join(answer.get("at", ()))
        found.examples.append(f"{kept}: {answer['outcome']}: {answer['text']}\n    {at}".rstrip())


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def report(found: dict[str, Found], seed: int, seconds: float) -> bool:
    """Prints the table; whether anything was found."""
    title = f"seed {seed}, {seconds:,.0f} s, {PROCESSES} processes"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("kind")
    for name in ("inputs", *(f"{o}s" if o != "wrong exit" else "wrong exits" for o in OUTCOMES)):
        table.add_column(name, justify="right")
    table.add_column("slowest", justify="right")
    for kind, each in found.items():
        counts = [f"{each.outcomes[o]:,}" for o in OUTCOMES]
        table.add_row(kind, f"{each.inputs:,}", *counts, f"{each.slowest_s:.1f} s")
    totals = [sum(each.outcomes[o] for each in found.values()) for o in OUTCOMES]
    inputs_in_all = sum(each.inputs for each in found.values())
    table.add_row("in all", f"{inputs_in_all:,}", *(f"{n:,}" for n in totals), "")
    Console(width=110).print(table)
    for each in found.values():
        for text in each.examples:
            print(text)
    return any(totals)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=900)
    parser.add_argument("--inputs", type=int, help="so many in all, however long they take")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kind", action="append", choices=inputs.WEIGHTS)
    parser.add_argument("--keep", type=Path, default=Path("build/fuzz"))
    options = parser.parse_args()
    kinds = options.kind or list(inputs.WEIGHTS)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        fixtures = inputs.fixtures(Path(folder))
        found = fuzz(kinds, options.seed, options.seconds, options.inputs, options.keep, fixtures)
    sys.exit(1 if report(found, options.seed, time.monotonic() - began) else 0)


if __name__ == "__main__":
    main()
