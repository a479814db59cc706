"""The course's networks as files: capsules, a signal's, moments with an SVM, a style.

A folder enters; in it, each network with random weights as float16 and int8 leaves. What a delegate
makes of them does not depend on their weights.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from cnnedge.bundle import write_model
from cnnedge.specs import InputSize, SignalSize, parse_model, shipped

NETWORKS = ("capsules", "chromatogram", "moments_svm", "style")
VARIANTS = ("float16", "int8")


def course_models(folder: Path) -> None:
    """Writes NETWORK_VARIANT.tflite for each."""
    import tf_keras

    from cnnedge.converter import convert

    tf_keras.utils.set_random_seed(0)
    for name in NETWORKS:
        model, calibration, labels, size = _BUILDERS[name](np.random.default_rng(0))
        for variant in VARIANTS:
            content = convert(model, variant, calibration)
            file = folder / f"{name}_{variant}.tflite"
            write_model(file, content, labels=labels, size=size, provenance={})


_Built = tuple[Any, Any, tuple[str, ...] | None, InputSize | SignalSize]


def _capsules(rng: np.random.Generator) -> _Built:
    from cnnedge.studies.capsule.network import SIDE, capsules

    size = InputSize(height=SIDE, width=SIDE, channels=1)
    return capsules(4), _pixels(rng, size), ("a", "b", "c", "d"), size


def _chromatogram(_: np.random.Generator) -> _Built:
    from cnnedge.architectures import build_model
    from cnnedge.data.chromatogram import CLASSES, windows

    size = SignalSize(length=100)
    spec = parse_model(*shipped.read("models", "chromatogram")).scaled((0.1,), (0.0,))
    return build_model(spec, size, len(CLASSES)), windows(60, 0)[0], CLASSES, size


def _moments_svm(rng: np.random.Generator) -> _Built:
    from cnnedge.studies.sunset.classical import SIDE, RbfSvm, moments, scaling_of
    from cnnedge.studies.sunset.graph import svm_network

    size = InputSize(height=SIDE, width=SIDE, channels=3)
    pixels = _pixels(rng, size)
    features = moments(pixels)
    scaling = scaling_of(features)
    svm = RbfSvm(
        scaling=scaling,
        vectors=scaling(features),
        weights=rng.normal(size=len(features)),
        bias=0.1,
        gamma=1 / features.shape[1],
        cost=1.0,
        validated=1.0,
    )
    return svm_network(svm), pixels, ("other", "sunset"), size


def _style(rng: np.random.Generator) -> _Built:
    from cnnedge.architectures.style_network import style_network

    size = InputSize(height=48, width=64, channels=3)
    return style_network(size), _pixels(rng, size)[:4], None, size


def _pixels(rng: np.random.Generator, size: InputSize) -> Any:
    return rng.integers(0, 256, (20, *size.shape), np.uint8)


_BUILDERS = dict(zip(NETWORKS, (_capsules, _chromatogram, _moments_svm, _style), strict=True))
