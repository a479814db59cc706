"""What a delegate's answers are compared on: encoded inputs for a model.

A model enters, the values of its inputs leave, a frame at a time: of the built-in scene where the
model takes one picture, random ones beside them.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from ..bundle import ModelFile
from ..engines import AgreementCheck, Engine, random_inputs
from ..engines.base import Values
from ..errors import ModelError

_SCENE_FRAMES = 5
# The scene moves on by so many frames between two that are taken.
_STRIDE = 12
_RANDOM_FRAMES = 3


def compare(model: ModelFile, engine: Engine, *, allow: bool) -> None:
    """Fills in engine.delegate.agreement where there is something to compare.

    Raises GateError on disagreement, unless `allow`.
    """
    check = AgreementCheck(model, engine, frames=_SCENE_FRAMES + _RANDOM_FRAMES, allow=allow)
    if check.done:
        return
    for inputs in _inputs(model, engine):
        for at, values in enumerate(inputs):
            engine.set_input(values, at)
        engine.invoke()
        check.see(inputs, engine.outputs())
    check.close()


def _inputs(model: ModelFile, engine: Engine) -> Iterator[list[Values]]:
    yield from _scene(model, engine)
    for seed in range(_RANDOM_FRAMES):
        yield random_inputs(model, seed)


def _scene(model: ModelFile, engine: Engine) -> Iterator[list[Values]]:
    """Frames of the built-in scene, prepared and encoded as `cnnedge run` does."""
    # These bring OpenCV, which a measured process must not hold while it is measured.
    from ..camera import open_source
    from ..classifier import PictureModel
    from ..data.chromatogram import synthetic_windows

    try:
        picture = PictureModel(model, engine)
    except ModelError:
        return
    if model.signal_size is not None:
        for window in synthetic_windows(model.signal_size, _SCENE_FRAMES):
            yield [picture.encode(picture.prepare(window))]
        return
    source = open_source("sample")
    try:
        for frame in islice(source, 0, _SCENE_FRAMES * _STRIDE, _STRIDE):
            yield [picture.encode(picture.prepare(frame.pixels))]
    finally:
        source.close()
