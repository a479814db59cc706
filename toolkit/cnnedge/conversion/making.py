"""One variant: trained, converted, scored through the runtime, packed and written whole.

A Job enters; what is known of the finished file leaves. It is also kept beside the run, under a
key of all that decides it, so that a conversion that was stopped makes only what is missing.
"""

from __future__ import annotations

import gzip
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from ..bundle import read_model, write_model
from ..bundle.compatibility import not_runnable
from ..bundle.cost import layer_costs, macs, parameters, sparsity
from ..compression import chain
from ..converter import convert as convert_keras
from ..errors import CnnedgeError
from ..files import read_json, write_bytes, write_json
from ..numpy_files import read_arrays
from ..results import accuracy, mcnemar
from ..seals import holds, seal
from ..specs import Variant, plain
from ..specs.values import read
from ..training import backend
from ..training.content_key import content_key, dataset_decides
from ..training.run_data import provenance
from .entries import (
    AgainstControl,
    Compared,
    ControlEntry,
    Entry,
    FileEntry,
    Judged,
    PostTrained,
    Runs,
)
from .post_training import FORMATS, integers
from .selective import leave_in_float
from .trial import answers
from .work import Work

Scores = npt.NDArray[np.float32]
E = TypeVar("E", bound=Compared)

_CALIBRATED = ("int8", "int8-float-io", "int16x8", "selective")


@dataclass(frozen=True, kw_only=True)
class Job:
    """A file to make. name: of the file. calibration: pictures; remedy_of: the refused variant."""

    variant: Variant
    name: str
    calibration: int
    remedy_of: str | None = None


@dataclass(frozen=True, kw_only=True)
class Made:
    """A finished variant. entry: without latency. scores: float32 [n, classes]."""

    entry: Entry
    scores: Scores


@dataclass(frozen=True, kw_only=True)
class _Converted:
    """A flatbuffer, the layers that it leaves in float, and what was done for its labels."""

    flatbuffer: bytes
    float_layers: Sequence[str] = ()
    ptq: PostTrained | None = None
    chosen_on: Judged | None = None


@dataclass(frozen=True, kw_only=True)
class Control:
    """The same model without the technique, in the variant's format. scores: float32."""

    entry: ControlEntry
    scores: Scores


def make(work: Work, job: Job, position: str) -> Made:
    """The variant's file in RUN/export, new or as it was made before.

    position: like "3 of 12", for progress. Raises CnnedgeError.
    """
    report = work.data.reporter
    report.stage(f"{job.name} ({position})", 0, 0)
    stage = chain.build(work.workshop, job.variant)
    control = _control(work, job, stage, position)
    key = _key(work, job, stage.key)
    final = work.data.run.export / f"{job.name}.tflite"
    known = _known(work, job.name, key, FileEntry)
    if known and _sha256(final) == known[0].sha256:
        return _asked(work, job, *known, control)
    converted = _converted(work, job, stage, position)
    scores = _score(work, job, converted.flatbuffer, position)
    compared = compare(work, job.name, scores)
    told = _provenance(work, job, stage)
    if converted.ptq:
        told["ptq"] = plain(converted.ptq)
    if compared.accuracy is not None:
        names = ("accuracy", "ci95", "count", "drop_points")
        told["accuracy"] = {name: plain(getattr(compared, name)) for name in names}
    write_model(
        final,
        converted.flatbuffer,
        labels=work.data.labels,
        size=work.data.pixels.size,
        provenance=told,
    )
    entry = _described(job, stage, final, compared, converted)
    _keep(work, job.name, key, entry, scores)
    return _asked(work, job, entry, scores, control)


def compare(work: Work, name: str, scores: Scores) -> Compared:
    """Accuracy and what changed against model.keras, picture by picture."""
    reference, predictions = work.reference.argmax(axis=1), scores.argmax(axis=1)
    flipped = int(np.sum(reference != predictions))
    if work.targets is None:
        return Compared(name=name, flipped=flipped, count=len(reference))
    before, after = reference == work.targets, predictions == work.targets
    return Compared(
        name=name,
        flipped=flipped,
        **vars(accuracy(after)),
        drop_points=100 * (float(before.mean()) - float(after.mean())),
        mcnemar_p=mcnemar(before, after),
    )


def _converted(work: Work, job: Job, stage: chain.Stage, position: str) -> _Converted:
    work.data.reporter.stage(f"{job.name}: converting ({position})", 0, 0)
    model = chain.network(work.workshop, stage)
    calibration = work.calibration(job.calibration)
    if job.variant.format == "selective":
        flatbuffer, layers, judged = leave_in_float(work, model, calibration, job.name)
        return _Converted(flatbuffer=flatbuffer, float_layers=layers, chosen_on=judged)
    if job.variant.format in FORMATS:
        flatbuffer, done = integers(work, model, job.variant, calibration)
        return _Converted(flatbuffer=flatbuffer, ptq=done)
    form, sparse = job.variant.format, job.variant.sparse
    return _Converted(flatbuffer=convert_keras(model, form, calibration, sparse=sparse))


def _score(work: Work, job: Job, flatbuffer: bytes, position: str) -> Scores:
    """Answers of the very file for the test pictures."""
    return answers(
        work,
        flatbuffer,
        work.indices,
        lambda done, total: work.data.reporter.stage(
            f"{job.name}: scoring ({position})", done, total
        ),
    )


def _control(work: Work, job: Job, stage: chain.Stage, position: str) -> Control | None:
    """The control in the variant's own format, scored; shared by variants of equal training."""
    if not stage.sessions or not work.data.recipe.compress.control:
        return None
    control = chain.control(work.workshop, stage)
    # Techniques of their own format, such as qat, are judged against what others get: int8.
    plain_job = replace(job, variant=Variant(format=job.variant.format))
    name = f"control-{control.key[:8]}-{job.variant.format}"
    key = _key(work, plain_job, control.key)
    if known := _known(work, name, key, ControlEntry):
        return Control(entry=known[0], scores=known[1])
    job = replace(plain_job, name=name)
    scores = _score(work, job, _converted(work, job, control, position).flatbuffer, position)
    entry = ControlEntry(**vars(compare(work, name, scores)), epochs=control.epochs)
    _keep(work, name, key, entry, scores)
    return Control(entry=entry, scores=scores)


def _asked(work: Work, job: Job, entry: FileEntry, scores: Scores, control: Control | None) -> Made:
    """With what this conversion asks of the file; what is kept with it is the file's own."""
    against = _against(work, scores, control)
    told = Entry(**vars(entry), remedy_of=job.remedy_of, control=against)
    return Made(entry=told, scores=scores)


def _against(work: Work, scores: Scores, control: Control | None) -> AgainstControl | None:
    if control is None or work.targets is None:
        return None
    without = control.scores.argmax(axis=1) == work.targets
    with_it = scores.argmax(axis=1) == work.targets
    return AgainstControl(
        accuracy=control.entry.accuracy,
        ci95=control.entry.ci95,
        epochs=control.entry.epochs,
        difference_points=100 * (float(with_it.mean()) - float(without.mean())),
        mcnemar_p=mcnemar(without, with_it),
    )


def _described(
    job: Job, stage: chain.Stage, file: Path, compared: Compared, converted: _Converted
) -> FileEntry:
    model = read_model(file)
    reasons = not_runnable(model)
    return FileEntry(
        **vars(compared),
        file=file.name,
        sha256=model.sha256,
        size_bytes=model.size_bytes,
        gzip_bytes=len(gzip.compress(model.data, 9, mtime=0)),
        input_dtype=model.input.dtype,
        sparsity=sparsity(model),
        macs=macs(model.graph),
        parameters=parameters(model),
        techniques=tuple(stage.names),
        format=job.variant.format,
        sparse=job.variant.sparse,
        epochs=stage.epochs,
        train_seconds=stage.seconds,
        calibration_pictures=job.calibration if job.variant.format in _CALIBRATED else None,
        float_layers=tuple(converted.float_layers),
        layers=layer_costs(model),
        tflite_runtime=Runs(runs=not reasons, reasons=tuple(reasons)),
        ptq=converted.ptq,
        chosen_on=converted.chosen_on,
    )


def _provenance(work: Work, job: Job, stage: chain.Stage) -> dict[str, Any]:
    recipe = work.data.recipe
    calibrated = job.variant.format in _CALIBRATED
    seed = recipe.convert.calibration.seed
    return provenance(recipe, work.data.pixels, job.name) | {
        "techniques": list(stage.names),
        "epochs_after_training": stage.epochs,
        "calibration": {"count": job.calibration, "seed": seed} if calibrated else None,
        "model_sha256": work.model_key,
    }


def _key(work: Work, job: Job, stage_key: str) -> str:
    """Of all that decides a file and its score."""
    recipe = work.data.recipe
    calibrated = job.variant.format in _CALIBRATED
    return content_key(
        work.data.pixels,
        stage=stage_key,
        format=job.variant.format,
        sparse=job.variant.sparse,
        calibration=[job.calibration, recipe.convert.calibration.seed] if calibrated else None,
        # The layers that it leaves in float are chosen by the gate, on pictures of this seed.
        selective=[recipe.convert.max_drop, recipe.convert.calibration.seed]
        if job.variant.format == "selective"
        else None,
        # What is done for its labels is decided by the gate, on pictures of this seed.
        ptq=[plain(recipe.convert.ptq), recipe.convert.max_drop, recipe.convert.calibration.seed]
        if job.variant.format in (*FORMATS, "selective")
        else None,
        # What is said of it in the file.
        told=[recipe.name, recipe.description, recipe.training.method, plain(recipe.data)],
        data=[work.data.dataset.source, dataset_decides(work.data.dataset)],
        labels=work.data.labels,
        versions=backend.versions(),
    )


def _folder(work: Work) -> Path:
    return work.data.run.compress / "measured"


def _known(work: Work, name: str, key: str, cls: type[E]) -> tuple[E, Scores] | None:
    """What this user measured before under this name and key, or None."""
    try:
        kept = read_json(_folder(work) / f"{name}.json")
        content = (_folder(work) / f"{name}.npz").read_bytes()
        told = {"key": kept.get("key"), "entry": kept.get("entry")}
        if told["key"] != key or not holds(kept.get("seal"), told, content):
            return None
        return read(cls, kept["entry"], ""), read_arrays(content)["scores"]
    except (CnnedgeError, OSError, ValueError, KeyError):
        return None


def _keep(work: Work, name: str, key: str, entry: Compared, scores: Scores) -> None:
    """The scores first: where the JSON is, they are."""
    content = io.BytesIO()
    np.savez(content, scores=scores)
    write_bytes(_folder(work) / f"{name}.npz", content.getvalue())
    told = {"key": key, "entry": plain(entry)}
    write_json(_folder(work) / f"{name}.json", told | {"seal": seal(told, content.getvalue())})


def _sha256(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError:
        return ""
