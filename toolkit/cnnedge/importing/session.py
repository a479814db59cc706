"""One import: a path in, a run folder out, metrics.json last.

The source is read, its pixels are settled (told, stated, or found out), the network is built and
held against the source on pictures, and only then is a folder made.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bundle import foreign, kinds
from ..converter import convert
from ..data import Dataset, Pixels, load_dataset
from ..errors import GateError, ModelError
from ..frozen import FrozenNetwork
from ..harmless import one_line
from ..preprocess import Pixels as Frame
from ..results import Accuracy, accuracy
from ..training.judging import truths
from ..training.run_folder import check_new
from . import detective, heads, parity, parting, trace
from .convention import RULES, Convention, told, with_rule
from .expected import read_expected
from .keras_code import open_with_code
from .keras_opened import open_keras
from .labels import labels_of
from .onnx_opened import open_onnx
from .opened import ImportWishes, Opened, Reporter
from .parting import Parting
from .pictures import Shown, shown
from .record import Imported
from .saved_model import open_saved_model
from .source_kind import importable_kind
from .tflite_opened import open_tflite, raw_pixels
from .torch_opened import open_torch, torch_source
from .writing import Built, Contents, write_run


@dataclass(frozen=True, kw_only=True)
class _Work:
    """What is known of one import so far."""

    path: Path
    wishes: ImportWishes
    opened: Opened
    dataset: Dataset | None
    labels: tuple[str, ...]
    reporter: Reporter


@dataclass(frozen=True, kw_only=True)
class _Settled:
    """The pixels a source takes, who says so, and what was tried to find out."""

    convention: Convention
    because: str
    tried: tuple[detective.Tried, ...] = ()


def import_model(path: Path, out: Path, reporter: Reporter, wishes: ImportWishes) -> Imported:
    """Makes the run `out` of somebody else's model. Raises CnnedgeError.

    Whether it answers as its source does is in the record, and `require_parity` demands it.
    """
    started = time.perf_counter()
    check_new(out, force=wishes.force)
    reporter.stage(f"reading {path.name}", 0, 0)
    opened = _open(path, wishes, reporter)
    dataset = _dataset(wishes, reporter)
    labels, said = labels_of(path, opened, wishes.guest, dataset, _outputs(opened))
    notes = list(said)
    if dataset is not None:
        dataset = load_dataset(dataset.source, labels=labels)
    work = _Work(
        path=path, wishes=wishes, opened=opened, dataset=dataset, labels=labels, reporter=reporter
    )
    made = _made(work, _settle(work, notes), notes, started)
    write_run(out, made)
    return made.imported


def require_parity(imported: Imported, out: Path) -> None:
    """Raises GateError for an import that does not answer as its source does. The run stays."""
    compared = imported.parity
    if compared is None or compared.holds:
        return
    parted = f"{compared.parting.text}. " if compared.parting else ""
    raise GateError(
        f"{imported.source}: the import does not answer as its source does: the largest difference "
        f"of a probability is {compared.max_abs:.2g} (allowed: {parity.LIMIT:g}), and "
        f"{compared.count - compared.labels_agree} of {compared.count} labels changed. {parted}"
        f"{out / 'import.json'} has the figures; do not rely on this run"
    )


def _made(work: _Work, settled: _Settled, notes: list[str], started: float) -> Contents:
    """The network, held against its source."""
    opened, dataset, place = work.opened, work.dataset, str(work.path)
    convention = settled.convention
    pictures = shown(dataset, opened.size, convention.rule)
    raw = opened.answer(convention.encode(pictures.pixels))
    head = heads.head_of(raw, work.wishes.guest.activation, place)
    built = _build(work, convention, head, pictures, notes)
    work.reporter.stage("comparing with the source", 0, 0)
    source = heads.probabilities(raw, head)
    compared = None
    if built.flatbuffer is not None:
        answers = FrozenNetwork(built.flatbuffer, place).predict(pictures.pixels)
        compared = parity.compared(source, answers, pictures.what)
        if not compared.holds:
            work.reporter.stage("looking for the first layer that parts", 0, 0)
            few = pictures.pixels[list(compared.worst[:_TRACED])]
            theirs = trace.of_flatbuffer(built.flatbuffer, few)
            compared = compared.parted(_parting(opened, convention, few, theirs))
    imported = Imported(
        source=place,
        sha256=built.source_sha256,
        kind=opened.kind,
        network=built.network,
        convention=convention,
        because=settled.because,
        head=head,
        outputs=raw.shape[1],
        parity=compared,
        accuracy=_accuracy(work, pictures, source),
        seconds=time.perf_counter() - started,
        tried=settled.tried,
        notes=tuple(notes),
    )
    return Contents(built=built, imported=imported, labels=work.labels, dataset=dataset)


def _open(path: Path, wishes: ImportWishes, reporter: Reporter) -> Opened:
    source = torch_source(path, wishes)
    if source is not None:
        return open_torch(path, source, wishes, reporter)
    kind = importable_kind(path)
    if wishes.signature is not None and kind != kinds.SAVED_MODEL:
        raise ModelError(
            f"{path}: --signature is for SavedModels; this is {foreign.name(kind)}. Remove it"
        )
    if wishes.code is not None:
        return open_with_code(path, kind, wishes, reporter)
    if kind == kinds.ONNX:
        return open_onnx(path, wishes, reporter)
    if kind == kinds.TFLITE:
        return open_tflite(path, wishes)
    if kind == kinds.SAVED_MODEL:
        return open_saved_model(path, wishes)
    return open_keras(path, kind, wishes)


def _dataset(wishes: ImportWishes, reporter: Reporter) -> Dataset | None:
    if wishes.data is None:
        return None
    return load_dataset(wishes.data, progress=reporter.scanning)


def _outputs(opened: Opened) -> int:
    """How many scores there are for one picture."""
    raw = opened.answer(np.full((1, *opened.size.shape), 0.5, np.float32))
    if raw.ndim != 2:
        heads.head_of(raw, None, "the model")
    return int(raw.shape[1])


def _settle(work: _Work, notes: list[str]) -> _Settled:
    """By the person, by the file, or by what the model answers. Raises ModelError."""
    guest, opened = work.wishes.guest, work.opened
    said = told(guest)
    shown = work.dataset is not None or work.wishes.expect is not None
    hint = opened.stated if said is None and opened.weak else None
    stated = said or (None if hint and shown else opened.stated)
    because = "the options given" if said else opened.because
    rule = guest.rule(opened.rule)
    tried: tuple[detective.Tried, ...] = ()
    if stated is None or (rule is None and shown):
        found = _found(work, stated)
        if found is not None:
            tried = found.tried
        if stated is None and hint and (found is None or found.convention is None):
            stated = hint
        if stated is None and (found is None or found.convention is None):
            raise ModelError(_ask(work, found))
        if found is not None and found.convention is not None:
            if stated is None:
                stated, because = found.convention, _PROOF[work.wishes.expect is not None]
            if rule is None and found.rule_told:
                rule = found.convention.rule
    assert stated is not None
    if hint is not None and stated is hint:
        notes.append(
            f"its pixels are those of {because}; if it was trained otherwise: --pixels, or --data"
        )
    if rule is None:
        rule = RULES[0]
        notes.append(
            f"nobody says how pictures are resized: {rule.resize}, {rule.interpolation} is assumed "
            "(set --resize, --interpolation, --crop-fraction)"
        )
    stated.check(opened.size.channels, str(work.path))
    return _Settled(convention=with_rule(stated, rule), because=because, tried=tried)


# By labels, and by the source's own answers.
_PROOF = ("the accuracy of each convention on --data", "the answers in --expect")


def _found(work: _Work, known: Convention | None) -> detective.Found | None:
    """What the labelled pictures say; None without any, or where they have other classes."""
    evidence = _expected(work) if work.wishes.expect is not None else _labelled(work)
    if evidence is None:
        return None
    return detective.find(evidence, known, work.wishes.guest.activation, work.reporter.stage)


def _labelled(work: _Work) -> detective.Evidence | None:
    dataset, size = work.dataset, work.opened.size
    if dataset is None:
        return None
    indices = detective.chosen(dataset)
    targets = truths(work.labels, dataset, indices)
    if targets is None:
        return None
    return detective.Evidence(
        answer=work.opened.answer,
        size=size,
        pixels=lambda rule: Pixels(dataset, size, rule).batch(indices),
        targets=targets,
    )


def _expected(work: _Work) -> detective.Evidence:
    assert work.wishes.expect is not None
    found = read_expected(Path(work.wishes.expect), work.labels)
    size = work.opened.size
    return detective.Evidence(
        answer=work.opened.answer,
        size=size,
        pixels=lambda rule: found.pixels(size, rule),
        targets=found.targets,
        scores=found.scores,
    )


def _ask(work: _Work, found: detective.Found | None) -> str:
    ways = (
        "Say what it takes: --pixels 0..1, -1..1 or 0..255, or --mean and --std, and --bgr where "
        "blue comes first"
    )
    if found is None and work.dataset is None:
        return (
            f"{work.path}: nothing says what pixels this model takes. {ways}. Or name labelled "
            "pictures to find out: --data DIR, with one folder for each class; or pictures with "
            "the answers it gave: --expect FILE"
        )
    if found is None:
        return (
            f"{work.path}: nothing says what pixels this model takes, and the pictures are of none "
            f"of its classes. {ways}"
        )
    best = "; ".join(f"{t.rule}: {accuracy(t.right).accuracy:.1%}" for t in found.tried[:3])
    return (
        f"{work.path}: what pixels this model takes cannot be told: {found.why} (best: {best}). "
        f"{ways}; or name more pictures"
    )


def _build(
    work: _Work, convention: Convention, head: str, pictures: Shown, notes: list[str]
) -> Built:
    """The network, and its float32 flatbuffer."""
    opened, place = work.opened, str(work.path)
    if opened.adopted is not None:
        heads.require_several(head, place, f"Use it as it is: cnnedge run {place}")
        made = raw_pixels(opened.adopted, convention, place)
        notes.append("the model is quantised already: it is adopted as it is, with its labels")
        return Built.adopted(opened.file or work.path, made, head, opened.size)
    work.reporter.stage("building the network", 0, 0)
    model, said = opened.build(convention, head)
    work.reporter.stage("converting it to float32", 0, 0)
    flatbuffer: bytes | None = None
    with contextlib.suppress(ModelError) if _is_keras(model) else contextlib.nullcontext():
        flatbuffer = convert(model, "float32", pictures.pixels[:1])
    why = (
        _unequal(opened, convention, head, pictures, (model, flatbuffer))
        if _is_keras(model)
        else ""
    )
    if why and opened.refrozen:
        # The source itself is frozen in its place.
        model, said = opened.refrozen(convention, head, why)
        flatbuffer = convert(model, "float32", pictures.pixels[:1])
    notes += said
    return Built.of(opened.file or work.path, model, flatbuffer, opened.size)


def _is_keras(model: Any) -> bool:
    return not isinstance(model, FrozenNetwork)


def _unequal(
    opened: Opened,
    convention: Convention,
    head: str,
    pictures: Shown,
    made: tuple[Any, bytes | None],
) -> str:
    """Why a network that was rebuilt is none of its source; "" where it answers as its source does.

    made: the tf_keras model, and its flatbuffer, None where TensorFlow cannot convert it.
    """
    model, flatbuffer = made
    if flatbuffer is None:
        return "what it would be there cannot be converted"
    few = pictures.pixels[:8]
    source = heads.probabilities(opened.answer(convention.encode(few)), head)
    apart = np.abs(FrozenNetwork(flatbuffer, "").predict(few) - source).max(axis=1)
    if apart.max() <= EQUAL:
        return ""
    few = few[np.argsort(-apart)[:_TRACED]]
    theirs = trace.of_keras(model, few.astype(np.float32))
    found = _parting(opened, convention, few, theirs, fused=False)
    if not found.layer:
        return "a layer means something else there"
    return f"its layer '{found.layer}' ({found.kind}) means something else there"


# How far a rebuilt network may lie from its source and still be it.
EQUAL = 1e-4
# How many pictures the layers are compared on.
_TRACED = 2


def _parting(
    opened: Opened, convention: Convention, few: Frame, imported: trace.Trace, *, fused: bool = True
) -> Parting:
    """The first layer of the source that parts, on a few pictures."""
    try:
        return parting.first(opened.trace(convention.encode(few)), imported, fused=fused)
    except Exception as error:  # each framework raises its own; the figures count without it
        reason = one_line(str(error) or type(error).__name__, 200)
        return Parting(why=f"the source does not show what its layers compute ({reason})")


def _accuracy(work: _Work, pictures: Shown, answers: npt.NDArray[np.float32]) -> Accuracy | None:
    """Of the source on the pictures that were compared; None where their classes are unknown."""
    if work.dataset is None or pictures.indices is None:
        return None
    right = truths(work.labels, work.dataset, pictures.indices)
    return None if right is None else accuracy(answers.argmax(axis=1) == right)
