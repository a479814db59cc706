"""One conversion of a network whose answers are pictures: a run in, variants and a report out.

Accuracy is replaced by how far a variant's pictures lie from those of model.keras, on pictures that
training never saw, drawn by the runtime that users run; the gate is a peak signal-to-noise ratio.
"""

from __future__ import annotations

import datetime
import gzip
import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .._version import __version__
from ..benchmark import Result, get_protocol
from ..benchmark.trust import trust, trust_line
from ..bundle import pack_model, read_model
from ..bundle.compatibility import not_runnable
from ..bundle.cost import layer_costs, macs, parameters, sparsity
from ..converter import convert as convert_keras
from ..data import Pixels, calibration_indices
from ..engines import CPU
from ..errors import CnnedgeError
from ..files import write_bytes, write_json, write_text
from ..picture_model import Drawer, load_drawer
from ..results import picture_error
from ..scoring import Source
from ..specs import InputSize, Recipe, Variant, plain
from ..training import backend
from ..training.run_data import provenance
from ..training.run_folder import RunFolder
from ..training.style.content import load_content
from ..training.style.figure import captioned, save_style_figure, spread
from ..training.style.fitting import drawn
from ..training.style.painting import style_picture
from .entries import CalibrationUsed, Entry, NotMade, ReferenceEntry, Report, Runs
from .gate import judged_picture
from .report.page import most_compressed, render_report
from .settings import Wishes, check_drawing
from .slower import slower_in_integers
from .timer import Timer
from .work import Reporter

Floats = npt.NDArray[np.float32]

_CALIBRATED = ("int8", "int8-float-io")
# Pictures that variants are judged by.
_MOST_JUDGED = 32
# What is allowed where nobody says: errors that are hard to see.
USUAL_PSNR_DB = 30.0


@dataclass(frozen=True, kw_only=True)
class _Work:
    """content: uint8 [n, h, w, 3], pictures that were held back. reference: float32 of the same
    shape, what model.keras draws. calibration: uint8 [m, h, w, 3]."""

    run: RunFolder
    recipe: Recipe
    size: InputSize
    model: Any
    pixels: Pixels
    content: npt.NDArray[np.uint8]
    reference: Floats
    calibration: npt.NDArray[np.uint8]
    reporter: Reporter


def convert_drawing(
    run: RunFolder, recipe: Recipe, reporter: Reporter, wishes: Wishes, timer: Timer
) -> Report:
    """Makes the variants of a run whose answers are pictures. The run is held by the caller.

    Raises CnnedgeError.
    """
    chosen = wishes.variants or recipe.convert.variants
    check_drawing(chosen, wishes)
    work = _prepared(run, recipe, reporter)
    made, missing = [], []
    for number, variant in enumerate(chosen, start=1):
        reporter.stage(f"{variant.name} ({number} of {len(chosen)})", 0, 0)
        try:
            made.append(_made(work, variant))
        except CnnedgeError as error:
            reporter.note(f"{variant.name} cannot be made: {error}")
            missing.append(NotMade(name=variant.name, reason=str(error)))
    if not made:
        raise CnnedgeError(f"no variant can be made. {missing[0].name}: {missing[0].reason}")
    latencies = timer.files(
        [run.export / entry.file for entry in made],
        get_protocol("quick"),
        lambda done, total, what: reporter.stage(f"timing {what}", done, total),
    )
    gate = recipe.convert.min_psnr
    gate = USUAL_PSNR_DB if gate is None else gate
    entries = [
        judged_picture(replace(entry, latency_ms=timed.latency_ms), gate)
        for entry, timed in zip(made, latencies, strict=True)
    ]
    return _written(work, entries, latencies, missing, gate, timer)


def _prepared(run: RunFolder, recipe: Recipe, reporter: Reporter) -> _Work:
    size = recipe.input
    assert isinstance(size, InputSize)
    dataset = load_content(recipe.data, reporter.scanning)
    pixels = Pixels(dataset, size, recipe.preprocess)
    reporter.stage("drawing with model.keras", 0, 0)
    model = backend.load_keras(run.model)
    indices = dataset.indices("test")
    content = pixels.batch(indices[evenly(len(indices), _MOST_JUDGED)])
    calibration = recipe.convert.calibration
    chosen = calibration_indices(dataset, calibration.count, calibration.seed)
    return _Work(
        run=run,
        recipe=recipe,
        size=size,
        model=model,
        pixels=pixels,
        content=content,
        reference=by_keras(model, content),
        calibration=pixels.batch(chosen),
        reporter=reporter,
    )


def evenly(count: int, most: int) -> npt.NDArray[np.int64]:
    """At most so many places of `count`, spread over all of them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64))


def by_keras(model: Any, content: npt.NDArray[np.uint8]) -> Floats:
    """float32 [n, h, w, 3]: what a Keras network draws of input pixels uint8 of that shape."""
    import tensorflow as tf

    made = [model(tf.constant(p[None], tf.float32), training=False).numpy()[0] for p in content]
    return np.stack(made)


def _made(work: _Work, variant: Variant) -> Entry:
    """The variant's file in RUN/export, and what is known of it but its latency."""
    name, form = variant.name, variant.format
    floats = _in_float(work.model) if form in _CALIBRATED else ()
    flatbuffer = convert_keras(work.model, form, work.calibration, float_layers=floats)
    told = provenance(work.recipe, work.pixels, name) | {
        "model_sha256": hashlib.sha256(work.run.model.read_bytes()).hexdigest()
    }
    packed = pack_model(flatbuffer, labels=None, size=work.size, provenance=told)
    with tempfile.TemporaryDirectory() as folder:
        trial = Path(folder) / f"{name}.tflite"
        write_bytes(trial, packed)
        with load_drawer(trial, CPU, known=True) as drawer:
            pictures = drawn_by(drawer, work.content)
    error = picture_error(pictures, list(work.reference))
    final = work.run.export / f"{name}.tflite"
    write_bytes(final, packed)
    model = read_model(final)
    reasons = not_runnable(model)
    return Entry(
        name=name,
        flipped=None,
        count=len(work.content),
        error=error,
        file=final.name,
        sha256=model.sha256,
        size_bytes=model.size_bytes,
        gzip_bytes=len(gzip.compress(model.data, 9, mtime=0)),
        input_dtype=model.input.dtype,
        sparsity=sparsity(model),
        macs=macs(model.graph),
        parameters=parameters(model),
        techniques=(),
        format=form,
        sparse=False,
        epochs=0,
        train_seconds=0.0,
        calibration_pictures=len(work.calibration) if form in _CALIBRATED else None,
        float_layers=floats,
        layers=layer_costs(model),
        tflite_runtime=Runs(runs=not reasons, reasons=tuple(reasons)),
    )


def _in_float(model: Any) -> tuple[str, ...]:
    """The layers of an int8 file that stay in float: all but the convolutions that leave the size
    of a map, which are most of the work.

    A normalisation divides by how much a map varies, which 8 bits hold too coarsely, and XNNPACK
    has no integer kernels for it. What the first convolutions lose, all others work on;
    docs/style.md has what that is worth.
    """
    return tuple(
        layer.name
        for layer in model.layers
        if type(layer).__name__ != "InputLayer"
        and (type(layer).__name__ != "Conv2D" or tuple(layer.strides) != (1, 1))
    )


def drawn_by(drawer: Drawer, content: npt.NDArray[np.uint8]) -> list[Floats]:
    """What a loaded model draws of input pixels uint8 [n, h, w, 3]: levels 0..255, not rounded."""
    found = []
    for picture in content:
        drawer.engine.set_input(drawer.encode(picture))
        found.append(levels(drawer, drawer.infer()))
    return found


def levels(drawer: Drawer, raw: npt.NDArray[Any]) -> Floats:
    """The raw output tensor as levels 0..255, float32 [h, w, 3], not rounded."""
    factor = np.float32(255 / (drawer.white - drawer.black))
    found: Floats = (drawer.real(raw) - np.float32(drawer.black)) * factor
    return found


def _written(
    work: _Work,
    entries: list[Entry],
    latencies: list[Result],
    missing: Sequence[NotMade],
    gate: float,
    timer: Timer,
) -> Report:
    dataset, recipe = work.pixels.dataset, work.recipe
    doubt = trust(latencies)
    report = Report(
        cnnedge=__version__,
        created=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        run=str(work.run.path),
        recipe=recipe.name,
        description=recipe.description,
        device=timer.describe(latencies),
        test_pictures=len(work.content),
        data=Source(source=dataset.source, fingerprint=dataset.fingerprint),
        reference=ReferenceEntry(count=len(work.content)),
        max_drop=None,
        min_psnr=gate,
        best=most_compressed({"variants": plain(tuple(entries)), "max_drop": None}),
        frontier=(),
        size_frontier=(),
        budget=None,
        chosen=None,
        calibration=CalibrationUsed(
            count=len(work.calibration), seed=recipe.convert.calibration.seed, per_class={}
        ),
        sensitivity=None,
        variants=tuple(entries),
        not_made=tuple(missing),
        warnings=(
            *(f"{m.name} cannot be made: {m.reason}" for m in missing),
            *slower_in_integers(entries, latencies),
            *([trust_line(doubt)] if doubt else []),
        ),
        trust=doubt,
        unstable={Path(r.model).stem: tuple(r.unstable) for r in latencies if r.unstable},
        conditions=plain(latencies[0].conditions) if latencies else {},
    )
    told = plain(report)
    _draw(work, entries)
    page = render_report({**told, "imported": {}}, confusion={}, flipped=[])
    write_text(work.run.export / "report.html", page)
    write_json(work.run.export / "report.json", told)
    return report


def _draw(work: _Work, entries: Sequence[Entry]) -> None:
    """export/pictures.png: what each variant makes of pictures that were held back."""
    if work.recipe.style is None:
        return
    shown = work.content[spread(work.content)]
    rows = [("content", shown)]
    if all(entry.format != "float32" for entry in entries):
        rows.append(("model.keras", drawn(work.model, shown)))
    for entry in entries:
        with load_drawer(work.run.export / entry.file, CPU, known=True) as drawer:
            pictures = np.stack(drawn_by(drawer, shown))
        levels = np.clip(np.round(np.nan_to_num(pictures)), 0, 255).astype(np.uint8)
        db = entry.error.psnr_db if entry.error else 0.0
        rows.append((f"{entry.name}, {db:.0f} dB", levels))
    title = "What conversion changes in the pictures"
    path = work.run.export / "pictures.png"
    painting = (captioned(work.recipe), style_picture(work.recipe.style))
    save_style_figure(path, title, painting, rows)
