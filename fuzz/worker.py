"""One process that runs many hostile inputs through cnnedge's own functions, one after another.

A line of JSON per input enters on stdin: the kind, and the path of the file. A line per input
leaves on the descriptor named on the command line: how it ended. Who dies or hangs is buried and
replaced by the parent, which knows the input by the line that is missing.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cnnedge.cli import group
from cnnedge.errors import CnnedgeError

# Address space, in bytes: what asks for more is refused memory, and must say so in one line.
_MEMORY = 12 << 30
_ALLOWED = (0, 1, 3)

Case = Callable[[Path, Path], int]


def command(*words: str) -> int:
    """A command of cnnedge in this process, as its console script would run it; its exit code."""
    try:
        code = group.main(list(words), prog_name="cnnedge", standalone_mode=False)
    except CnnedgeError as error:
        return error.exit_code
    return code if isinstance(code, int) else 0


def run_model(file: Path, fixtures: Path) -> int:
    frames = ("--source", "sample", "--frames", "2", "--delegate", "cpu")
    return command("run", str(file), *frames, "--json", os.devnull)


def inspect_model(file: Path, fixtures: Path) -> int:
    return command("inspect", str(file))


def label_picture(file: Path, fixtures: Path) -> int:
    model = str(fixtures / "model.tflite")
    return command("run", model, "--source", str(file), "--delegate", "cpu", "--frames", "4")


def read_recipe(file: Path, fixtures: Path) -> int:
    from cnnedge.cli.train import resolve
    from cnnedge.specs import parse_device, parse_model

    text = file.read_bytes().decode("utf-8", "replace")
    for read in (lambda: parse_model(text, "m.yaml"), lambda: parse_device(text, "d.yaml")):
        with contextlib.suppress(CnnedgeError):
            read()
    resolve(str(file), None, ())
    return 0


def score_data(file: Path, fixtures: Path) -> int:
    model = str(fixtures / "model.tflite")
    words = ("eval", model, "--data", str(file), "--split", "all", "--json", os.devnull)
    return command(*words)


def read_run(file: Path, fixtures: Path) -> int:
    """file: the folder of a run, one of whose files is hostile."""
    from cnnedge.training import backend, run_folder
    from cnnedge.training.run_lock import occupied

    run = run_folder.open_finished(file)
    steps: list[Callable[[], Any]] = [
        lambda: run_folder.read_recipe(run),
        lambda: run_folder.read_labels(run),
        lambda: run_folder.read_metrics(run),
        lambda: run_folder.read_history(run, 10**6),
        lambda: run_folder.read_identity(run),
        lambda: backend.load_keras(run.model),
    ]
    with occupied(file):
        for step in steps:
            with contextlib.suppress(CnnedgeError):
                step()
    return 0


CASES: dict[str, tuple[Case, ...]] = {
    "tflite": (run_model, inspect_model),
    "metadata": (inspect_model, run_model),
    "pictures": (label_picture,),
    "yaml": (read_recipe,),
    "tables": (score_data,),
    "runs": (read_run,),
}


def ended(case: Case, file: Path, fixtures: Path) -> dict[str, Any]:
    """How one input ended: refused, done, with a wrong exit code, or with a traceback."""
    try:
        code = case(file, fixtures)
    except CnnedgeError as error:
        text = str(error)
        return {"outcome": "done" if text else "wrong exit", "text": text[:200]}
    except BaseException as error:
        at = traceback.format_exc().strip().splitlines()[-9:]
        text = f"{type(error).__name__}: {error}"[:300]
        return {"outcome": "traceback", "text": text, "at": at}
    return {"outcome": "done" if code in _ALLOWED else "wrong exit", "text": str(code)}


def main() -> None:
    answers = os.fdopen(int(sys.argv[1]), "w", buffering=1)
    fixtures = Path(sys.argv[2])
    silent = os.open(os.devnull, os.O_RDWR)
    os.dup2(silent, 1)
    os.dup2(silent, 2)
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for line in sys.stdin:
        asked = json.loads(line)
        for case in CASES[asked["kind"]]:
            began = time.monotonic()
            answer = ended(case, Path(asked["path"]), fixtures)
            if answer["outcome"] != "done":
                break
        answer |= {"case": case.__name__, "seconds": time.monotonic() - began}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
