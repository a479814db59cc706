"""From a picture's file to input pixels: the stages decode and resize.

Golden pictures and a loaded model enter; both sides' input pixels and the rows of the two stages
leave. Here nothing is inferred: pixels are compared one by one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..camera import open_source
from ..classifier import PictureModel
from ..preprocess import Pixels, prepare
from ..specs import InputSize, Sample, SignalSize
from ..specs.pixels import Preprocess
from .golden import Golden
from .verdict import Stage

_EXACT = "exact"
# Neither square nor of any input's size, so that every rule shows; a camera's usual frame.
_PROBE_HEIGHT, _PROBE_WIDTH = 480, 640


@dataclass(frozen=True, kw_only=True, eq=False)
class Prepared:
    """The golden pictures as input pixels.

    reference, model: uint8 [n, height, width, channels], as the run and as the model file prepare
    them; the same array where no pixel differs, and of different shapes where the inputs are.
    Of signals the numbers themselves, float32 [n, length, channels]. decoded: the largest
    difference in levels of each picture's file, read by the runtime and by training; empty where
    there are no files.
    """

    reference: npt.NDArray[Any]
    model: npt.NDArray[Any]
    decoded: tuple[int, ...]


def prepare_both(
    golden: Golden,
    model: PictureModel,
    size: Sample,
    rule: Preprocess,
    progress: Callable[[int, int], None],
) -> Prepared:
    """Reads and prepares every picture on both sides. Raises DataError, SourceError.

    size, rule: the run's.
    """
    ours: list[Pixels] = []
    theirs: list[Pixels] = []
    decoded: list[int] = []
    if isinstance(size, SignalSize):
        signals = np.stack([golden.frame(number) for number in range(len(golden))])
        return Prepared(reference=signals, model=signals, decoded=())
    for number in range(len(golden)):
        frame = golden.frame(number)
        file = golden.file(number)
        shown = frame if file is None else _as_run(file)
        if file is not None:
            decoded.append(_apart(frame, shown))
        ours.append(prepare(frame, size, rule))
        theirs.append(model.prepare(shown))
        progress(number + 1, len(golden))
    reference, own = np.stack(ours), np.stack(theirs)
    same = reference.shape == own.shape and np.array_equal(reference, own)
    return Prepared(reference=reference, model=reference if same else own, decoded=tuple(decoded))


def decode_stage(golden: Golden, prepared: Prepared) -> Stage:
    """Whether pictures become the pixels that training saw."""
    worst = max(prepared.decoded, default=0)
    row = Stage(
        stage="decode",
        agrees=True,
        unit="levels",
        deviation=float(worst),
        allowed=0.0,
        because="exact",
    )
    if worst:
        count = sum(d > 0 for d in prepared.decoded)
        return replace(
            row,
            agrees=False,
            found=f"{count} of {len(golden)} files become different pixels in 'cnnedge run'",
            cause="the runtime reads picture files differently from training",
            remedy="please report this with one of the pictures",
        )
    if golden.as_trained is False:
        return replace(
            row,
            agrees=False,
            deviation=None,
            found="as many pictures as in training, but with different pixels: their fingerprint "
            "differs",
            cause="picture files were changed since training, or this OpenCV decodes them "
            "differently",
            remedy="put the pictures of training back, or verify with your own pictures: --data "
            "DIR",
        )
    if golden.as_trained:
        return replace(row, found="the pixels of training, by their fingerprint")
    if prepared.decoded:
        return replace(row, found="read the same; these are not the training pictures")
    return replace(row, agrees=None, deviation=None, found="arrays, but not those of training")


def resize_stage(
    prepared: Prepared, model: PictureModel, size: InputSize, rule: Preprocess
) -> Stage:
    """Whether the file's resize rule makes the run's pixels. `flips` is left to who can answer."""
    ours, theirs = _said(rule, size), _said(model.rule, model.size)
    row = Stage(
        stage="resize",
        agrees=True,
        unit="levels",
        deviation=0.0,
        allowed=0.0,
        because="exact",
        found=theirs,
    )
    unstated = model.model.preprocess is None
    parted = replace(
        row,
        agrees=False,
        found=f"{theirs}; the run: {ours}",
        cause="the file states no resize rule, and stretching was assumed"
        if unstated
        else "the file states a different resize rule from the one that the run was trained with",
        remedy="convert the run again: 'cnnedge convert' writes the rule into the file",
    )
    if (size.height, size.width) != (model.size.height, model.size.width):
        return replace(
            parted,
            deviation=None,
            cause="the network takes pictures of a different size from the run's",
            remedy="verify it against the run it was made from",
        )
    if size.channels != model.size.channels:
        return row
    if apart := _apart(prepared.reference, prepared.model):
        return replace(parted, deviation=float(apart))
    probe = _probe()
    if apart := _apart(prepare(probe, size, rule), prepare(probe, size, model.rule)):
        return replace(
            parted,
            deviation=float(apart),
            found=f"{parted.found}; these pictures need no resizing, a camera's frame does",
        )
    return row


def _as_run(file: Path) -> npt.NDArray[np.uint8]:
    """A file's frame as the runtime's own source hands it out."""
    with contextlib.closing(open_source(str(file))) as source:
        return next(iter(source)).pixels


def _apart(one: Pixels, other: Pixels) -> int:
    """The largest difference in levels; 255 for other shapes."""
    if one.ndim == 2 and other.ndim == 3:
        one = np.repeat(one[:, :, np.newaxis], 3, axis=2)
    if one.shape != other.shape:
        return 255
    return int(np.abs(one.astype(np.int16) - other.astype(np.int16)).max(initial=0))


def _probe() -> Pixels:
    frame = np.random.default_rng(0).integers(0, 256, (_PROBE_HEIGHT, _PROBE_WIDTH, 3))
    return frame.astype(np.uint8)


def _said(rule: Preprocess, size: InputSize) -> str:
    padding = f", padded with {rule.pad_value}" if rule.resize == "letterbox" else ""
    return f"{rule.resize}, {rule.interpolation}{padding}, to {size.width}x{size.height}"
