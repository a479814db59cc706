"""Does a kill lose anything, or leave anything behind?

    python -m fuzz.kills [--moments 100] [--seed 0] [--only train]

Starts train, convert, bench, eval and `run --save`, each in a copy of the same state, kills it with
all its children (SIGKILL) at a random moment, and looks: what stands under its final name must be
whole. Then it starts the same command again, `train` with --resume where it had begun, and looks
again: it must end with 0, and neither half files, locks nor temporary files may be left.

Prints a table, and exits with 1 where something was found.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console
from rich.progress import track
from rich.table import Table

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from support.pictures import shape_folder
from support.recipes import write_recipe

COMMANDS = ("train", "convert", "bench", "eval", "run")
_SECONDS = 300


@dataclass
class Tally:
    """What was seen of one command."""

    moments: int = 0
    ended: int = 0
    problems: list[str] = field(default_factory=list)


def words(command: str, folder: Path) -> list[str]:
    model = "run/export/int8.tflite"
    return {
        "train": ["train", "shapes.yaml", "--out", "new", "--json", "told.json"],
        "convert": ["convert", "run", "--json", "told.json"],
        "bench": ["bench", model, "--protocol", "quick", "--json", "told.json"],
        "eval": ["eval", model, "--json", "told.json"],
        "run": [
            *("run", model, "--source", "sample", "--frames", "60", "--save", "out.mp4"),
            *("--json", "told.json", "--jsonl", "lines.jsonl"),
        ],
    }[command]


def start(command: Sequence[str], folder: Path) -> subprocess.Popen[bytes]:
    own = {"TMPDIR": str(folder / "tmp"), "CNNEDGE_CACHE": str(folder / "cache"), "COLUMNS": "120"}
    return subprocess.Popen(
        [sys.executable, "-m", "cnnedge", *command],
        cwd=folder,
        env=os.environ | own,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def kill(process: subprocess.Popen[bytes]) -> None:
    for member in _family(process.pid):
        with contextlib.suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)
    process.communicate()


def _family(root: int) -> list[int]:
    """A process and all that it started, also in sessions of their own."""
    parents = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int(
                (entry / "stat").read_text().rpartition(")")[2].split()[1]
            )
        except (OSError, IndexError, ValueError):
            continue
    found = [root]
    for one in found:
        found += [child for child, parent in parents.items() if parent == one]
    return found


def halves(folder: Path) -> Iterator[str]:
    """Files under their final names that are not whole."""
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if path.name.startswith(".") or {"tmp", "checkpoints"} & set(path.parts):
            continue
        try:
            if path.suffix == ".json":
                json.loads(path.read_text())
            elif path.suffix in (".keras", ".npz"):
                with zipfile.ZipFile(path) as archive:
                    if archive.testzip():
                        raise ValueError("a damaged member")
            elif path.suffix == ".tflite":
                from cnnedge.bundle import read_model

                read_model(path)
            elif path.suffix in (".mp4", ".png", ".html", ".yaml") and not path.stat().st_size:
                raise ValueError("empty")
        except Exception as error:
            yield f"half a file: {path.relative_to(folder)} ({type(error).__name__}: {error})"


def left(folder: Path) -> Iterator[str]:
    """What a command that ended well must not leave."""
    for path in sorted(folder.rglob("*")):
        if path.name.startswith(".part-") or path.name == ".lock":
            yield f"left behind: {path.relative_to(folder)}"
    for path in (folder / "tmp").iterdir():
        yield f"left behind: tmp/{path.name}"


def one(command: str, state: Path, after: float, tally: Tally) -> None:
    with tempfile.TemporaryDirectory(prefix="kills-") as place:
        folder = Path(place) / "work"
        shutil.copytree(state, folder)
        asked = words(command, folder)
        process = start(asked, folder)
        time.sleep(after)
        tally.moments += 1
        tally.ended += process.poll() is not None
        kill(process)
        tally.problems += [f"{command} at {after:.2f} s: {text}" for text in halves(folder)]
        if command == "train" and (folder / "new" / "recipe.yaml").exists():
            asked = [*asked, "--resume"]
        again = start(asked, folder)
        _, said = again.communicate(timeout=_SECONDS)
        if again.returncode:
            line = said.decode("utf-8", "replace").strip().splitlines()[-1:]
            tally.problems.append(f"{command} at {after:.2f} s: started again: {line}")
        found = [*halves(folder), *left(folder)]
        tally.problems += [f"{command} at {after:.2f} s, again: {text}" for text in found]


def prepare(state: Path) -> dict[str, float]:
    """Pictures, a finished run and its models in `state`; how long each command takes."""
    write_recipe(state, shape_folder(state.parent / "pictures"))
    for name in ("tmp", "cache"):
        (state / name).mkdir()
    for asked in (["train", "shapes.yaml", "--out", "run"], ["convert", "run"]):
        made = start(asked, state)
        _, said = made.communicate()
        if made.returncode:
            raise SystemExit(said.decode())
    seconds = {}
    for command in COMMANDS:
        with tempfile.TemporaryDirectory(prefix="kills-") as place:
            folder = Path(place) / "work"
            shutil.copytree(state, folder)
            if command == "convert":
                _forget(folder)
            began = time.monotonic()
            start(words(command, folder), folder).communicate()
            seconds[command] = time.monotonic() - began
    _forget(state)
    return seconds


def _forget(folder: Path) -> None:
    """The run's conversion begins from nothing again, but for the models the others use."""
    shutil.rmtree(folder / "run" / "compress", ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--moments", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=COMMANDS, help="kill this command alone")
    options = parser.parse_args()
    commands = (options.only,) if options.only else COMMANDS
    rng = random.Random(options.seed)
    tallies = {command: Tally() for command in commands}
    with tempfile.TemporaryDirectory(prefix="kills-") as place:
        state = Path(place) / "state"
        state.mkdir()
        seconds = prepare(state)
        for number in track(range(options.moments), "killing", console=Console(stderr=True)):
            command = commands[number % len(commands)]
            one(command, state, rng.uniform(0, seconds[command]), tallies[command])
    report(tallies, options.seed)


def report(tallies: dict[str, Tally], seed: int) -> None:
    table = Table(title=f"kills, seed {seed}", title_justify="left", box=None, pad_edge=False)
    for name in ("command", "moments", "had ended", "problems"):
        table.add_column(name, justify="left" if name == "command" else "right")
    for command, tally in tallies.items():
        row = (tally.moments, tally.ended, len(tally.problems))
        table.add_row(command, *map(str, row))
    Console(width=100).print(table)
    problems = [text for tally in tallies.values() for text in tally.problems]
    for text in problems:
        print(text)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
