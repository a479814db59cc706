"""The techniques of a variant, one after the other, each result kept and found again.

A Variant enters; the Keras model at its end leaves, with what it took. Every step has a folder
under RUN/compress named after what was done and a key of all that decides the outcome; variants
that begin with the same steps share them, and a killed conversion makes only what is missing.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import CnnedgeError, ModelError, RunFolderError
from ..files import read_json, whole, write_json
from ..frozen import SUFFIX
from ..seals import holds, seal
from ..specs import Channels, Distil, Technique, Variant, plain, shipped
from ..training import backend
from ..training.content_key import content_key, dataset_decides
from ..training.features import Extractor
from ..training.run_folder import RunFolder, open_finished, read_labels
from .techniques import Before, apply, new_student, rebuilt
from .tfmot_edges import wrapping as tfmot_edges
from .workshop import Session, Workshop, fit, make_trainable


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A model after some steps; not in memory. key: of all that decided it.

    folder: None for the run's own model. sessions: of training since it. names, words: of the
    techniques so far. teacher: the run folder whose answers later steps train on, "" for this
    run's, None for none. student: the name of the model that replaced the run's own.
    """

    key: str
    folder: Path | None = None
    parent: Stage | None = None
    names: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    sessions: tuple[Session, ...] = ()
    seconds: float = 0.0
    teacher: str | None = None
    student: str | None = None

    @property
    def epochs(self) -> int:
        return sum(session.epochs for session in self.sessions)


def build(shop: Workshop, variant: Variant) -> Stage:
    """Takes the run's model through the variant's techniques, as far as not done before."""
    stage = Stage(key=shop.model_key)
    for technique in variant.techniques:
        stage = _step(shop, stage, technique)
    return stage


def control(shop: Workshop, stage: Stage) -> Stage:
    """The same model trained on for as long, at the same rates, without any technique."""
    plain_stage = Stage(key=shop.model_key, student=stage.student)
    for session in stage.sessions:
        plain_stage = _plain_step(shop, plain_stage, session)
    return plain_stage


def load(shop: Workshop, stage: Stage) -> Any:
    """The Keras model of a stage; a new one each time. Raises RunFolderError for a damaged one."""
    if stage.folder is None:
        if stage.student:
            return new_student(shop, stage.student)
        return make_trainable(shop, shop.model())
    if stage.words[-1:] == ("qat",):
        assert stage.parent is not None
        model = rebuilt(shop, _before(shop, stage.parent, stage.folder))
        tfmot_edges.load_weights(model, _weights(stage, stage.folder))
        return model
    try:
        return make_trainable(shop, backend.load_keras(_weights(stage, stage.folder)))
    except ModelError as error:
        raise RunFolderError(f"{error}; or delete {stage.folder} and convert again") from None


def network(shop: Workshop, stage: Stage) -> Any:
    """The Keras model of a stage for reading alone: as `load` gives it, without loading it again.

    Raises RunFolderError for a damaged one.
    """
    if stage.folder is None and not stage.student:
        return shop.own
    if stage.key not in shop.last:
        _remember(shop, stage, load(shop, stage))
    return shop.last[stage.key]


def _remember(shop: Workshop, stage: Stage, model: Any) -> None:
    shop.last.clear()
    shop.last[stage.key] = model


def check(shop: Workshop, variants: Sequence[Variant]) -> None:
    """Says before any training what cannot be done: data of other classes, teachers, students."""
    frozen = shop.data.run.model.suffix == SUFFIX
    for variant in variants:
        if frozen and (variant.techniques or variant.format == "selective"):
            raise CnnedgeError(
                f"{variant.name}: this run's model has no layers of Keras: it was imported frozen. "
                "It can change its format alone; import the Keras model for anything else"
            )
        imported = shop.data.recipe.training.method == "imported"
        if variant.techniques and imported and shop.data.labels != shop.data.dataset.classes:
            raise CnnedgeError(
                f"{variant.name}: techniques train on pictures of the model's own classes, in its "
                f"order: {', '.join(shop.data.labels[:12])}; {shop.data.dataset.source} has "
                f"{', '.join(shop.data.dataset.classes[:12])}. Name such pictures: --data DIR"
            )
        if variant.techniques and shop.data.recipe.training.method == "pretrained":
            raise CnnedgeError(
                f"{variant.name}: techniques train on pictures of the model's own classes, but "
                f"this run is the published network, unchanged. Convert it to a format alone, or "
                "train it on your pictures first: method: transfer"
            )
        for technique in variant.techniques:
            if isinstance(technique, Distil):
                _check_distil(shop, technique)


def _check_distil(shop: Workshop, technique: Distil) -> None:
    if technique.student:
        new_student(shop, technique.student)
    if technique.teacher is None:
        return
    teacher = open_finished(Path(technique.teacher))
    labels = read_labels(teacher)
    if labels != shop.data.dataset.classes:
        raise CnnedgeError(
            f"{teacher.path}: a teacher must know the same classes as the run: it knows "
            f"{', '.join(labels[:12])}; the run's are {', '.join(shop.data.dataset.classes[:12])}"
        )


def _step(shop: Workshop, parent: Stage, technique: Technique) -> Stage:
    student = teacher = None
    if isinstance(technique, Distil):
        student, teacher = technique.student, technique.teacher or ""
    if student:
        parent = replace(parent, student=student)
    if teacher is not None:
        parent = replace(parent, teacher=teacher)
    decides = {
        "technique": technique.word,
        "arguments": plain(technique),
        "settings": _settings(shop, technique),
        "teacher": None if parent.teacher is None else _teacher_key(shop, parent.teacher),
        "distil": None if parent.teacher is None else _teaching(shop),
        "student": student and _definition(student),
        "sample": shop.data.dataset.hashes[shop.sample].tobytes().hex(),
    }
    if shop.aimed_at and isinstance(technique, Channels) and technique.latency:
        # Another device, another network.
        decides["device"] = shop.aimed_at
    names = (*parent.names, technique.name)
    words = (*parent.words, technique.word)
    stage = replace(parent, key=_key(shop, parent.key, decides), names=names, words=words)
    folder = shop.data.run.compress / f"{'-'.join(names)}-{stage.key[:8]}"
    return _kept(stage, parent, folder) or _make(shop, stage, parent, folder, technique)


def _settings(shop: Workshop, technique: Technique) -> Mapping[str, object]:
    """What of the technique's settings decides; a setting of others trains nothing anew."""
    settings: Mapping[str, object] = plain(getattr(shop.data.recipe.compress, technique.word))
    if isinstance(technique, Distil):
        idle = ("epochs", "rate") if technique.student else ("student_epochs",)
        return {name: value for name, value in settings.items() if name not in idle}
    return settings


def _teaching(shop: Workshop) -> list[float]:
    """How a step listens to the teacher of an earlier one."""
    settings = shop.data.recipe.compress.distil
    return [settings.temperature, settings.weight]


def _make(shop: Workshop, stage: Stage, parent: Stage, folder: Path, technique: Technique) -> Stage:
    started = time.perf_counter()
    backend.make_repeatable(shop.data.recipe.training.seed)
    model, sessions = apply(shop, technique, _before(shop, parent, folder / "training"))
    return _keep(shop, model, stage, parent, folder, sessions, time.perf_counter() - started)


def _plain_step(shop: Workshop, parent: Stage, session: Session) -> Stage:
    key = _key(shop, parent.key, {"control": session.plain(), "student": parent.student})
    stage = replace(parent, key=key, names=(*parent.names, "control"))
    folder = shop.data.run.compress / f"control-{key[:8]}"
    if kept := _kept(stage, parent, folder):
        return kept
    started = time.perf_counter()
    backend.make_repeatable(shop.data.recipe.training.seed)
    model = load(shop, parent)
    shop.data.reporter.training(f"control: {session.epochs} epochs without a technique")
    fit(shop, model, session, folder / "training")
    return _keep(shop, model, stage, parent, folder, [session], time.perf_counter() - started)


def _keep(
    shop: Workshop,
    model: Any,
    stage: Stage,
    parent: Stage,
    folder: Path,
    sessions: Sequence[Session],
    seconds: float,
) -> Stage:
    """Writes the model, then step.json: a step is done when that is there. It is the last made."""
    _remember(shop, stage, model)
    if stage.words[-1:] == ("qat",):
        tfmot_edges.save_weights(model, _weights(stage, folder))
    else:
        with whole(_weights(stage, folder)) as temporary:
            backend.save_keras(model, temporary)
    history = folder / "history.csv"
    for written in sorted((folder / "training").rglob("history.csv")):
        # Of several sessions the last one's: the others' are short.
        shutil.copy(written, history)
    told = {
        "key": stage.key,
        "names": list(stage.names),
        "sessions": [plain(session) for session in sessions],
        "seconds": seconds,
    }
    model = _weights(stage, folder).read_bytes()
    write_json(folder / "step.json", told | {"seal": seal(told, model)})
    shutil.rmtree(folder / "training", ignore_errors=True)
    kept = _kept(stage, parent, folder)
    assert kept is not None
    return kept


def _kept(stage: Stage, parent: Stage, folder: Path) -> Stage | None:
    """The stage as an earlier conversion of this user made it, or None."""
    try:
        known = read_json(folder / "step.json")
        if known.get("key") != stage.key:
            return None
        if not holds(known.pop("seal", None), known, _weights(stage, folder).read_bytes()):
            return None
    except (CnnedgeError, OSError):
        return None
    return replace(
        stage,
        folder=folder,
        parent=parent,
        sessions=(*parent.sessions, *(Session(**session) for session in known["sessions"])),
        seconds=parent.seconds + known["seconds"],
    )


def _weights(stage: Stage, folder: Path) -> Path:
    return folder / ("weights.npz" if stage.words[-1:] == ("qat",) else "model.keras")


def _before(shop: Workshop, parent: Stage, folder: Path) -> Before:
    return Before(
        model=load(shop, parent),
        words=parent.words,
        teacher=None if parent.teacher is None else _teacher(shop, parent.teacher),
        folder=folder,
    )


def _teacher(shop: Workshop, run: str) -> Extractor:
    """The teacher as float32 .tflite: LiteRT answers faster than Keras does."""
    if not run:
        return Extractor(shop.own)
    return Extractor(backend.load_keras(RunFolder(Path(run)).model))


def _teacher_key(shop: Workshop, run: str) -> str:
    if not run:
        return shop.model_key
    return hashlib.sha256(RunFolder(Path(run)).model.read_bytes()).hexdigest()


def _key(shop: Workshop, parent: str, decides: Mapping[str, object]) -> str:
    training = plain(shop.data.recipe.training)
    for other in ("keep", "early_stopping", "validate_every"):
        del training[other]
    return content_key(
        shop.data.pixels,
        parent=parent,
        training=training,
        augmentation=plain(shop.data.recipe.augmentation),
        data=dataset_decides(shop.data.dataset),
        versions=backend.versions(),
        workers=shop.data.workers.count,
        **decides,
    )


def _definition(model: str) -> str:
    """The definition of a student: what it is decides, not what it is called."""
    return shipped.read("models", model)[0]
