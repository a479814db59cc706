"""Pretrained weights into models.

A Keras model, its backbone's name and a source of weights enter; the model's layers are filled,
all or none, and what was loaded from where leaves. Also the names of the ImageNet classes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from importlib import resources
from typing import Any

from .. import given_files
from ..downloads import Progress
from ..errors import WeightsError
from ..specs.backbones import BACKBONES, LoadedWeights
from .backbones import block_names
from .weight_files import Arrays, FileWeights, read_weights
from .weight_store import StoredFile, digest, find

IMAGENET = "imagenet"


def load_weights(
    model: Any,
    backbone: str,
    source: str = IMAGENET,
    *,
    progress: Progress | None = None,
    base_url: str | None = None,
) -> LoadedWeights:
    """Fills the backbone's layers of a model built here; those of its head stay as they are.

    source: "imagenet", or the path of a file that tf_keras wrote (.h5, .keras), that
    np.savez(path, *model.get_weights()) wrote, or a PyTorch checkpoint of efficientnet_lite0
    (.pth). A file may hold a head too; it is left out. progress, base_url: see
    weight_store.find. Raises WeightsError, MissingExtraError.
    """
    blocks = block_names(backbone, [layer.name for layer in model.layers])
    own = {name for block in blocks for name in block}
    layers = [layer for layer in model.layers if layer.name in own]
    file = _file(source, backbone, False, progress, base_url)
    return _fill(layers, backbone, file)


def load_classifier_weights(
    model: Any,
    backbone: str,
    source: str = IMAGENET,
    *,
    progress: Progress | None = None,
    base_url: str | None = None,
) -> LoadedWeights:
    """Fills every layer of `backbones.classifier`, the published head among them."""
    return _fill(model.layers, backbone, _file(source, backbone, True, progress, base_url))


def imagenet_labels() -> tuple[str, ...]:
    """The 1,000 classes of ImageNet in the order of every published classifier, all different."""
    text = resources.files("cnnedge.embedded").joinpath("imagenet_labels.txt").read_text("utf-8")
    return tuple(text.splitlines())


def _file(
    source: str, backbone: str, top: bool, progress: Progress | None, base_url: str | None
) -> StoredFile:
    if source == IMAGENET:
        return find(backbone, top=top, progress=progress, base_url=base_url)
    return StoredFile(path=given_files.expanded(source), text=source)


def _fill(layers: Sequence[Any], backbone: str, file: StoredFile) -> LoadedWeights:
    weighted = [layer for layer in layers if layer.weights]
    found = read_weights(file.path, backbone)
    arrays = _matched(weighted, found, f"{file.path}: these weights do not fit {backbone}")
    text = file.text
    if BACKBONES[backbone].bgr and not found.ours:
        kernel, *rest = arrays[0]
        arrays[0] = (kernel[:, :, ::-1, :], *rest)
        text += "; its first kernel converted from BGR to RGB"
    # Only now: a file that does not fit leaves the model as it was.
    for layer, values in zip(weighted, arrays, strict=True):
        layer.set_weights(values)
    return LoadedWeights(
        source=text, sha256=digest(file.path, hashlib.sha256()), layers=len(weighted)
    )


def _matched(layers: Sequence[Any], found: FileWeights, problem: str) -> list[Arrays]:
    """Each layer's arrays: those of its name, or where names differ those in its place."""
    known = [layer.name in found.layers for layer in layers]
    if not all(known):
        try:
            return _by_order(layers, found, problem)
        except WeightsError:
            # If the file has some of the names, they say more than its order.
            if not any(known):
                raise
    for layer in layers:
        _check(layer, found.layers.get(layer.name), problem)
    _check_between(layers, found, problem)
    return [found.layers[layer.name] for layer in layers]


def _check_between(layers: Sequence[Any], found: FileWeights, problem: str) -> None:
    """Refuses a deeper network of the same family: it has all these layers, and others between."""
    own = {layer.name for layer in layers}
    inside = [name for name in found.layers if name in own]
    names = list(found.layers)
    for name in names[names.index(inside[0]) : names.index(inside[-1])]:
        if name not in own:
            raise WeightsError(
                f"{problem}: found a layer {name}, which the backbone does not have. {_NEXT}"
            )


def _by_order(layers: Sequence[Any], found: FileWeights, problem: str) -> list[Arrays]:
    """The arrays in the file's order, whatever its layers are called."""
    rest = [array for arrays in found.layers.values() for array in arrays]
    # Before the first convolution a file may hold a normalisation of pixels.
    start = next((place for place, array in enumerate(rest) if array.ndim == 4), 0)
    rest = rest[start:]
    taken = []
    for layer in layers:
        count = len(layer.weights)
        arrays, rest = tuple(rest[:count]), rest[count:]
        _check(layer, arrays, problem)
        taken.append(arrays)
    return taken


_NEXT = (
    "Allowed: a file of this backbone's weights with the same layer names, or with arrays of the "
    "same shapes in the same order. Give another file, or the backbone that this file belongs to"
)


def _check(layer: Any, arrays: Arrays | None, problem: str) -> None:
    found = [tuple(map(int, array.shape)) for array in arrays or ()]
    if found != _shapes(layer):
        what = "found no weights" if arrays is None else f"found shapes {_text(found)}"
        raise WeightsError(
            f"{problem}: for layer {layer.name} {what}; expected shapes {_text(_shapes(layer))}. "
            f"{_NEXT}"
        )


def _shapes(layer: Any) -> list[tuple[int, ...]]:
    return [tuple(weight.shape) for weight in layer.weights]


def _text(shapes: Sequence[tuple[int, ...]]) -> str:
    return ", ".join(str(list(shape)) for shape in shapes) or "none"
