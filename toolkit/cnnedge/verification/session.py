"""One verification: a model file and a finished run in, a verdict out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..bundle import read_model
from ..engines import Runtime
from ..errors import ModelError
from ..specs import InputSize, spoken
from ..targets import Target
from . import inside, network
from .case import Case, Progress, Question, as_values, open_case
from .delegate import checked_answers, delegate_stage, same
from .device import device_stages
from .inside import Inside
from .pixels import decode_stage, resize_stage
from .verdict import Flip, Scores, Stage, Verdict, flips


def verify(
    question: Question,
    *,
    target: Target | None = None,
    progress: Progress = lambda text, done, total: None,
) -> Verdict:
    """Compares a model file with the run it comes from, stage by stage.

    target: a device on which the file runs as the question says; here it then runs on the CPU.
    progress: text, steps done, and in all (0: unknown). Raises CnnedgeError; GateError for a
    delegate that cannot be had.
    """
    here = question
    if target is not None and read_model(question.model).signal_size is not None:
        raise ModelError(
            f"{question.model}: this model takes signals, which are verified on this machine "
            "alone; remove --device"
        )
    if target is not None:
        here = replace(question, runtime=Runtime(guest=question.runtime.guest))
    with open_case(here, progress) as case:
        return _verdict(case, target, question.runtime)


def _verdict(case: Case, target: Target | None, wanted: Runtime) -> Verdict:
    found = inside.judge(case)
    pixels = case.prepared.model
    progress = case.progress
    expected = network.answers(case.plain, pixels, lambda d, t: progress("the CPU", d, t))
    final = expected
    if not same(case.chosen.engine, case.plain.engine):
        final = checked_answers(case.chosen, pixels, lambda d, t: progress("the delegate", d, t))
    engine, classes = case.chosen.engine, len(case.run.labels)
    comparable = final.shape[1] == classes
    stages = [*_front(case), *found.stages]
    stages.append(delegate_stage(case.chosen, case.plain, final, expected))
    if target is not None:
        rows, final = device_stages(case, target, wanted)
        stages += rows
    if comparable:
        stages.append(_labels(case, found))
    return Verdict(
        model=str(case.chosen.model.path),
        sha256=case.chosen.model.sha256,
        run=str(case.run.folder.path),
        source=case.golden.dataset.source,
        pictures=len(case.golden),
        format=network.format_of(case.chosen.model),
        ran=engine.described(),
        stages=tuple(stages),
        flipped=_flipped(case, found, final) if comparable else (),
        assumptions=tuple(case.chosen.assumptions),
        notes=tuple(spoken(text, case.run.size.noun) for text in _notes(case)),
        noun=case.run.size.noun,
    )


def _front(case: Case) -> list[Stage]:
    """What comes before the graph; a signal has no size to be brought to."""
    read = decode_stage(case.golden, case.prepared)
    size = case.run.size
    if isinstance(size, InputSize):
        return [read, _resize(case, size)]
    return [replace(read, found=spoken(read.found, "signal").replace("pixels", "values"))]


def _resize(case: Case, size: InputSize) -> Stage:
    ours, theirs = case.prepared.reference, case.prepared.model
    row = resize_stage(case.prepared, case.plain, size, case.run.recipe.preprocess)
    if ours.shape != theirs.shape:
        return row
    same_pixels = ours is theirs
    moved = case.exact if same_pixels else case.run.answer(as_values(theirs))
    return replace(row, flips=flips(moved, case.exact))


def _labels(case: Case, found: Inside) -> Stage:
    ours, theirs = case.run.labels, case.plain.labels
    row = Stage(
        stage="labels",
        agrees=True,
        unit="names",
        deviation=0.0,
        allowed=0.0,
        because="exact",
        flips=0,
        found=f"the run's {len(ours)}, in its order",
    )
    if case.plain.model.labels is None:
        return replace(row, agrees=None, deviation=None, flips=None, found="none in the file")
    given = [theirs[i] for i in found.order]
    wrong = [i for i, name in enumerate(ours) if given[i] != name]
    if not wrong:
        reordered = "the run's, in another order, as its outputs are"
        return row if given == list(theirs) else replace(row, found=reordered)
    same_names = sorted(theirs) == sorted(ours)
    if same_names and not found.settled:
        untold = "in another order; whether its outputs are, too, is unknown"
        return replace(row, agrees=None, deviation=None, flips=None, found=untold)
    first = wrong[0]
    return replace(
        row,
        agrees=False,
        deviation=float(len(wrong)),
        flips=int(np.isin(case.exact.argmax(axis=1), wrong).sum()),
        found=f"output {first} is called '{given[first]}', in the run '{ours[first]}'",
        cause="the labels in the file are in another order than its outputs"
        if same_names
        else "the labels in the file are not the run's",
        remedy="pack the file with the run's labels.txt: convert the run again",
    )


def _flipped(case: Case, found: Inside, final: Scores) -> tuple[Flip, ...]:
    """Pictures that the file, as it runs, names otherwise than the run does."""
    labels = case.run.labels
    named = case.plain.model.labels is not None
    theirs = case.plain.labels if named else labels
    best, exact = final.argmax(axis=1), case.exact
    reference = exact.argmax(axis=1)
    targets = case.golden.targets
    return tuple(
        Flip(
            name=case.golden.name(i),
            truth=None if targets is None else labels[targets[i]],
            reference_label=labels[reference[i]],
            reference_score=float(exact[i, reference[i]]),
            model_label=theirs[best[i]],
            model_score=float(final[i, best[i]]),
        )
        for i in range(len(final))
        if theirs[best[i]] != labels[reference[i]]
    )


def _notes(case: Case) -> list[str]:
    """What a reader of the verdict should know beside it."""
    notes = []
    golden = case.golden
    if not golden.own and golden.as_trained is None:
        notes.append(
            f"the pictures in {golden.dataset.source} are not exactly those of training; each "
            "keeps its split"
        )
    entry = case.recorded
    if entry and entry.drop_points is not None:
        notes.append(
            f"at conversion, on all {entry.count:,} test pictures: {entry.drop_points:.2f} "
            f"points lost, {entry.flipped:,} labels flipped"
        )
    return notes
