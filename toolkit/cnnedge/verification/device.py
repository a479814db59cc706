"""The file on a device, beside the file here, on the same pictures.

A case and a target enter; rows for decode, resize and network there leave, and the answers.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from ..classifier import Classifier
from ..device_scoring import Predictions, There, pixels_apart, predict_both
from ..engines import Ran, Runtime
from ..engines.agreement import OF_THE_RANGE, STEPS
from ..targets import Target
from .case import Case
from .network import format_of
from .verdict import Scores, Stage, flips, moved

_FLOAT = ("float32", "float16")
# Of the pictures whose pixels part, so many are brought here and compared.
_MOST_FETCHED = 16
_RELOAD = "please report it with one of the pictures: the page is of this very cnnedge"


def device_stages(case: Case, target: Target, runtime: Runtime) -> tuple[list[Stage], Scores]:
    """Three rows, each about pictures that agreed until then; and the scores, [n, classes].

    Raises DeviceError, GateError for a delegate that is refused there.
    """
    # What differs is judged below, stage by stage.
    runtime = replace(runtime, allow_disagreement=True)
    golden = case.golden
    device = There(target=target, runtime=runtime, progress=case.progress)
    here, there, answer = predict_both(device, case.plain, golden.dataset, golden.indices)
    part = f"on {target.name}"
    expected, given = _scores(case.plain, here), _scores(case.plain, there)
    decoded, prepared = here.decoded != there.decoded, here.prepared != there.prepared
    rows = [
        _pixels(
            Stage(stage="decode", part=part, agrees=True, unit="levels", because="exact"),
            decoded,
            "files become different pixels there",
            "the browser decodes picture files differently"
            if _is_browser(target)
            else "the device's libraries decode picture files differently",
            "judge by the flips whether it matters; eval --device without --whole shows the model "
            "alone"
            if _is_browser(target)
            else "install the same opencv-python and Pillow on both, or judge by the flips "
            "whether it "
            "matters",
        ),
        _resize(case, device, part, prepared & ~decoded),
        _network(case.plain, part, expected, given, ~prepared, answer),
    ]
    return rows, given


def _is_browser(target: Target) -> bool:
    return target.profile.transport == "browser"


def _scores(classifier: Classifier, predictions: Predictions) -> Scores:
    return np.stack([classifier.decode(raw).scores for raw in predictions.raw])


def _pixels(row: Stage, apart: npt.NDArray[np.bool_], what: str, cause: str, remedy: str) -> Stage:
    count = int(apart.sum())
    if not count:
        return replace(row, found=f"the same in all {len(apart)} pictures")
    found = f"{count} of {len(apart)} {what}"
    return replace(row, agrees=False, found=found, cause=cause, remedy=remedy)


def _resize(case: Case, device: There, part: str, apart: npt.NDArray[np.bool_]) -> Stage:
    """The rule is stated in integers: any difference is a fault, or OpenCV's own bilinear."""
    opencv = case.plain.rule.interpolation == "opencv_bilinear"
    row = _pixels(
        Stage(stage="resize", part=part, agrees=True, unit="levels", because="exact"),
        apart,
        "pictures with equal pixels become different input there",
        "the model asks for opencv_bilinear, whose pixels differ between processors"
        if opencv
        else "the device's cnnedge computes different pixels from the same picture",
        "train and convert with another interpolation: bilinear is the same everywhere"
        if opencv
        else _RELOAD
        if _is_browser(device.target)
        else f"install its cnnedge again: cnnedge devices clean {device.target.name}; if that does "
        "not help, please report it with one of the pictures",
    )
    if row.agrees:
        return row
    few = case.golden.indices[np.flatnonzero(apart)[:_MOST_FETCHED]]
    found = pixels_apart(device, case.plain, case.golden.dataset, few)
    return replace(row, deviation=float(found), allowed=0.0)


def _network(
    plain: Classifier,
    part: str,
    expected: Scores,
    given: Scores,
    alike: npt.NDArray[np.bool_],
    answer: Ran,
) -> Stage:
    """The same input gives the same answer, as closely as other kernels may round."""
    row = Stage(
        stage="network", part=part, agrees=None, found="no picture has the same input there"
    )
    if not alike.any():
        return row
    integer = format_of(plain.model) not in _FLOAT
    allowed = STEPS / 256 if integer else OF_THE_RANGE.get(answer.precision, 0.02)
    deviation = moved(given[alike], expected[alike])
    row = replace(
        row,
        agrees=deviation <= allowed,
        deviation=deviation,
        allowed=allowed,
        because="another processor's kernels round differently",
        flips=flips(given[alike], expected[alike]),
        found=f"{answer.delegate.used} in {answer.engine} {answer.engine_version}, "
        f"{answer.precision}",
    )
    if row.agrees:
        return row
    return replace(
        row,
        cause="from the same input, the device does not compute what the CPU here does",
        remedy="use --delegate cpu, or another engine or variant there",
    )
