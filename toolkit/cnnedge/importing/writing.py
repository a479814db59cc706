"""The run folder of an import, as everything else expects a finished run; metrics.json last."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import given_files
from .._version import __version__
from ..bundle import pack_model
from ..data import Dataset
from ..files import explained, whole, write_bytes, write_json, write_text
from ..frozen import FrozenNetwork
from ..specs import DataSpec, InputSize, Recipe, Training, plain
from ..training import backend
from ..training.metrics import DataUsed, Metrics, TestAccuracy
from ..training.run_data import origin
from ..training.run_folder import RunFolder, make_new
from ..training.run_lock import occupied
from . import heads, tflite_edit
from .record import Imported

_MOST_BYTES = 8 << 30
ADOPTED = "imported.tflite"
_LONGEST_NAME = 60


@dataclass(frozen=True, kw_only=True)
class Built:
    """network: `tf_keras`, `frozen` or `adopted`. model: of tf_keras, or a FrozenNetwork; None of
    an adopted one. flatbuffer: float32, raw pixels to probabilities; None of an adopted one.
    quantised: of an adopted one alone.
    """

    network: str
    size: InputSize
    source_sha256: str
    model: Any = None
    flatbuffer: bytes | None = None
    quantised: bytes | None = None

    @classmethod
    def of(cls, path: Path, model: Any, flatbuffer: bytes | None, size: InputSize) -> Built:
        """A network that is converted."""
        network = "frozen" if isinstance(model, FrozenNetwork) else "tf_keras"
        return cls(
            network=network,
            size=size,
            source_sha256=_sha256(path),
            model=model,
            flatbuffer=flatbuffer,
        )

    @classmethod
    def adopted(cls, path: Path, made: bytes, head: str, size: InputSize) -> Built:
        """A quantised file that stays as it is, but for a softmax."""
        made = tflite_edit.with_softmax(made) if head == heads.LOGITS else made
        return cls(network="adopted", size=size, source_sha256=_sha256(path), quantised=made)


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What a run is written of. labels: in the order of the outputs. dataset: its pictures."""

    built: Built
    imported: Imported
    labels: tuple[str, ...]
    dataset: Dataset | None


def write_run(out: Path, contents: Contents) -> None:
    """Writes everything of the run. Raises CnnedgeError, also where another process writes."""
    recipe = _recipe(contents)
    with explained(out):
        out.mkdir(parents=True, exist_ok=True)
    with occupied(out):
        _write(make_new(out, recipe), recipe, contents)


def _write(run: RunFolder, recipe: Recipe, contents: Contents) -> None:
    built, imported, labels = contents.built, contents.imported, contents.labels
    write_text(run.labels, "\n".join(labels) + "\n")
    if built.quantised is not None:
        told = _provenance(recipe, imported, built.size)
        packed = pack_model(built.quantised, labels=labels, size=built.size, provenance=told)
        run.export.mkdir(parents=True, exist_ok=True)
        write_bytes(run.export / ADOPTED, packed)
    elif isinstance(built.model, FrozenNetwork):
        told = _provenance(recipe, imported, built.size)
        packed = pack_model(built.model.flatbuffer, labels=labels, size=built.size, provenance=told)
        write_bytes(run.path / "model.tflite", packed)
    else:
        with whole(run.model) as temporary:
            built.model.save(temporary)
    write_json(run.imported, imported.as_json())
    write_json(run.metrics, plain(_metrics(contents)))


def _recipe(contents: Contents) -> Recipe:
    imported, dataset = contents.imported, contents.dataset
    name = Path(imported.source).stem.strip(".")[:_LONGEST_NAME] or "imported"
    source = "" if dataset is None else dataset.source
    if source and Path(source).exists():
        source = str(Path(source).resolve())
    return Recipe(
        name=name.replace("\n", " ").replace("\t", " "),
        description=f"imported from {Path(imported.source).name}, {imported.kind}",
        data=DataSpec(source=source, labels=contents.labels),
        model="imported",
        weights="none",
        input=contents.built.size,
        preprocess=imported.convention.rule,
        training=Training(method="imported"),
    )


def _provenance(recipe: Recipe, imported: Imported, size: InputSize) -> Mapping[str, Any]:
    source = {"kind": imported.kind, "sha256": imported.sha256}
    return origin(recipe, size, "imported") | {"imported_from": source}


def _metrics(contents: Contents) -> Metrics:
    dataset, labels, model = contents.dataset, contents.labels, contents.built.model
    keras = model is not None and not isinstance(model, FrozenNetwork)
    unknown = DataUsed(fingerprint="", classes=labels, counts={}, source="")
    return Metrics(
        test=contents.imported.accuracy or TestAccuracy(),
        parameters=int(model.count_params()) if keras else None,
        data=DataUsed.of(dataset) if dataset else unknown,
        method="imported",
        versions={"cnnedge": __version__, **backend.versions()},
    )


def _sha256(path: Path) -> str:
    """Of the file, or of a SavedModel's graph, hex."""
    file = path / "saved_model.pb" if path.is_dir() else path
    return hashlib.sha256(given_files.read(file, at_most=_MOST_BYTES)).hexdigest()
