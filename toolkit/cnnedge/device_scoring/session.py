"""One model scored on a device and here.

A target, a classifier that is loaded here and a data set enter; the eval contract leaves: what
was right there, beside what was right here, and the first picture on which the two differ.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..benchmark.answer import raise_reported
from ..benchmark.asking import Unanswered, ask_worker
from ..classifier import Classifier
from ..data import Dataset, Part
from ..engines import Runtime
from ..errors import DeviceError, SpecError
from ..harmless import one_line, tidy
from ..results import accuracy, mcnemar
from ..scoring import class_map, judged, part_of
from ..specs import values
from ..targets import Target
from ..targets.scratch import scratch
from . import parcel
from .differences import differences
from .predictions import Predictions, predict, read, read_pixels
from .request import Answer, Request

# "pushing", "predicting on pi4", ...: what goes on, how far it is, of how many.
Progress = Callable[[str, int, int], None]

# An emulated board needs seconds for a picture of a large network; a hanging one is ended.
_SECONDS_PER_PICTURE, _SECONDS_TO_START = 30.0, 300.0
_WORKER = "cnnedge.device_scoring.worker"


def evaluate_there(
    target: Target,
    classifier: Classifier,
    dataset: Dataset,
    split: Part,
    *,
    runtime: Runtime,
    progress: Progress = lambda _what, _done, _total: None,
) -> dict[str, Any]:
    """Scores one split on a device, in the form of the eval contract, beside this machine.

    classifier: loaded here, on the CPU: the reference. runtime: for the device. Pictures that are
    files are decoded and resized there. Beside the contract's keys: `device`, `conditions`, and
    `here`: accuracy, McNemar's p, and what `differences` says. Raises DeviceError, GateError for a
    delegate that is refused there, DataError.
    """
    model = classifier.model
    mapping = class_map(dataset, classifier.labels, str(model.path), model=model)
    indices = part_of(dataset, split, mapping)
    targets = mapping[dataset.targets[indices]]
    here, there, answer = predict_both(
        target,
        classifier,
        dataset,
        indices,
        runtime=runtime,
        progress=progress,
    )
    labelled = there.best(classifier)
    right_here = here.best(classifier) == targets
    names = [dataset.name(int(i)) for i in indices]
    return judged(classifier, dataset, split, labelled, targets, mapping) | {
        "workers": 1,
        "device": target.name,
        **answer.as_json(),
        "here": accuracy(right_here)
        | {
            "engine": classifier.engine.name,
            "engine_version": classifier.engine.version,
            "p_value": mcnemar(right_here, labelled == targets),
        }
        | differences(classifier, here, there, names),
    }


def predict_both(
    target: Target,
    classifier: Classifier,
    dataset: Dataset,
    indices: npt.NDArray[np.int64],
    *,
    runtime: Runtime,
    progress: Progress = lambda _what, _done, _total: None,
) -> tuple[Predictions, Predictions, Answer]:
    """Predictions here and there of the same pictures, and what computed there.

    Keywords and errors as in `evaluate_there`.
    """
    with tempfile.TemporaryDirectory(prefix="cnnedge-") as folder:
        pictures = Path(folder) / "pictures.tar"
        parcel.pack(dataset, indices, pictures)
        here = predict(
            classifier,
            parcel.unpack(pictures),
            progress=lambda done: progress("predicting here", done, len(indices)),
        )
        with scratch(target) as place:
            request = Request(
                model=target.push(classifier.model.path),
                pictures=target.push(pictures),
                runtime=runtime,
                predictions=f"{place}/predictions.npz",
            )
            answer = _ask(target, request, len(here.raw), progress)
            local = Path(folder) / "predictions.npz"
            target.pull(request.predictions, local)
        there = read(local, like=here, name=target.name)
    return here, there, answer


def pixels_apart(
    target: Target,
    classifier: Classifier,
    dataset: Dataset,
    indices: npt.NDArray[np.int64],
    *,
    runtime: Runtime,
) -> int:
    """The largest difference, in levels, between input pixels made there and here of a few files.

    Keywords and errors as in `evaluate_there`.
    """
    with tempfile.TemporaryDirectory(prefix="cnnedge-") as folder, scratch(target) as place:
        pictures, local = Path(folder) / "pictures.tar", Path(folder) / "pixels.npy"
        parcel.pack(dataset, indices, pictures)
        here = np.stack([classifier.prepare(frame) for frame in parcel.unpack(pictures)])
        request = Request(
            model=target.push(classifier.model.path),
            pictures=target.push(pictures),
            runtime=runtime,
            predictions=f"{place}/predictions.npz",
            pixels=f"{place}/pixels.npy",
        )
        _ask(target, request, len(indices), lambda _what, _done, _total: None)
        target.pull(f"{place}/pixels.npy", local)
        there = read_pixels(local, like=here, name=target.name)
    return int(np.abs(there.astype(np.int16) - here).max(initial=0))


def _ask(target: Target, request: Request, total: int, progress: Progress) -> Answer:
    """What computed the predictions, once they are made. Raises what it ended with."""

    def line(text: str) -> None:
        done = _done(text)
        if done is not None and 0 <= done <= total:
            progress(f"predicting on {target.name}", done, total)

    seconds = _SECONDS_TO_START + _SECONDS_PER_PICTURE * total
    try:
        found = ask_worker(target.cnnedge, _WORKER, request, seconds=seconds, line=line)
        said = tidy(found)
        raise_reported(said, f"{target.name}: ")
        return values.read(Answer, said, "", others=True)
    except Unanswered as silent:
        done = silent.done
        how, said = (done.how, done.complaint[-2000:] or done.text) if done else ("", "")
        raise DeviceError(f"{target.name}: scoring ended with {how}: {one_line(said)}") from None
    except SpecError as error:
        raise DeviceError(
            f"{target.name}: its answer is not understood: {error}. It may run another cnnedge: "
            f"cnnedge devices clean {target.name}"
        ) from None


def _done(text: str) -> int | None:
    """How many pictures a line of the worker tells of."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    done = found.get("done") if isinstance(found, dict) else None
    return done if isinstance(done, int) else None
