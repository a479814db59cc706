"""Where in a picture a class was seen.

A classifier and input pixels enter; a map of evidence for a class leaves. Two ways that need no
gradients, so that they work on any .tflite: the class activation map, exact where the network
ends in an average over the picture and one linear layer; and occlusion, for every classifier.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..bundle import ModelFile, OperatorInfo, TensorInfo
from ..classifier import Classifier
from .inside import Floats, real_constant

# What stands between a layer's values and the next without mixing them.
_PASSED = frozenset(
    {"RESHAPE", "SQUEEZE", "QUANTIZE", "DEQUANTIZE", "SOFTMAX", "LOGISTIC", "LOG_SOFTMAX"}
)
_AVERAGES = ("MEAN", "AVERAGE_POOL_2D")
_GREY = 128


@dataclass(frozen=True, kw_only=True, eq=False)
class LinearHead:
    """The end of a network: an average over the picture, then one linear layer.

    features: the tensor that is averaged, [1, height, width, channels]. weights: float32
    [classes, channels]. bias: float32 [classes].
    """

    features: TensorInfo
    weights: Floats
    bias: Floats


def linear_head(model: ModelFile) -> LinearHead | None:
    """The head of a classifier, read from its graph; None where it ends in another way."""
    way = list(_way_back(model))
    names = [operator.name for operator in way]
    if len(way) != 2 or names[0] not in ("FULLY_CONNECTED", "CONV_2D") or names[1] not in _AVERAGES:
        return None
    layer, average = way
    weights = real_constant(model, layer.inputs[1])
    features = model.graph.tensors[average.inputs[0]]
    pooled = model.graph.tensors[average.outputs[0]]
    if weights is None or len(features.shape) != 4 or pooled.values != features.shape[3]:
        return None
    if weights.size % features.shape[3] or features.shape[0] != 1:
        return None
    weights = weights.reshape(-1, features.shape[3])
    bias = real_constant(model, layer.inputs[2]) if len(layer.inputs) > 2 else None
    if bias is None or bias.size != len(weights):
        bias = np.zeros(len(weights), np.float32)
    return LinearHead(features=features, weights=weights, bias=bias.reshape(-1))


def _way_back(model: ModelFile) -> Iterator[OperatorInfo]:
    """The operators before the output that mix values, the last first, as far as the average."""
    makers = {t: op for op in model.graph.operators for t in op.outputs}
    tensor = model.graph.outputs[0]
    for _ in range(len(makers)):
        operator = makers.get(tensor)
        if operator is None:
            return
        if operator.name not in _PASSED:
            yield operator
            if operator.name not in ("FULLY_CONNECTED", "CONV_2D"):
                return
        tensor = operator.inputs[0]


def class_map(head: LinearHead, values: Floats, index: int) -> Floats:
    """The class activation map (Zhou et al., "Learning Deep Features for Discriminative
    Localization", CVPR 2016).

    values: the features of a picture, float32 [height, width, channels]. index: of the class.
    Returns float32 [height, width], what each place adds to the class's logit: the mean of the
    map and the bias are the logit.
    """
    return np.asarray(values @ head.weights[index] + head.bias[index], np.float32)


def occlusion(
    classifier: Classifier,
    pixels: npt.NDArray[np.uint8],
    index: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Floats:
    """How much a class's score falls where a grey square covers the picture (Zeiler and Fergus,
    "Visualizing and Understanding Convolutional Networks", ECCV 2014).

    pixels: uint8 [height, width, channels], as `prepare` makes them. The square has a quarter of
    the shorter side and moves by a quarter of itself. Returns float32 [height, width]: at each
    pixel the mean fall (-1..1) over the squares that cover it.
    """
    before = float(classifier.predict(pixels).scores[index])
    height, width = pixels.shape[:2]
    side = max(2, min(height, width) // 4)
    step = max(1, side // 4)
    places = [
        (top, left) for top in _steps(height, side, step) for left in _steps(width, side, step)
    ]
    fallen, counted = np.zeros((height, width)), np.zeros((height, width))
    for number, (top, left) in enumerate(places):
        covered = pixels.copy()
        covered[top : top + side, left : left + side] = _GREY
        fall = before - float(classifier.predict(covered).scores[index])
        fallen[top : top + side, left : left + side] += fall
        counted[top : top + side, left : left + side] += 1
        progress(number + 1, len(places))
    return np.asarray(fallen / np.maximum(counted, 1), np.float32)


def _steps(length: int, side: int, step: int) -> list[int]:
    """Where the squares begin, the last one at the end."""
    count = max(1, math.ceil((length - side) / step) + 1)
    return [min(i * step, max(0, length - side)) for i in range(count)]
