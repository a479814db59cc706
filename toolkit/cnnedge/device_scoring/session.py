"""One model scored on a device and here.

A target, a classifier that is loaded here and a data set enter; the eval contract leaves: what
was right there, beside what was right here, and the first picture on which the two differ.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bundle.guest import NO_GUEST
from ..classifier import Classifier
from ..data import Dataset, Part
from ..errors import CnnedgeError, DeviceError, GateError
from ..files import json_text
from ..results import accuracy, mcnemar
from ..scoring import class_map, judged, part_of
from ..targets import Target
from ..targets.base import one_line
from ..targets.scratch import scratch
from . import parcel
from .differences import differences
from .predictions import Predictions, predict, read, read_pixels

# "pushing", "predicting on pi4", ...: what goes on, how far it is, of how many.
Progress = Callable[[str, int, int], None]

# An emulated board needs seconds for a picture of a large network; a hanging one is ended.
_SECONDS_PER_PICTURE, _SECONDS_TO_START = 30.0, 300.0


def evaluate_there(
    target: Target,
    classifier: Classifier,
    dataset: Dataset,
    split: Part,
    *,
    settings: Mapping[str, Any],
    allow_disagreement: bool = False,
    progress: Progress = lambda _what, _done, _total: None,
) -> dict[str, Any]:
    """Scores one split on a device, in the form of the eval contract, beside this machine.

    classifier: loaded here, on the CPU: the reference. settings: keywords of `classifier.load` for
    the device. Pictures that are files are decoded and resized there. Beside the contract's keys:
    `device`, `conditions`, and `here`: accuracy, McNemar's p, and what `differences` says. Raises
    DeviceError, GateError for a delegate that is refused there, DataError.
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
        settings=settings,
        allow_disagreement=allow_disagreement,
        progress=progress,
    )
    labelled = there.best(classifier)
    right_here = here.best(classifier) == targets
    names = [dataset.name(int(i)) for i in indices]
    return judged(classifier, dataset, split, labelled, targets, mapping) | {
        "workers": 1,
        "device": target.name,
        **answer,
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
    settings: Mapping[str, Any],
    allow_disagreement: bool = False,
    progress: Progress = lambda _what, _done, _total: None,
) -> tuple[Predictions, Predictions, dict[str, Any]]:
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
        request = _request(target, classifier, pictures, settings, allow_disagreement)
        answer, there = _ask(target, request, here, Path(folder), progress)
    return here, there, answer


def pixels_apart(
    target: Target,
    classifier: Classifier,
    dataset: Dataset,
    indices: npt.NDArray[np.int64],
    *,
    settings: Mapping[str, Any],
) -> int:
    """The largest difference, in levels, between input pixels made there and here of a few files.

    Keywords and errors as in `evaluate_there`.
    """
    with tempfile.TemporaryDirectory(prefix="cnnedge-") as folder, scratch(target) as place:
        pictures, local = Path(folder) / "pictures.tar", Path(folder) / "pixels.npy"
        parcel.pack(dataset, indices, pictures)
        here = np.stack([classifier.prepare(frame) for frame in parcel.unpack(pictures)])
        request = _request(target, classifier, pictures, settings, True)
        request |= {"predictions": f"{place}/predictions.npz", "pixels": f"{place}/pixels.npy"}
        _run_worker(target, request, len(indices), lambda _text: None)
        target.pull(request["pixels"], local)
        there = read_pixels(local, like=here, name=target.name)
    return int(np.abs(there.astype(np.int16) - here).max(initial=0))


def _request(
    target: Target,
    classifier: Classifier,
    pictures: Path,
    settings: Mapping[str, Any],
    allow_disagreement: bool,
) -> dict[str, Any]:
    return {
        "model": target.push(classifier.model.path),
        "pictures": target.push(pictures),
        "settings": {"load": _as_json(settings), "allow_disagreement": allow_disagreement},
    }


def _best(predictions: Predictions) -> npt.NDArray[np.int64]:
    best: npt.NDArray[np.int64] = predictions.raw.argmax(axis=1).astype(np.int64)
    return best


def _as_json(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The keywords as they travel: what is said of a guest as data, its labels with it."""
    guest = settings.get("guest", NO_GUEST)
    plain = {name: value for name, value in settings.items() if name != "guest"}
    plain["delegate_options"] = dict(settings.get("delegate_options") or {})
    return plain | {"guest": guest.as_json()}


def _ask(
    target: Target,
    request: dict[str, Any],
    here: Predictions,
    folder: Path,
    progress: Progress,
) -> tuple[dict[str, Any], Predictions]:
    total = len(here.raw)

    def line(text: str) -> None:
        done = _parsed(text).get("done")
        if isinstance(done, int) and 0 <= done <= total:
            progress(f"predicting on {target.name}", done, total)

    with scratch(target) as place:
        request["predictions"] = f"{place}/predictions.npz"
        answer = _run_worker(target, request, total, line)
        local = folder / "predictions.npz"
        target.pull(request["predictions"], local)
    known = ("engine", "engine_version", "threads", "precision", "delegate", "conditions")
    return {k: answer.get(k) for k in known}, read(local, like=here, name=target.name)


def _run_worker(
    target: Target, request: dict[str, Any], total: int, line: Callable[[str], None]
) -> dict[str, Any]:
    """The worker's last word. Raises what it ended with."""
    done = target.cnnedge(
        [],
        module="cnnedge.device_scoring.worker",
        stdin=json_text(request, ascii_only=True).encode(),
        seconds=_SECONDS_TO_START + _SECONDS_PER_PICTURE * total,
        line=line,
    )
    answer = _parsed((done.text.strip().splitlines() or [""])[-1])
    if "error" in answer:
        kind = GateError if answer.get("exit_code") == 3 else CnnedgeError
        raise kind(f"{target.name}: {one_line(str(answer['error']), 2000)}")
    if done.code or not isinstance(answer.get("delegate"), dict):
        said = one_line(done.errors.decode("utf-8", "replace")[-2000:] or done.text)
        raise DeviceError(f"{target.name}: scoring ended with exit {done.code}: {said}")
    return answer


def _parsed(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
