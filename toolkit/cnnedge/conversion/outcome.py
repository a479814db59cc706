"""report.json and report.html of one conversion.

Measured entries and the answers of each variant enter; the report leaves, in memory and written.
"""

from __future__ import annotations

import contextlib
import datetime
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .._version import __version__
from ..benchmark import Result
from ..benchmark.trust import trust, trust_line
from ..converter import convert as convert_keras
from ..errors import CnnedgeError
from ..files import read_json, write_json, write_text
from ..pages.text import Row
from ..results import accuracy
from ..scoring import Source
from ..seals import holds, seal
from ..specs import plain, spoken
from ..specs.values import read
from ..training import backend
from ..training.content_key import content_key, dataset_decides
from ..training.judging import judge
from .entries import (
    BudgetAsked,
    CalibrationUsed,
    Chosen,
    Entry,
    NotMade,
    ReferenceEntry,
    Report,
    Sensitivity,
)
from .flips import FlippedPicture, as_picture
from .report.page import most_compressed, render_report
from .search import Found
from .sensitivity import layer_errors
from .slower import slower_in_integers
from .work import Work

Scores = npt.NDArray[np.float32]

_MOST_FLIPPED = 24
_MOST_BYTES = 8_000_000
# For the error of each layer, where the gate holds and where it does not: then one wants to know.
_SECONDS, _SECONDS_HURT = 20.0, 60.0


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """What was made. scores: of each by its name, float32 [n, classes].

    latencies: in the order of the entries.
    """

    entries: list[Entry]
    scores: dict[str, Scores]
    latencies: list[Result]


def write_report(
    work: Work, measured: Measured, found: Found | None, missing: Sequence[NotMade]
) -> Report:
    """Writes RUN/export/report.json and report.html; returns the former's content."""
    entries, scores, latencies = measured.entries, measured.scores, measured.latencies
    gate = work.data.recipe.convert.max_drop
    doubt = trust(latencies)
    report = Report(
        cnnedge=__version__,
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        run=str(work.data.run.path),
        recipe=work.data.recipe.name,
        description=work.data.recipe.description,
        device=work.timer.describe(latencies),
        test_pictures=len(work.indices),
        data=Source(source=work.data.dataset.source, fingerprint=work.data.dataset.fingerprint),
        reference=_reference(work),
        max_drop=gate,
        best=most_compressed({"variants": plain(tuple(entries)), "max_drop": gate}),
        frontier=frontier(entries, lambda e: e.median_ms),
        size_frontier=frontier(entries, lambda e: e.size_bytes),
        budget=_budget(found, gate),
        chosen=Chosen(name=found.name, why=found.why) if found else None,
        calibration=_calibration(work),
        sensitivity=_sensitivity(work, entries),
        variants=tuple(entries),
        not_made=tuple(missing),
        warnings=(
            *(f"{m.name} cannot be made: {m.reason}" for m in missing),
            *slower_in_integers(entries, latencies),
            *dict.fromkeys(r.unstable[0] for r in latencies if r.emulated),
            *([trust_line(doubt)] if doubt else []),
        ),
        trust=doubt,
        unstable={Path(r.model).stem: tuple(r.unstable) for r in latencies if r.unstable},
        conditions=plain(latencies[0].conditions) if latencies else {},
        noun=None if work.data.dataset.noun == "picture" else work.data.dataset.noun,
    )
    told = plain(report)
    shown = (found and found.name) or report.best or entries[0].name
    page = render_report(
        {**told, "imported": _imported(work)},
        confusion=_confusion(work, shown, scores[shown]),
        flipped=[f for name, s in scores.items() for f in _flipped(work, name, s)],
    )
    write_text(work.data.run.export / "report.html", spoken(page, work.data.dataset.noun))
    write_json(work.data.run.export / "report.json", told)
    return report


def _imported(work: Work) -> Row:
    """What is told of a model that was imported; nothing of one that was trained here."""
    with contextlib.suppress(CnnedgeError):
        return read_json(work.data.run.imported)
    return {}


def _reference(work: Work) -> ReferenceEntry:
    if work.targets is None:
        return ReferenceEntry(count=len(work.indices))
    return ReferenceEntry.of(accuracy(work.reference.argmax(axis=1) == work.targets))


def frontier(entries: Sequence[Entry], cost: Callable[[Entry], float]) -> tuple[str, ...]:
    """Names of those that no other beats in accuracy and cost at once, the cheapest first.

    What the gate refused is not on it.
    """
    known = [(e, e.accuracy) for e in entries if e.accuracy is not None and e.status == "ok"]
    names, best = [], -1.0
    for entry, right in sorted(known, key=lambda each: (cost(each[0]), -each[1])):
        if right > best:
            names.append(entry.name)
            best = right
    return tuple(names)


def _budget(found: Found | None, gate: float | None) -> BudgetAsked | None:
    return BudgetAsked(**vars(found.budget), max_drop=gate) if found else None


def _calibration(work: Work) -> CalibrationUsed:
    chosen, seed = work.workshop.sample, work.data.recipe.convert.calibration.seed
    counts = Counter(work.data.dataset.classes[t] for t in work.data.dataset.targets[chosen])
    return CalibrationUsed(count=len(chosen), seed=seed, per_class=dict(sorted(counts.items())))


def _sensitivity(work: Work, entries: Sequence[Entry]) -> Sensitivity | None:
    """The error of each layer of the run's own model in int8; None where no variant is int8."""
    quantised = [e for e in entries if e.format in ("int8", "selective")]
    if not quantised:
        return None
    large = max(e.size_bytes for e in quantised) > _MOST_BYTES
    if large and all(e.status == "ok" for e in quantised):
        # Each layer is run with all behind it: minutes for a ResNet-50.
        work.data.reporter.note(
            "skipped the error of each layer: it takes minutes for a model of this size, and the "
            "gate holds"
        )
        return None
    calibration = work.data.recipe.convert.calibration
    key = content_key(
        work.data.pixels,
        model=work.model_key,
        calibration=[calibration.count, calibration.seed],
        data=dataset_decides(work.data.dataset),
        versions=backend.versions(),
    )
    kept = work.data.run.compress / "measured" / f"sensitivity-{key[:16]}.json"
    with contextlib.suppress(CnnedgeError):
        known = read_json(kept)
        if holds(known.pop("seal", None), known):
            return read(Sensitivity, known, "")
    hurt = any(e.status != "ok" for e in quantised)
    found = _layer_errors(work, work.calibration(calibration.count), hurt=hurt)
    if found:
        told = plain(found)
        write_json(kept, told | {"seal": seal(told)})
    return found


def _layer_errors(work: Work, pictures: npt.NDArray[np.uint8], *, hurt: bool) -> Sensitivity | None:
    stage = "finding the layers that int8 hurts"
    work.data.reporter.stage(stage, 0, 0)
    model = work.workshop.own
    try:
        errors = layer_errors(
            model,
            convert_keras(model, "int8", pictures),
            pictures,
            lambda done, total: work.data.reporter.stage(stage, done, total),
            seconds=_SECONDS_HURT if hurt else _SECONDS,
        )
    except CnnedgeError as error:
        work.data.reporter.note(f"the error of each layer is unknown: {error}")
        return None
    if not errors:
        return None
    return Sensitivity(variant="int8", pictures=errors[0].pictures or 0, layers=tuple(errors))


def _confusion(work: Work, variant: str, scores: Scores) -> Row:
    judged = judge(work.data.labels, work.data.dataset, work.indices, scores.argmax(axis=1))
    if not judged.confusion:
        return {}
    return {
        "labels": judged.confusion_labels or work.data.labels,
        "matrix": judged.confusion,
        "variant": variant,
    }


def _flipped(work: Work, variant: str, scores: Scores) -> list[FlippedPicture]:
    reference, predictions = work.reference.argmax(axis=1), scores.argmax(axis=1)
    places = np.flatnonzero(reference != predictions)[:_MOST_FLIPPED]
    classes = work.data.labels
    return [
        FlippedPicture(
            variant=variant,
            name=Path(work.data.dataset.name(int(work.indices[i]))).name,
            true_label=work.data.dataset.classes[work.data.dataset.targets[work.indices[i]]],
            reference_label=classes[reference[i]],
            variant_label=classes[predictions[i]],
            reference_score=float(work.reference[i].max()),
            variant_score=float(scores[i].max()),
            pixels=as_picture(work.data.pixels.one(int(work.indices[i]))),
        )
        for i in places
    ]
