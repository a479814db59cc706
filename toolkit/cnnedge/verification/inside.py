"""The stages inside the graph: colour, scale, quantise and network, and the order of the classes.

A Case enters; the rows of these stages leave, and which of the run's classes each output is.
What the file does otherwise at one stage is done in the reference too before the next is judged,
so that each is judged for itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..specs import SignalSize
from . import mistakes, network
from .case import Case
from .mistakes import Mistake, explain
from .network import Peer
from .verdict import Scores, Stage, StageName, flips, moved

Order = npt.NDArray[np.int64]

_CALIBRATED = ("int8", "int8-float-io", "int16x8")
# What makes up for a scaling that is missing in the graph.
_OPTIONS = {"not scaled to 0..1": "--pixels 0..1", "not scaled to -1..1": "--pixels -1..1"}


@dataclass(frozen=True, kw_only=True, eq=False)
class Inside:
    """stages: rows. order: int64 [classes], the output of each of the run's classes.

    settled: whether the answers say which order it is.
    """

    stages: tuple[Stage, ...]
    order: Order
    settled: bool = False


@dataclass(frozen=True, kw_only=True, eq=False)
class _Guess:
    """One reading of the file's answers. given: in the run's order of the classes."""

    order: Order
    given: Scores
    made: tuple[Mistake, ...]
    left: float


def judge(case: Case) -> Inside:
    """Judges the four stages. Raises CnnedgeError."""
    classes = len(case.run.labels)
    same_order = np.arange(classes)
    outputs = len(case.plain.labels)
    if outputs != classes:
        return Inside(stages=(_other_classes(outputs, classes),), order=same_order)
    if case.prepared.reference.shape != case.prepared.model.shape:
        return Inside(stages=_other_input(case), order=same_order)
    pixels = case.prepared.reference
    given = network.answers(
        case.plain, pixels, lambda d, t: case.progress("answers of the file", d, t)
    )
    rows, peer = _peers(case)
    own, allowed = (0.0, 0.0) if case.techniques else (peer.own, peer.allowed)
    guess = _nearest(case, given, own, allowed)
    expected = case.reference.scores(guess.made)
    rows.append(_file_row(case, guess.given, expected, peer))
    settled = bool(rows[-1].agrees)
    # Colours, scales and bytes are of pixels; a signal goes in as it is.
    signals = isinstance(case.run.size, SignalSize)
    front = () if signals else _front(case, guess, own, settled)
    return Inside(stages=(*front, *rows), order=guess.order, settled=settled)


def _peers(case: Case) -> tuple[list[Stage], Peer]:
    """The run's model in float32 and in the file's format, each judged; the latter leaves too.

    A file that was trained further has no peer but the float32 one.
    """
    run, model, pixels = case.run, case.plain.model, case.prepared.reference
    case.progress("converting the run to float32", 0, 0)
    plain = network.make_peer(run.keras, "float32", pixels, pixels, case.exact)
    rows = [network.float32_stage(plain, case.exact)]
    form = network.format_of(model)
    if form == "float32" or case.techniques:
        return rows, plain
    calibration, known = pixels, True
    if form in _CALIBRATED:
        calibration, known = case.golden.calibration(
            run.recipe, run.size, lambda d, t: case.progress("calibration pictures", d, t)
        )
    case.progress(f"converting the run to {form}", 0, 0)
    peer = network.make_peer(
        run.keras,
        form,
        calibration,
        pixels,
        case.exact,
        factor=network.FACTOR if known else network.FACTOR_UNCALIBRATED,
        float_layers=network.float_layers(model, run.keras),
        corrected=network.says_corrected(model),
    )
    targets, recorded = case.golden.targets, case.recorded
    rows.append(network.format_stage(run.keras, peer, case.exact, targets, calibration, recorded))
    return rows, peer


def _nearest(case: Case, given: Scores, own: float, allowed: float) -> _Guess:
    """The reading that leaves least: mistakes, and outputs by number or by the file's labels."""
    model = case.plain.model
    possible = mistakes.of_output(model.output)
    if not isinstance(case.run.size, SignalSize):
        usual, stated = mistakes.usual(case.run.size.channels), mistakes.of_input(model.graph)
        possible = (*usual, *stated, *possible)
    guesses = []
    for order in _orders(case):
        ordered = given[:, order]
        made = explain(case.reference, ordered, possible, own=own, allowed=allowed)
        left = moved(ordered, case.reference.scores(made))
        guesses.append(_Guess(order=order, given=ordered, made=made, left=left))
    return min(guesses, key=lambda g: (g.left > allowed, len(g.made), g.left))


def _orders(case: Case) -> list[Order]:
    """By number, and by name where the file has the run's labels in another order."""
    labels, own = case.run.labels, case.plain.labels
    by_number = np.arange(len(labels))
    if own == labels or sorted(own) != sorted(labels):
        return [by_number]
    return [by_number, np.array([own.index(label) for label in labels])]


def _file_row(case: Case, given: Scores, expected: Scores, peer: Peer) -> Stage:
    if case.techniques:
        return network.trained_on_stage(
            given, expected, case.golden.targets, case.techniques, case.recorded
        )
    row = network.file_stage(case.plain.model, given, expected, peer, case.run.keras)
    provenance = case.plain.model.provenance
    said = provenance.model_sha256 if provenance else ""
    if row.agrees is False and said and said != case.run.key:
        made_of = "the file states that it was made from another model.keras"
        return replace(row, cause=f"{row.cause}; {made_of}")
    return row


def _front(case: Case, guess: _Guess, own: float, settled: bool) -> tuple[Stage, ...]:
    """Colour, scale and quantise, each with what the reference does once it makes the mistake."""
    noise = own if not case.techniques else guess.left
    rows = []
    done: tuple[Mistake, ...] = ()
    for stage in ("colour", "scale", "quantise"):
        made = tuple(m for m in guess.made if m.stage == stage)
        before, after = case.reference.scores(done), case.reference.scores((*done, *made))
        done = (*done, *made)
        row = _sound(case, stage, noise, settled or bool(guess.made))
        row = replace(row, allowed=max(noise, network.FLOAT32), because="own noise")
        if made:
            row = replace(
                row,
                agrees=False,
                deviation=moved(before, after),
                flips=flips(before, after),
                **_explained(case, made[0]),
            )
        rows.append(row)
    return tuple(rows)


def _explained(case: Case, mistake: Mistake) -> dict[str, Any]:
    """found, cause and remedy; of a scale that lies in how pixels are fed, what to do there."""
    said = {"found": mistake.found, "cause": mistake.cause, "remedy": mistake.remedy}
    model = case.plain
    if mistake.stage != "scale" or model.model.input.dtype != "float32":
        return said
    white = model.encode(np.full(model.size.shape, 255, np.uint8))
    if float(white.max()) != 255:
        assumed = any("normalisation" in text for text in model.assumptions)
        cause = f"pixels are fed scaled, up to {white.max():.4g} and not to 255"
        if assumed:
            cause += ", because the file does not state what it takes"
        option = "--pixels 0..255"
    else:
        cause, option = mistake.cause, _OPTIONS.get(mistake.name, "")
    remedy = f"{option}, or {mistake.remedy}" if option else mistake.remedy
    return said | {"cause": cause, "remedy": remedy}


def _sound(case: Case, stage: StageName, noise: float, known: bool) -> Stage:
    """The row of a stage without a mistake: agreed, or not to be told from these pictures."""
    row = Stage(stage=stage, agrees=True, deviation=0.0, flips=0)
    if stage == "colour" and case.run.size.channels == 1:
        return replace(row, found="grey")
    if stage == "quantise":
        row = replace(row, found=_values(case))
    else:
        usual = mistakes.SWAPPED if stage == "colour" else mistakes.SCALINGS[0]
        shows = case.reference.shift(usual)
        what = "RGB" if stage == "colour" else "raw pixels"
        row = replace(row, would_show=shows, found=f"{what}; {usual.name} would show")
        if shows < max(noise, network.FLOAT32):
            return replace(
                row,
                agrees=None,
                deviation=None,
                flips=None,
                found=f"cannot be told: {usual.name} would show as {100 * shows:.2g} % alone, "
                "no more than differs anyway",
            )
    if not known:
        found = "unknown: the network itself answers differently"
        return replace(row, agrees=None, deviation=None, flips=None, found=found)
    return row


def _values(case: Case) -> str:
    tensor = case.plain.model.input
    if not tensor.scales:
        return f"{tensor.dtype} pixels"
    return (
        f"{tensor.dtype} pixels, scale {tensor.scales[0]:.6g}, zero point {tensor.zero_points[0]}"
    )


def _other_classes(outputs: int, classes: int) -> Stage:
    return Stage(
        stage="network",
        part="file",
        agrees=False,
        found=f"{outputs} classes; the run has {classes}",
        cause="the file belongs to another run",
        remedy="verify it against the run it was made from",
    )


def _other_input(case: Case) -> tuple[Stage, ...]:
    """Inputs of other shapes: what lies behind them cannot be compared."""
    ours, theirs = case.run.size.channels, case.plain.size.channels
    kinds = {1: "grey", 3: "RGB"}
    rows = []
    if ours != theirs:
        rows.append(
            Stage(
                stage="colour",
                agrees=False,
                found=f"{kinds[theirs]} pictures; the run takes {kinds[ours]}",
                cause="the file's network takes other channels than the run's",
                remedy="verify it against the run it was made from",
            )
        )
    untold = "not comparable: the input has another shape"
    names: Sequence[StageName] = ("colour", "scale", "quantise", "network")
    rows += [Stage(stage=n, agrees=None, found=untold) for n in names[len(rows) :]]
    return tuple(rows)
