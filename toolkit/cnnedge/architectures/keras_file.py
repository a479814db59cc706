"""Saved Keras models, rebuilt from their configuration without executing anything in it.

A .keras file enters; the model leaves, without its optimizer. Keras' own `load_model` imports and
calls what the file names, also in its safe mode: HDF5 and SavedModels run their Lambda layers, and
a Lambda of `function_type: function` calls any importable function. Here each object is looked up
by its name in a closed table, which says itself where the class is; every word that Keras would
resolve to a function stands in a list; and the rest are numbers, flags and names.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Callable, Container, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import h5py
import tf_keras

from .. import given_files
from ..bundle.kinds import HDF5
from ..errors import ModelError
from ..specs.layers import LAYERS, Activation
from .untraced import untraced

CONFIG, WEIGHTS = "config.json", "model.weights.h5"
MAX_CONFIG = 32 << 20
MAX_WEIGHTS = 4 << 30
# Keras stores the weights uncompressed; no model unpacks to much more than its size.
_MAX_RATIO = 20
MAX_DEPTH = 100
# HDF5 groups may contain each other in a circle.
_MAX_ARRAYS = 100_000

_KERAS = "keras"
_MODELS = {"Functional": "tf_keras.src.engine.functional", "Sequential": _KERAS}
OTHER_LAYERS = (
    *("InputLayer", "Add", "Average", "Concatenate", "Maximum", "Minimum", "Multiply", "Subtract"),
    *("Reshape", "Permute", "Cropping2D", "UpSampling2D", "Normalization", "LayerNormalization"),
    *("ELU", "PReLU", "Softmax", "ThresholdedReLU", "GaussianNoise", "GaussianDropout"),
    *("AlphaDropout", "Resizing", "CenterCrop", "RandomCrop", "RandomFlip", "RandomRotation"),
    *("RandomZoom", "RandomTranslation", "RandomContrast", "RandomBrightness", "RandomHeight"),
    *("RandomWidth", "Conv2DTranspose", "Conv1D", "SeparableConv1D", "MaxPooling1D"),
    *("AveragePooling1D", "GlobalAveragePooling1D", "GlobalMaxPooling1D", "ActivityRegularization"),
)
INITIALIZERS = (
    *("Constant", "GlorotNormal", "GlorotUniform", "HeNormal", "HeUniform", "Identity"),
    *("LecunNormal", "LecunUniform", "Ones", "Orthogonal", "RandomNormal", "RandomUniform"),
    *("TruncatedNormal", "VarianceScaling", "Zeros"),
)
_CLASSES: Mapping[str, str] = {
    **dict.fromkeys((*LAYERS, *OTHER_LAYERS), "keras.layers"),
    **dict.fromkeys(INITIALIZERS, "keras.initializers"),
    **dict.fromkeys(("L1", "L2", "L1L2"), "keras.regularizers"),
    **dict.fromkeys(("MaxNorm", "MinMaxNorm", "NonNeg", "UnitNorm"), "keras.constraints"),
    "Policy": "keras.mixed_precision",
    "TFOpLambda": "tf_keras.src.layers.core.tf_op_layer",
    **_MODELS,
}
_ACTIVATIONS = frozenset(
    (*Activation.__args__, "exponential", "mish", "silu", "softsign", "log_softmax")  # type: ignore[attr-defined]
)
_INITIALIZER_WORDS = frozenset(
    "constant glorot_normal glorot_uniform he_normal he_uniform identity lecun_normal "
    "lecun_uniform one ones orthogonal normal random_normal uniform random_uniform "
    "truncated_normal variance_scaling zero zeros".split()
)
_TYPES = frozenset(
    "float16 bfloat16 float32 float64 int32 int64 uint8 bool mixed_float16 mixed_bfloat16".split()
)
# What arithmetic between tensors becomes in a file; each computes and does nothing else.
_OPERATIONS = frozenset(
    f"{where}{name}"
    for where, names in (
        ("__operators__.", ("add",)),
        ("math.", ("add", "divide", "multiply", "negative", "subtract", "truediv")),
        ("nn.", ("relu", "relu6", "silu", "softmax")),
    )
    for name in names
)


class UnknownClass(ModelError):
    """A configuration names a class that is in no table."""


def read_keras(path: Path) -> tf_keras.Model:
    """The model of a .keras file, its weights loaded, not compiled.

    Raises ModelError for a file of another kind, a damaged one, and one that holds any class or
    function but those that cnnedge knows.
    """
    try:
        with _opened(path) as archive:
            config = _read_config(archive)
            model = build(config)
            load_weights(model, archive)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None
    except Exception as error:  # json, zipfile, h5py and Keras each raise their own, and others
        reason = " ".join((str(error).strip() or type(error).__name__).split())[:200]
        raise ModelError(
            f"{path}: this .keras file is incomplete or damaged ({reason}). Save the model again, "
            "or train again"
        ) from None
    return model


def _opened(path: Path) -> zipfile.ZipFile:
    if path.is_dir():
        raise ModelError(
            "this is a folder; expected a .keras file. A SavedModel may contain any code, so it is "
            "not loaded; save the model as NAME.keras with tf_keras"
        )
    if not path.is_file():
        raise ModelError("there is no such file")
    if not zipfile.is_zipfile(path):
        raise ModelError(_no_archive(path))
    return zipfile.ZipFile(path)


def _no_archive(path: Path) -> str:
    with given_files.opened(path) as file:
        begin = file.read(len(HDF5))
    if begin.startswith(HDF5):
        return (
            "this is an HDF5 file, and not a .keras file. It may contain any code, so it is not "
            "loaded; save the model again as NAME.keras with tf_keras"
        )
    if begin.startswith(b"PK"):
        return (
            "the .keras file is damaged (it has no end; was it cut short?). Copy or save it again"
        )
    return (
        "this is not a .keras file, whatever its name says; save the model as NAME.keras with "
        "tf_keras or Keras 3"
    )


def member(archive: zipfile.ZipFile, name: str, limit: int) -> IO[bytes]:
    """An entry to read. Raises ModelError if it is missing or packed as no model is."""
    try:
        entry = archive.getinfo(name)
    except KeyError:
        raise ModelError(f"this is not a .keras file: it contains no {name}") from None
    if entry.file_size > min(limit, max(entry.compress_size, 1 << 20) * _MAX_RATIO):
        raise ModelError(
            f"{name} in it unpacks to {entry.file_size:,} bytes from {entry.compress_size:,}; no "
            "model does that"
        )
    return archive.open(entry)


def _read_config(archive: zipfile.ZipFile) -> Any:
    with member(archive, CONFIG, MAX_CONFIG) as file:
        try:
            return json.loads(file.read(MAX_CONFIG))
        except (ValueError, RecursionError):
            raise ModelError(f"{CONFIG} in it is not JSON") from None


def build(config: Any) -> tf_keras.Model:
    """The network of a configuration, with fresh weights. Raises ModelError; Keras' own errors."""
    rebuilt = _object(config, "the model", 0)
    if rebuilt["class_name"] not in _MODELS:
        raise ModelError(
            f"it holds {shown(rebuilt['class_name'])}; expected a Functional or Sequential model"
        )
    with untraced():
        model = tf_keras.layers.deserialize(rebuilt)
    if not model.built:
        raise ModelError("the model in it does not state the size of its input")
    return model


def _object(node: Any, where: str, depth: int) -> dict[str, Any]:
    """A serialised object with the class that the table gives for it. Raises ModelError."""
    name = node.get("class_name") if isinstance(node, dict) else None
    if not isinstance(name, str) or name not in _CLASSES:
        raise UnknownClass(
            f"{where} is {shown(name)}, a class that cnnedge does not know; none of its code was "
            "executed. A model may contain only Keras' own layers: no Lambda, no wrappers, no "
            "custom classes"
        )
    config = node.get("config")
    rebuilt: dict[str, Any] = {
        "module": _CLASSES[name],
        "class_name": name,
        "registered_name": None,
        "config": {
            key: field(key, value, name, depth + 1, _FAMILY)
            for key, value in (config if isinstance(config, dict) else {}).items()
        },
    }
    if name == "TFOpLambda":
        operation = rebuilt["config"].get("function")
        if operation not in _OPERATIONS:
            raise ModelError(f"{where} calls {shown(operation)}, which cnnedge does not know")
    for key in ("name", "inbound_nodes", "build_config"):
        if key in node:
            rebuilt[key] = plain_values(node[key], f"{key} of {name}", depth + 1)
    return rebuilt


@dataclass(frozen=True, kw_only=True)
class Family:
    """How one Keras writes models. holders: classes that hold layers. read: an object, by where it
    stands and how deep. words: allowed for a key, None where Keras looks up no function."""

    holders: Container[str]
    read: Callable[[Any, str, int], Any]
    words: Callable[[str], frozenset[str] | None]


def field(key: str, value: Any, owner: str, depth: int, family: Family) -> Any:
    """One value of a configuration, with nothing left in it that Keras would look up or call.

    Raises ModelError.
    """
    where = f"{key} of {owner}"
    if depth > MAX_DEPTH:
        raise ModelError("its configuration is nested too deeply")
    if key == "layers" and owner in family.holders:
        if not isinstance(value, list):
            raise ModelError(f"{where} is not a list")
        return [family.read(layer, "a layer", depth) for layer in value]
    if isinstance(value, dict) and value.get("class_name") == "function":
        # A function that Keras knows only by its name.
        value = value.get("config")
    if isinstance(value, dict) and "class_name" in value:
        return family.read(value, where, depth)
    words = family.words(key)
    if words is not None and value is not None and not (isinstance(value, str) and value in words):
        raise ModelError(f"{where} is {shown(value)}, which cnnedge does not know")
    return plain_values(value, where, depth)


def words_for(key: str) -> frozenset[str] | None:
    """The allowed words where Keras would look up a function; None if it looks up none."""
    if key.endswith("activation"):
        return _ACTIVATIONS
    if key.endswith("_initializer"):
        return _INITIALIZER_WORDS
    if key.endswith(("_regularizer", "_constraint")):
        return frozenset()
    if key == "dtype":
        return _TYPES
    return None


_FAMILY = Family(holders=_MODELS, read=_object, words=words_for)


def plain_values(value: Any, where: str, depth: int) -> Any:
    """Numbers, flags, texts, and lists and tables of them, with no object inside."""
    if depth > MAX_DEPTH:
        raise ModelError("its configuration is nested too deeply")
    if isinstance(value, list):
        return [plain_values(each, where, depth + 1) for each in value]
    if isinstance(value, dict):
        if "class_name" in value:
            raise ModelError(
                f"{where} holds {shown(value['class_name'])}, which is not allowed there"
            )
        return {key: plain_values(each, where, depth + 1) for key, each in value.items()}
    return value


def load_weights(model: Any, archive: zipfile.ZipFile) -> None:
    """Of an archive, into a model of either Keras, once they were looked through."""
    with tempfile.TemporaryDirectory(prefix="cnnedge-") as folder:
        path = Path(folder) / WEIGHTS
        with member(archive, WEIGHTS, MAX_WEIGHTS) as packed, path.open("wb") as file:
            while part := packed.read(1 << 24):
                file.write(part)
        check_h5(path)
        model.load_weights(path)


def check_h5(path: Path) -> None:
    """Raises ModelError for HDF5 that leads to other files or claims more than it holds."""
    limit = max(path.stat().st_size, 1 << 20) * _MAX_RATIO
    with h5py.File(path, "r") as file:
        size = 0
        for count, dataset in enumerate(_datasets(file, 0)):
            if dataset.external or dataset.is_virtual or dataset.dtype.kind not in "fiuSOU":
                raise ModelError(
                    f"its weights hold {dataset.name!r}, whose values are not in the file itself"
                )
            size += dataset.size * max(dataset.dtype.itemsize, 1)
            if size > limit or count > _MAX_ARRAYS:
                raise ModelError("its weights claim to be far larger than their file")


def _datasets(group: h5py.Group, depth: int) -> Iterator[h5py.Dataset]:
    if depth > MAX_DEPTH:
        raise ModelError("its weights are nested too deeply")
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ModelError(f"its weights hold the link {name!r}; expected only arrays")
        child = group[name]
        if isinstance(child, h5py.Group):
            yield from _datasets(child, depth + 1)
        elif isinstance(child, h5py.Dataset):
            yield child


def shown(value: Any) -> str:
    """A value in a message, cut."""
    return repr(value)[:80]
