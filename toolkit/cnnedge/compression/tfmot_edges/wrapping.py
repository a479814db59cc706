"""tensorflow-model-optimization's sharp edges, in one place.

A trained, flat Keras model (float32 raw pixels in, probabilities out) enters; a model to train
on leaves, wrapped for pruning, clustering or quantisation-aware training; the wrapped model,
trained, enters and a plain one leaves. The models that enter keep their weights. Names of layers
are the same in all of them, and frozen layers stay frozen.

A wrapped model is kept as its weights alone (`save_weights`): as a file, tfmot's wrappers do not
load reliably. It is rebuilt by the same call on the same model, then `load_weights`.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Container
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ...errors import CnnedgeError, MissingExtraError
from ...files import write_bytes
from ...native_stderr import captured
from ...numpy_files import read_arrays
from ...preprocess import Pixels
from ...training.backend import INSTALL
from .layers import clone, compressible, is_wrapper, kernels, stripped
from .xnnpack import sparse_form

Pattern = Literal["unstructured", "2:4", "xnnpack"]

# tfmot refuses two where one of them is zero.
_FEWEST_CLUSTERS = 3


def require() -> None:
    """Imports tensorflow-model-optimization, quietly.

    Raises MissingExtraError with the line that installs it.
    """
    try:
        with warnings.catch_warnings(), captured():
            warnings.simplefilter("ignore")
            import tensorflow_model_optimization  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"compressing a model needs tensorflow-model-optimization ({error}). "
            f"Install it: {INSTALL}"
        ) from None


def for_pruning(
    model: Any,
    *,
    sparsity: float,
    pattern: Pattern,
    begin_step: int,
    end_step: int,
    frequency: int,
    initial_sparsity: float = 0.0,
) -> tuple[Any, list[Any]]:
    """A model that training prunes by magnitude, and the callbacks that `fit` must be given.

    sparsity: of each pruned kernel, 0..1. It grows from initial_sparsity along a cubic between
    the two training steps (counted from 1), every `frequency` steps, and is reached within
    `frequency` steps before end_step at the latest. pattern: "unstructured"; "2:4", two zeros in
    every four weights along the input channels, set at the first step whatever the other
    arguments say; "xnnpack", only the 1x1 convolutions that XNNPACK has sparse kernels for, in a
    model with a ZeroPadding2D more before each strided layer of padding 'same'. Which layers are
    pruned: `compressible`. Raises CnnedgeError when there are none, and for "xnnpack" when the
    model is not one that XNNPACK runs sparsely.
    """
    require()
    names = set(compressible(model))
    if pattern == "xnnpack":
        model, able = sparse_form(model)
        names &= able
    if not names:
        raise CnnedgeError(
            f"there is nothing to prune ({pattern}) in this model: no convolution or dense layer "
            "that is trained, other than the one that reads the picture"
        )
    schedule = _schedule(sparsity, initial_sparsity, begin_step, end_step, frequency)
    return _pruning(model, names, schedule, (2, 4) if pattern == "2:4" else None)


def _pruning(
    model: Any, names: Container[str], schedule: Any, m_by_n: tuple[int, int] | None
) -> tuple[Any, list[Any]]:
    from tensorflow_model_optimization.python.core.sparsity.keras import (
        pruning_callbacks,
        pruning_wrapper,
    )

    from ...architectures.untraced import know

    know(pruning_wrapper.PruneLowMagnitude)

    def wrap(layer: Any) -> Any:
        if layer.name not in names:
            return layer
        wrapper = pruning_wrapper.PruneLowMagnitude(layer, schedule, sparsity_m_by_n=m_by_n)
        # It takes no name of its own; a layer is asked for by the name it always had.
        wrapper._name = layer.name
        return wrapper

    return clone(model, wrap), [pruning_callbacks.UpdatePruningStep()]


def _schedule(sparsity: float, initial: float, begin: int, end: int, frequency: int) -> Any:
    from tensorflow_model_optimization.python.core.sparsity.keras import pruning_schedule

    # tfmot prunes at begin, begin + frequency, ..., and never comes to the full sparsity when
    # `end` is not among these steps. Step 0 is not a step: it counts from 1.
    begin = max(begin, 1)
    frequency = max(1, min(frequency, end - begin))
    end = begin + max(end - begin, 0) // frequency * frequency
    if end == begin:
        return pruning_schedule.ConstantSparsity(sparsity, begin, end, 1)
    return pruning_schedule.PolynomialDecay(initial, sparsity, begin, end, frequency=frequency)


def for_clustering(model: Any, *, clusters: int, preserve_sparsity: bool = False) -> Any:
    """A model that training on holds to `clusters` different weights in each kernel.

    Centroids start by k-means++ (tfmot's, of a fixed seed) and are trained; each step gives every
    weight to its nearest centroid. preserve_sparsity: zeros stay zero, and zero is one of the
    centroids. Which layers are clustered: `compressible`, with at most as many clusters as a
    kernel has weights that are not zero. Memory: each step needs `clusters` float32 values for
    each weight of the largest kernel. Raises CnnedgeError when nothing can be clustered.
    """
    require()
    from tensorflow_model_optimization.python.core.clustering.keras import (
        cluster_config,
        cluster_wrapper,
    )

    counts = {name: _clusters(model.get_layer(name), clusters) for name in compressible(model)}
    if not any(counts.values()):
        raise CnnedgeError(
            "there is nothing to cluster in this model: no convolution or dense layer that is "
            "trained, other than the one that reads the picture"
        )

    def wrap(layer: Any) -> Any:
        if not counts.get(layer.name):
            return layer
        return cluster_wrapper.ClusterWeights(
            layer,
            counts[layer.name],
            cluster_config.CentroidInitialization.KMEANS_PLUS_PLUS,
            preserve_sparsity,
            name=layer.name,
        )

    return clone(model, wrap)


def _clusters(layer: Any, wanted: int) -> int:
    """As many as asked for, or as there are non-zero weights; 0 for less than tfmot can place.

    A layer left out for its few weights would lose the zeros that are to be preserved.
    """
    found = min(wanted, int(np.count_nonzero([values for _, values in kernels(layer)][-1])))
    return found if found >= _FEWEST_CLUSTERS else 0


def for_qat(model: Any, *, preserve_sparsity: bool = False, preserve_clusters: bool = False) -> Any:
    """A model that computes as its int8 file will, for training on.

    Weights and activations go through fake quantisation of 8 bits; BatchNormalization is folded
    by the converter, as each convolution's output is quantised behind it. preserve_sparsity:
    weights that are zero now stay zero. preserve_clusters: a kernel of few different weights keeps
    their number; in the file, each output channel of a convolution does. Becomes a file by
    `converter.convert(model, "int8", ...)`, as it is. Raises CnnedgeError naming the layers that
    tfmot cannot quantise.
    """
    require()
    from .qat import quantised

    return quantised(model, preserve_sparsity, preserve_clusters)


def calibrate(model: Any, pictures: Pixels) -> None:
    """Sets the activations' ranges of a `for_qat` model to those that the pictures bring about.

    pictures: uint8 [n, h, w, c], prepared as for training. Without this, every range starts at
    -6..6 and moves by a thousandth of the difference in each step, so that a short training
    ends in ranges that no picture ever had.
    """
    from .qat import observe

    observe(model, pictures)


def strip(wrapped_model: Any) -> Any:
    """The plain model behind a pruning or clustering model, with its zeros or centroids.

    Flat, of the same names and the same trainable flags as the model that was wrapped; shares no
    variable with the wrapped one. Raises CnnedgeError for a quantisation-aware model, whose
    ranges would be lost: that is converted as it is.
    """
    if any(is_wrapper(layer, "QuantizeWrapper") for layer in wrapped_model.layers):
        raise CnnedgeError("a quantisation-aware model is converted unchanged, not stripped")
    return stripped(wrapped_model)


def sparsity(model: Any) -> float:
    """The fraction of weights that are zero in all kernels of a plain or wrapped model, 0..1.

    Of all Conv2D, SeparableConv2D, DepthwiseConv2D and Dense, pruned or not; 0 without any.
    """
    found = [values for layer in model.layers for _, values in kernels(layer)]
    size = sum(values.size for values in found)
    return float(sum(np.sum(values == 0) for values in found) / size) if size else 0.0


def save_weights(model: Any, path: Path) -> None:
    """Writes all weights of any model, with masks, centroids and ranges, as one .npz.

    Raises CnnedgeError when the file cannot be written.
    """
    content = io.BytesIO()
    np.savez(content, *model.get_weights())
    write_bytes(path, content.getvalue())


def load_weights(model: Any, path: Path) -> None:
    """Reads what `save_weights` wrote into a model that was built by the same calls.

    Raises CnnedgeError when the file is missing, damaged or of another model.
    """
    try:
        values = list(read_arrays(path).values())
        shapes = [tuple(weight.shape) for weight in model.weights]
        if [value.shape for value in values] != shapes:
            raise ValueError(f"it holds {len(values)} arrays that are not those of this model")
        model.set_weights(values)
    except (OSError, ValueError) as error:
        raise CnnedgeError(
            f"{path}: the weights cannot be read ({error}). Delete the file to make it anew"
        ) from None
