"""The kinds of hostile inputs: how many of each, and the files that are made of them.

A kind and a seed enter; files leave, one after another and for ever. The same seed makes the same
files in the same order.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from random import Random

from . import networks, pictures, runs, tables, tflite, yaml_texts

# Of how many inputs each kind has, where a number is asked for.
WEIGHTS = {"tflite": 6, "metadata": 4, "pictures": 5, "yaml": 10, "tables": 6, "runs": 2}
_TESTS = Path(__file__).resolve().parents[1] / "tests"


def files(kind: str, seed: int, folder: Path, fixtures: Path) -> Iterator[Path]:
    """Files of a kind in `folder`; who takes one deletes it. fixtures: what `fixtures` made."""
    if kind == "runs":
        yield from runs.mutants(seed, fixtures / "run", folder)
        return
    for number, (name, content) in enumerate(_contents(kind, seed)):
        path = folder / f"{number}-{name}"
        path.write_bytes(content)
        yield path


# One branch for each kind of input.
def _contents(kind: str, seed: int) -> Iterator[tuple[str, bytes]]:  # noqa: C901
    chance = Random(f"{kind} {seed}")
    if kind == "tflite":
        for number in itertools.count():
            yield "model.tflite", tflite.mutant(seed, number)[1]
    if kind == "metadata":
        while True:
            flatbuffer = chance.choice((networks.float_network, networks.int8_network))()
            with contextlib.suppress(ValueError, IndexError, TypeError, OverflowError):
                yield "model.tflite", chance.choice(tflite.PACKED_CHANGES)(flatbuffer, chance)
    most = sys.maxsize
    if kind == "pictures":
        for content in pictures.mutants(seed, most):
            yield chance.choice(("a.jpg", "a.png", "a.tif", "a", "a.mp4")), content
    if kind == "yaml":
        for content in yaml_texts.mutants(seed, most):
            yield "recipe.yaml", content
    if kind == "tables":
        for content in tables.mutants(seed, most):
            yield chance.choice(tables.NAMES), content


def fixtures(folder: Path) -> Path:
    """A small sound model and a finished run, for inputs that need one beside them."""
    sys.path.insert(0, str(_TESTS))
    from support.pictures import shape_folder
    from support.recipes import write_recipe

    recipe = write_recipe(folder, shape_folder(folder / "shapes"), epochs=2)
    for words in (("train", recipe.name, "--out", "run"), ("convert", "run", "--variant", "int8")):
        subprocess.run(
            [sys.executable, "-m", "cnnedge", *words],
            cwd=folder,
            check=True,
            capture_output=True,
            env=os.environ | {"CNNEDGE_CACHE": str(folder / "cache")},
        )
    (folder / "model.tflite").write_bytes((folder / "run/export/int8.tflite").read_bytes())
    return folder
