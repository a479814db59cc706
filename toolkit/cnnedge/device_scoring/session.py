"""One model scored on a device and here.

A target, a classifier that is loaded here and a data set enter; the eval contract leaves: what
was right there, beside what was right here, and the first picture on which the two differ.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..benchmark.answer import raise_reported
from ..benchmark.asking import Unanswered, ask_worker
from ..classifier import Classifier
from ..conditions import State
from ..data import Dataset, Part
from ..engines import AUTO, Runtime
from ..errors import DeviceError, SpecError
from ..harmless import one_line, tidy
from ..picture_model import Drawer
from ..results import accuracy, mcnemar
from ..scoring import Evaluation, judged, select
from ..specs import values
from ..targets import Target
from . import parcel
from .differences import Differences, differences
from .predictions import Predictions, predict, read, read_pixels
from .request import Answer, Request

# "pushing", "predicting on pi4", ...: what goes on, how far it is, of how many.
Progress = Callable[[str, int, int], None]

# An emulated board needs seconds for a picture of a large network; a hanging one is ended.
_SECONDS_PER_PICTURE, _SECONDS_TO_START = 30.0, 300.0
_WORKER = "cnnedge.device_scoring.worker"


@dataclass(frozen=True, kw_only=True)
class There:
    """A device that predicts. runtime: how the model runs on it. whole: pictures travel as they
    are, to be decoded and resized there; otherwise the model's input pixels do."""

    target: Target
    runtime: Runtime = AUTO
    whole: bool = True
    progress: Progress = lambda _what, _done, _total: None


@dataclass(frozen=True, kw_only=True)
class Here(Differences):
    """The same pictures on this machine. p_value: McNemar's, that both err equally often."""

    accuracy: float
    count: int
    ci95: tuple[float, float]
    engine: str
    engine_version: str
    p_value: float


@dataclass(frozen=True, kw_only=True)
class EvaluationThere(Evaluation):
    """The eval contract of a device, beside this machine."""

    device: str
    conditions: State
    here: Here


def evaluate_there(
    there: There, classifier: Classifier, dataset: Dataset, split: Part
) -> EvaluationThere:
    """Scores one split on a device, beside this machine.

    classifier: loaded here, on the CPU: the reference. Pictures that are files are decoded and
    resized there. Raises DeviceError, GateError for a delegate that is refused there, DataError.
    """
    chosen = select(classifier, dataset, split)
    ours, theirs, answer = predict_both(there, classifier, dataset, chosen.indices)
    labelled = theirs.best(classifier)
    right_here = ours.best(classifier) == chosen.targets
    names = [dataset.name(int(i)) for i in chosen.indices]
    engine = classifier.engine
    here = Here(
        **vars(differences(classifier, ours, theirs, names)),
        **vars(accuracy(right_here)),
        engine=engine.name,
        engine_version=engine.version,
        p_value=mcnemar(right_here, labelled == chosen.targets),
    )
    return EvaluationThere(
        **vars(judged(classifier, chosen, labelled, answer.ran)),
        device=there.target.name,
        conditions=answer.conditions,
        here=here,
    )


def predict_both(
    there: There,
    classifier: Classifier | Drawer,
    dataset: Dataset,
    indices: npt.NDArray[np.int64],
) -> tuple[Predictions, Predictions, Answer]:
    """Predictions here and there of the same pictures, and what computed there.

    Errors as in `evaluate_there`.
    """
    target, progress = there.target, there.progress
    with tempfile.TemporaryDirectory(prefix="cnnedge-") as folder:
        pictures = Path(folder) / "pictures.tar"
        parcel.pack(dataset, indices, pictures)
        here = predict(
            classifier,
            parcel.unpack(pictures),
            progress=lambda done: progress("predicting here", done, len(indices)),
        )
        if not there.whole:
            here = replace(here, decoded=here.prepared)
            pictures = _ready(classifier, pictures)
        with target.scratch() as place:
            request = Request(
                model=target.push(classifier.model.path),
                pictures=target.push(pictures),
                runtime=there.runtime,
                predictions=f"{place}/predictions.npz",
                prepared=None if there.whole else True,
            )
            answer = _ask(target, request, len(here.raw), progress)
            local = Path(folder) / "predictions.npz"
            target.pull(request.predictions, local)
        theirs = read(local, like=here, name=target.name)
    return here, theirs, answer


def _ready(classifier: Classifier | Drawer, pictures: Path) -> Path:
    """A parcel of pictures as the model's input pixels."""
    ready = pictures.with_name("ready.tar")
    parcel.pack_ready((classifier.prepare(frame) for frame in parcel.unpack(pictures)), ready)
    return ready


def pixels_apart(
    there: There, classifier: Classifier, dataset: Dataset, indices: npt.NDArray[np.int64]
) -> int:
    """The largest difference, in levels, between input pixels made there and here of a few files.

    Errors as in `evaluate_there`.
    """
    target = there.target
    with tempfile.TemporaryDirectory(prefix="cnnedge-") as folder, target.scratch() as place:
        pictures, local = Path(folder) / "pictures.tar", Path(folder) / "pixels.npy"
        parcel.pack(dataset, indices, pictures)
        here = np.stack([classifier.prepare(frame) for frame in parcel.unpack(pictures)])
        request = Request(
            model=target.push(classifier.model.path),
            pictures=target.push(pictures),
            runtime=there.runtime,
            predictions=f"{place}/predictions.npz",
            pixels=f"{place}/pixels.npy",
        )
        _ask(target, request, len(indices), lambda _what, _done, _total: None)
        target.pull(f"{place}/pixels.npy", local)
        theirs = read_pixels(local, like=here, name=target.name)
    return int(np.abs(theirs.astype(np.int16) - here).max(initial=0))


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
            f"{target.name}: cnnedge cannot understand its answer: {error}. It may run another "
            f"cnnedge: cnnedge devices clean {target.name}"
        ) from None


def _done(text: str) -> int | None:
    """How many pictures a line of the worker tells of."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return None
    done = found.get("done") if isinstance(found, dict) else None
    return done if isinstance(done, int) else None
