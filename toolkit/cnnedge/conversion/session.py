"""One conversion: a finished run in, measured variants and their report out.

Each variant is converted, scored on the test pictures through the runtime that users run, packed
with metadata and written whole; then all are timed together, interleaved.
"""

from __future__ import annotations

import datetime
import gzip
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .. import conditions
from .._version import __version__
from ..benchmark import Case, get_protocol, run_cases
from ..bundle import read_model, write_model
from ..bundle.cost import macs, parameters, sparsity
from ..classifier import load
from ..converter import convert as convert_keras
from ..data import Dataset, Pixels, calibration_indices
from ..errors import DataError
from ..files import write_json, write_text
from ..results import accuracy, mcnemar
from ..scoring import score
from ..specs import InputSize, Recipe, plain
from ..training import backend, methods
from ..training.fitting import predict
from ..training.judging import judge, truths
from ..training.run_folder import RunFolder, open_finished, read_recipe
from ..training.session import load_recipe_data, read_metrics
from .flips import FlippedPicture
from .report import most_compressed, render_report

_MOST_FLIPPED = 24


class Reporter(Protocol):
    """Who is told how conversion goes."""

    def scanning(self, done: int, total: int) -> None: ...

    def stage(self, text: str, done: int, total: int) -> None: ...

    def note(self, text: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What every variant needs. targets: None where the pictures are of unknown classes."""

    run: RunFolder
    labels: tuple[str, ...]
    recipe: Recipe
    dataset: Dataset
    pixels: Pixels
    model: Any
    indices: npt.NDArray[np.int64]
    targets: npt.NDArray[np.int64] | None
    reference: npt.NDArray[np.float32]
    calibration: npt.NDArray[np.uint8]


def convert(
    run_path: Path,
    reporter: Reporter,
    *,
    variants: Sequence[str] = (),
    max_drop: float | None = None,
    data: str | None = None,
) -> dict[str, Any]:
    """Makes the variants of a run (the recipe's, or those named) and returns report.json.

    max_drop: percentage points that a variant may lose; the recipe's when None. A variant that
    loses more has status "failed" in the report; all files stay. Raises CnnedgeError.
    """
    run = open_finished(run_path)
    recipe = read_recipe(run)
    if data:
        recipe = replace(recipe, data=replace(recipe.data, source=data))
    gate = recipe.convert.max_drop if max_drop is None else max_drop
    work = _prepare(run, recipe, reporter)
    names = list(variants) or list(recipe.convert.variants)
    made = []
    for i, name in enumerate(names):
        made.append(_make(work, name, reporter, i, len(names)))
    latencies = _time([run.export / m["file"] for m in made], reporter)
    entries = [
        _judged(entry | {"latency_ms": latency["latency_ms"]}, gate)
        for entry, latency in zip(made, latencies, strict=True)
    ]
    return _write_report(work, entries, latencies, gate)


def _prepare(run: RunFolder, recipe: Recipe, reporter: Reporter) -> _Work:
    dataset = load_recipe_data(recipe, reporter.scanning)
    trained = read_metrics(run)["data"]
    published = recipe.training.method == "pretrained"
    if list(dataset.classes) != trained["classes"] and not published:
        raise DataError(
            f"{dataset.source}: its classes are {', '.join(dataset.classes)}; the run was trained "
            f"on {', '.join(trained['classes'])}. Name the data it was trained on: --data DIR"
        )
    if dataset.fingerprint != trained["fingerprint"] and not published:
        reporter.note(
            f"the pictures in {dataset.source} are not exactly those of training; each keeps its "
            "split, and the test accuracy is of the pictures found now"
        )
    reporter.stage("loading model.keras", 0, 0)
    model = backend.load_keras(run.model)
    height, width, channels = model.input_shape[1:]
    size = InputSize(height=height, width=width, channels=channels)
    pixels = Pixels(dataset, size, recipe.preprocess)
    indices = dataset.indices("test")
    labels = methods.labels(recipe, dataset)
    targets = truths(labels, dataset, indices)
    if targets is None:
        reporter.note(
            "the pictures are of none of the model's classes: no accuracy can be measured, only "
            "whether a variant answers as model.keras does (flipped)"
        )
    wanted = recipe.convert.calibration
    reporter.stage("scoring model.keras on the test pictures", 0, 0)
    return _Work(
        run=run,
        labels=labels,
        recipe=recipe,
        dataset=dataset,
        pixels=pixels,
        model=model,
        indices=indices,
        targets=targets,
        reference=predict(model, pixels, indices),
        calibration=pixels.batch(calibration_indices(dataset, wanted.count, wanted.seed)),
    )


def _make(
    work: _Work, variant: str, reporter: Reporter, position: int, total: int
) -> dict[str, Any]:
    reporter.stage(f"{variant}: converting ({position + 1} of {total})", 0, 0)
    flatbuffer = convert_keras(work.model, variant, work.calibration)
    provenance = _provenance(work, variant)
    labels = work.labels
    final = work.run.export / f"{variant}.tflite"
    # Scored from a file of its own: the finished name appears with the finished model.
    trial = work.run.export / f".{variant}.trial.tflite"
    write_model(trial, flatbuffer, labels=labels, size=work.pixels.size, provenance=provenance)
    try:
        scores = score(
            load(trial),
            work.pixels,
            work.indices,
            lambda done, all_: reporter.stage(
                f"{variant}: scoring on the test pictures", done, all_
            ),
        )
    finally:
        trial.unlink(missing_ok=True)
    entry = _compare(work, variant, scores)
    provenance["accuracy"] = {k: entry[k] for k in ("accuracy", "ci95", "count", "drop_points")}
    write_model(final, flatbuffer, labels=labels, size=work.pixels.size, provenance=provenance)
    model = read_model(final)
    return entry | {
        "file": final.name,
        "sha256": model.sha256,
        "size_bytes": model.size_bytes,
        "gzip_bytes": len(gzip.compress(model.data, 9, mtime=0)),
        "input_dtype": model.input.dtype,
        "sparsity": sparsity(model),
        "macs": macs(model.graph),
        "parameters": parameters(model),
        "_scores": scores,
    }


def _compare(work: _Work, variant: str, scores: npt.NDArray[np.float32]) -> dict[str, Any]:
    reference, predictions = work.reference.argmax(axis=1), scores.argmax(axis=1)
    flipped = {"name": variant, "flipped": int(np.sum(reference != predictions))}
    if work.targets is None:
        unknown = ("accuracy", "ci95", "drop_points", "mcnemar_p")
        return flipped | {"count": len(reference)} | dict.fromkeys(unknown)
    before, after = reference == work.targets, predictions == work.targets
    return flipped | {
        **accuracy(after),
        "drop_points": 100 * (float(before.mean()) - float(after.mean())),
        "mcnemar_p": mcnemar(before, after),
    }


def _judged(entry: dict[str, Any], gate: float | None) -> dict[str, Any]:
    drop = entry["drop_points"]
    reason = ""
    if gate is not None and drop is None:
        reason = f"its accuracy cannot be measured on these pictures; allowed to lose are {gate:g}"
    elif gate is not None and drop > gate + 1e-9:
        reason = f"lost {drop:.2f} points, allowed are {gate:g}"
    failed = bool(reason)
    return entry | {"status": "failed" if failed else "ok", "status_reason": reason}


def _time(files: list[Path], reporter: Reporter) -> list[dict[str, Any]]:
    return run_cases(
        [Case(model=f) for f in files],
        get_protocol("quick"),
        lambda done, total, what: reporter.stage(f"timing {what}", done, total),
    )


def _provenance(work: _Work, variant: str) -> dict[str, Any]:
    recipe = work.recipe
    size = work.pixels.size
    source = work.dataset.source
    return {
        "format": 1,
        "cnnedge": __version__,
        "recipe": recipe.name,
        "description": recipe.description,
        "method": recipe.training.method,
        "variant": variant,
        "input": {**plain(size), "color": "RGB" if size.channels == 3 else "GRAY"},
        "preprocess": plain(recipe.preprocess),
        "data": {
            "source": source,
            "fingerprint": work.dataset.fingerprint,
            "splits": plain(recipe.data.splits),
            "seed": recipe.data.seed,
            "max_unreadable": recipe.data.max_unreadable,
        },
        "calibration": plain(recipe.convert.calibration) if variant == "int8" else None,
        "model_sha256": hashlib.sha256(work.run.model.read_bytes()).hexdigest(),
        "versions": backend.versions(),
    }


def _write_report(
    work: _Work,
    entries: list[dict[str, Any]],
    latencies: list[dict[str, Any]],
    gate: float | None,
) -> dict[str, Any]:
    scores = {entry["name"]: entry.pop("_scores") for entry in entries}
    before = {"accuracy": None, "count": len(work.indices), "ci95": None}
    if work.targets is not None:
        before = accuracy(work.reference.argmax(axis=1) == work.targets)
    report = {
        "cnnedge": __version__,
        "created": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "run": str(work.run.path),
        "recipe": work.recipe.name,
        "description": work.recipe.description,
        "device": conditions.cpu_name(),
        "threads": 1,
        "test_pictures": len(work.indices),
        "data": {"source": work.dataset.source, "fingerprint": work.dataset.fingerprint},
        "reference": {"name": "model.keras", **before},
        "max_drop": gate,
        "best": most_compressed({"variants": entries}),
        "variants": entries,
        "warnings": _timing_warnings(latencies),
        "conditions": latencies[0]["conditions"] if latencies else {},
    }
    shown = report["best"] or entries[0]["name"]
    page = render_report(
        report,
        confusion=_confusion(work, shown, scores[shown]),
        flipped=[f for name, s in scores.items() for f in _flipped(work, name, s)],
    )
    write_text(work.run.export / "report.html", page)
    write_json(work.run.export / "report.json", report)
    return report


def _confusion(work: _Work, variant: str, scores: npt.NDArray[np.float32]) -> dict[str, Any]:
    judged = judge(work.labels, work.dataset, work.indices, scores.argmax(axis=1))
    if not judged["confusion"]:
        return {}
    return {
        "labels": judged.get("confusion_labels", list(work.labels)),
        "matrix": judged["confusion"],
        "variant": variant,
    }


def _timing_warnings(latencies: list[dict[str, Any]]) -> list[str]:
    said: dict[str, list[str]] = {}
    for r in latencies:
        for reason in r["unstable"]:
            said.setdefault(reason, []).append(Path(r["model"]).stem)
    return [
        f"latencies may be unstable: {reason}"
        + (f" ({', '.join(names)})" if len(names) < len(latencies) else "")
        for reason, names in said.items()
    ]


def _flipped(work: _Work, variant: str, scores: npt.NDArray[np.float32]) -> list[FlippedPicture]:
    reference, predictions = work.reference.argmax(axis=1), scores.argmax(axis=1)
    places = np.flatnonzero(reference != predictions)[:_MOST_FLIPPED]
    classes = work.labels
    return [
        FlippedPicture(
            variant=variant,
            name=Path(work.dataset.name(int(work.indices[i]))).name,
            true_label=work.dataset.classes[work.dataset.targets[work.indices[i]]],
            reference_label=classes[reference[i]],
            variant_label=classes[predictions[i]],
            reference_score=float(work.reference[i].max()),
            variant_score=float(scores[i].max()),
            pixels=work.pixels.one(int(work.indices[i])),
        )
        for i in places
    ]
