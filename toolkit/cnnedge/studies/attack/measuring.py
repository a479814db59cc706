"""Accuracy against epsilon: of the network, of its files, and of a hardened copy.

A run enters; curves and a few attacked pictures leave. The attack sees the Keras network alone; its
files get the very same pictures, so that their curves say whether it carries over.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...data import Pixels as DataPixels
from ...errors import RunFolderError
from ...results import Accuracy, accuracy
from ...training.run_folder import open_finished
from ..subjects import Chosen, FileSubject, RunSubject, Scores, Subject, choose
from .gradients import METHODS, Attacker, Classes, Method, Pixels
from .hardening import Hardening, harden

Progress = Callable[[str, int, int], None]
EPSILONS = (1, 2, 4, 8, 16, 32)
QUICK_EPSILONS = (4, 16)
# Whose pictures are shown, and that the hardened copy trains against.
SHOWN_EPSILON = 8
_VARIANTS = ("float32", "int8")


@dataclass(frozen=True, kw_only=True)
class Plan:
    """pictures, training_pictures: at most so many. epochs: of adversarial training; 0 for none."""

    pictures: int
    epsilons: tuple[int, ...]
    epochs: int
    training_pictures: int
    data: str | None = None

    @property
    def shown(self) -> int:
        """The epsilon of the examples and of adversarial training."""
        return min(self.epsilons, key=lambda e: abs(e - SHOWN_EPSILON))


@dataclass(frozen=True, kw_only=True)
class Strength:
    """One epsilon, in steps of 1 of 255."""

    epsilon: int
    accuracy: Accuracy


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One model under one kind of attack. attacked: the network whose gradients were followed,
    `own` or `original`."""

    model: str
    method: Method
    attacked: str
    points: tuple[Strength, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Example:
    """One picture, uint8 [h, w, c] RGB or grey, before and after PGD. said: model, answer and its
    probability, of the plain picture first."""

    plain: Pixels
    attacked: Pixels
    label: str
    before: float
    answers: tuple[tuple[str, str, float], ...]


@dataclass(frozen=True, kw_only=True)
class Hardened:
    """What the extra epochs did. control: the same epochs without attack."""

    epochs: int
    epsilon: int
    pictures: int
    curves: tuple[Curve, ...]
    control: tuple[Curve, ...]


@dataclass(frozen=True, kw_only=True)
class Attack:
    """study.json. curves: of the run's network and of its files."""

    run: str
    source: str
    part: str
    pictures: int
    curves: tuple[Curve, ...]
    hardened: Hardened | None

    def curve(self, model: str, method: Method) -> Curve:
        return next(c for c in self.curves if (c.model, c.method) == (model, method))


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """The result, and pictures to show."""

    result: Attack
    examples: tuple[Example, ...] = field(repr=False)


def files_of(run: Path) -> tuple[FileSubject, ...]:
    """The float32 and int8 files of a run. Raises RunFolderError where it has neither."""
    export = run / "export"
    found = tuple(
        FileSubject(export / f"{name}.tflite", name)
        for name in _VARIANTS
        if (export / f"{name}.tflite").is_file()
    )
    if not found:
        raise RunFolderError(
            f"{export}: found neither float32.tflite nor int8.tflite, and the study shows whether "
            f"the attack carries over to them. Make them: cnnedge convert {run} --variant float32 "
            "--variant int8"
        )
    return found


def measure(run: Path, plan: Plan, progress: Progress) -> Measured:
    """The whole study. Writes nothing. Raises CnnedgeError."""
    open_finished(run)
    files = files_of(run)
    network = RunSubject(run, "Keras")
    attacker = Attacker(network.model)
    subjects: tuple[Subject, ...] = (network, *files)
    chosen = choose(
        subjects, plan.data, plan.pictures, lambda d, t: progress("reading pictures", d, t)
    )
    pixels = DataPixels(chosen.dataset, network.size, network.rule)
    plain = pixels.batch(chosen.indices)
    targets = chosen.targets(network)
    curves, hit = _curves(subjects, (attacker, plain, targets), plan, progress)
    hardened = _hardened(network, (pixels, plain, targets), chosen, plan, progress)
    result = Attack(
        run=str(run),
        source=chosen.dataset.source,
        part=chosen.part,
        pictures=len(chosen),
        curves=curves,
        hardened=hardened,
    )
    return Measured(result=result, examples=_examples(subjects, plain, hit, targets))


_Target = tuple[Attacker, Pixels, Classes]


def _curves(
    subjects: Sequence[Subject], target: _Target, plan: Plan, progress: Progress
) -> tuple[tuple[Curve, ...], Pixels]:
    """A curve for each model and method; and the pictures of PGD at the shown epsilon."""
    attacker, plain, targets = target
    # Of the copies, whose question is another, the strongest attack alone.
    methods: tuple[Method, ...] = METHODS if len(subjects) > 1 else ("pgd",)
    points: dict[tuple[str, Method], list[Strength]] = {}
    hit, done, total = plain, 0, len(methods) * (len(plan.epsilons) + 1)
    for method in methods:
        for epsilon in (0, *plan.epsilons):
            attacked = attacker(plain, targets, epsilon, method)
            if (method, epsilon) == ("pgd", plan.shown):
                hit = attacked
            for subject in subjects:
                right = subject.scores(attacked).argmax(axis=1) == targets
                points.setdefault((subject.name, method), []).append(
                    Strength(epsilon=epsilon, accuracy=accuracy(right))
                )
            done += 1
            progress("attacking", done, total)
    curves = tuple(
        Curve(
            model=model,
            method=method,
            attacked="own" if model == subjects[0].name else "original",
            points=tuple(found),
        )
        for (model, method), found in points.items()
    )
    return curves, hit


def _hardened(
    network: RunSubject,
    pictures: tuple[DataPixels, Pixels, Classes],
    chosen: Chosen,
    plan: Plan,
    progress: Progress,
) -> Hardened | None:
    """Two copies trained on for as long, one of them under attack, each attacked by its own
    gradients afterwards."""
    dataset = chosen.dataset
    indices = dataset.indices("train")
    indices = indices[network.mapping(dataset)[dataset.targets[indices]] >= 0]
    if not plan.epochs or not len(indices):
        return None
    pixels, plain, targets = pictures
    indices = np.random.default_rng(0).permutation(indices)[: plan.training_pictures]
    classes: Classes = network.mapping(dataset)[dataset.targets[indices]]
    found = []
    for name, epsilon in (("hardened", plan.shown), ("control", 0)):
        copy = RunSubject(network.path, name)
        how = Hardening(epochs=plan.epochs, epsilon=epsilon)
        what = "adversarial training" if epsilon else "training as long without attack"
        harden(
            copy.model,
            lambda rows: pixels.batch(indices[rows]),
            classes,
            how,
            lambda done, total, what=what: progress(what, done, total),  # type: ignore[misc]
        )
        curves, _ = _curves((copy,), (Attacker(copy.model), plain, targets), plan, progress)
        found.append(curves)
    return Hardened(
        epochs=plan.epochs,
        epsilon=plan.shown,
        pictures=len(indices),
        curves=found[0],
        control=found[1],
    )


def _examples(
    subjects: Sequence[Subject], plain: Pixels, hit: Pixels, targets: Classes
) -> tuple[Example, ...]:
    """The pictures that the network was surest of and lost, of different classes."""
    before, after = subjects[0].scores(plain), subjects[0].scores(hit)
    lost = (before.argmax(axis=1) == targets) & (after.argmax(axis=1) != targets)
    sureness = np.where(lost, before.max(axis=1), -1)
    rows: list[int] = []
    for row in np.argsort(-sureness, kind="stable").tolist():
        if lost[row] and targets[row] not in targets[rows]:
            rows.append(row)
        if len(rows) == 4:
            break
    answers = [subject.scores(hit[rows]) for subject in subjects] if rows else []
    return tuple(
        Example(
            plain=plain[row],
            attacked=hit[row],
            label=subjects[0].labels[int(targets[row])],
            before=float(before[row].max()),
            answers=tuple(
                _said(subject, scores[number])
                for subject, scores in zip(subjects, answers, strict=True)
            ),
        )
        for number, row in enumerate(rows)
    )


def _said(subject: Subject, scores: Scores) -> tuple[str, str, float]:
    best = int(scores.argmax())
    return subject.name, subject.labels[best], float(scores[best])
