"""The engine and delegate that were asked for, beside the CPU, on identical inputs.

The file as it is to run and input pixels enter; its answers and the row of the stage leave.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..classifier import Classifier
from ..engines import AgreementCheck, Engine
from ..engines.agreement import OF_THE_RANGE, STEPS
from .network import format_of
from .verdict import Scores, Stage, flips, moved

_FLOAT = ("float32", "float16")


def ran_on(engine: Engine) -> str:
    """Like "cpu (XNNPACK) in litert 2.3.0, f32"."""
    return f"{engine.delegate.used} in {engine.name} {engine.version}, {engine.precision}"


def same(chosen: Engine, plain: Engine) -> bool:
    """Whether both compute with the same kernels, so that there is nothing to compare."""
    return (chosen.name, chosen.precision, chosen.delegate.used) == (
        plain.name,
        plain.precision,
        plain.delegate.used,
    )


def checked_answers(
    chosen: Classifier,
    pixels: npt.NDArray[Any],
    progress: Callable[[int, int], None],
) -> Scores:
    """float32 [n, classes] for input pixels [n, h, w, c], each compared with the CPU's.

    What the comparison found is then in chosen.engine.delegate.agreement.
    """
    found = []
    check = AgreementCheck(chosen.model, chosen.engine, frames=len(pixels), allow=True)
    with contextlib.closing(check):
        for number, picture in enumerate(pixels, start=1):
            values = chosen.encode(picture)
            chosen.engine.set_input(values)
            raw = chosen.infer()
            check.see(values, raw)
            found.append(chosen.decode(raw).scores)
            progress(number, len(pixels))
    return np.stack(found)


def delegate_stage(chosen: Classifier, plain: Classifier, given: Scores, expected: Scores) -> Stage:
    """Whether the chosen engine computes what the CPU does.

    given: the chosen engine's answers; expected: those of the CPU to the very same input.
    """
    engine, report = chosen.engine, chosen.engine.delegate
    nodes = f"{report.nodes_delegated} of {report.nodes_total} nodes"
    row = Stage(
        stage="delegate",
        agrees=True,
        deviation=moved(given, expected),
        flips=flips(given, expected),
        found=f"{ran_on(engine)}, {nodes}",
    )
    if same(engine, plain.engine):
        return replace(row, found=f"{row.found}: the CPU itself")
    if agreement := report.agreement:
        known = engine.precision != "unknown"
        row = replace(
            row,
            agrees=agreement.agrees,
            unit="steps" if agreement.unit == "steps" else "range",
            deviation=agreement.largest_difference,
            allowed=agreement.tolerance,
            because=f"{engine.precision} arithmetic" if known else "its arithmetic is unknown",
        )
    else:
        integer = format_of(chosen.model) not in _FLOAT
        allowed = STEPS / 256 if integer else OF_THE_RANGE["f32"]
        row = replace(
            row,
            agrees=moved(given, expected) <= allowed,
            allowed=allowed,
            because="another engine's kernels round differently",
        )
    if row.agrees:
        return row
    reduced = engine.precision not in ("f32", "unknown")
    at = f" in {engine.precision}" if reduced else ""
    return replace(
        row,
        cause=f"{report.used} in {engine.name} does not compute{at} what the CPU does",
        remedy="use --precision f32, or --delegate cpu"
        if reduced
        else "use --delegate cpu, or repair or update the delegate's library or driver",
    )
