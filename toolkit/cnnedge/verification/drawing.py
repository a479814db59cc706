"""One verification of a model whose answers are pictures: its pictures beside those of its run.

A model file and a finished run enter; a DrawnVerdict leaves.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..conversion.drawing import USUAL_PSNR_DB, by_keras, drawn_by, evenly, levels
from ..data import Dataset, Pixels
from ..device_scoring import There, predict_both
from ..engines import CPU, Ran, Runtime
from ..errors import ModelError
from ..picture_model import Drawer, load_drawer
from ..results import PictureError, picture_error
from ..specs import InputSize
from ..targets import Target
from ..training import backend
from ..training.run_folder import open_finished, read_recipe
from ..training.style.content import load_content
from .case import Progress, Question


@dataclass(frozen=True, kw_only=True)
class DrawnVerdict:
    """error: against the pictures of model.keras. allowed_db: the least PSNR. part: `test`, or
    `all` of a folder that was named. device: that drew them, None of this machine."""

    model: str
    sha256: str
    run: str
    source: str
    part: str
    error: PictureError
    allowed_db: float
    ran: Ran
    assumptions: tuple[str, ...] = ()
    device: str | None = None

    @property
    def agrees(self) -> bool:
        return self.error.psnr_db >= self.allowed_db

    def as_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "sha256": self.sha256,
            "run": self.run,
            "agrees": self.agrees,
            "pictures": self.error.count,
            "error": asdict(self.error),
            "allowed_db": self.allowed_db,
            "data": {"source": self.source, "part": self.part},
            **({"device": self.device} if self.device else {}),
            **self.ran.as_json(),
            "assumptions": list(self.assumptions),
        }


def verify_drawing(
    question: Question, progress: Progress, target: Target | None = None
) -> DrawnVerdict:
    """Compares on pictures that training never saw. Raises CnnedgeError.

    target: a device that decodes, resizes and draws them, as the question says it runs.
    """
    if target is not None and target.profile.transport == "browser":
        raise ModelError(
            f"{target.name}: a browser's page labels pictures and draws none; name a device that "
            "runs cnnedge, over ssh or adb"
        )
    run = open_finished(question.run)
    recipe = read_recipe(run)
    spec = recipe.data if question.data is None else replace(recipe.data, source=question.data)
    dataset = load_content(
        spec,
        lambda done, total: progress("reading pictures", done, total),
        split=question.data is None,
    )
    size = recipe.input
    assert isinstance(size, InputSize)
    part = "test" if question.data is None else "all"
    indices = dataset.indices("test" if question.data is None else "all")
    pixels = Pixels(dataset, size, recipe.preprocess)
    chosen = indices[evenly(len(indices), question.pictures)]
    content = pixels.batch(chosen)
    progress("the pictures of model.keras", 0, 0)
    reference = by_keras(backend.load_keras(run.model), content)
    progress("the pictures of the file", 0, 0)
    here = question.runtime if target is None else replace(CPU, guest=question.runtime.guest)
    with load_drawer(question.model, here) as drawer:
        if drawer.size != size:
            raise ModelError(
                f"{question.model}: it takes {drawer.size.height}x{drawer.size.width} pixels, the "
                f"run {size.height}x{size.width}; it was not converted from this run"
            )
        if target is None:
            found, ran = drawn_by(drawer, content), drawer.engine.described()
        else:
            device = There(target=target, runtime=_judged(question), progress=progress)
            found, ran = _drawn_on(device, drawer, dataset, chosen)
        if found[0].shape != reference[0].shape:
            raise ModelError(
                f"{question.model}: it draws {list(np.shape(found[0]))}, the run "
                f"{list(reference[0].shape)}; it was not converted from this run"
            )
        gate = recipe.convert.min_psnr
        return DrawnVerdict(
            model=str(question.model),
            sha256=drawer.model.sha256,
            run=str(question.run),
            source=dataset.source,
            part=part,
            error=picture_error(found, list(reference)),
            allowed_db=USUAL_PSNR_DB if gate is None else gate,
            ran=ran,
            assumptions=tuple(drawer.assumptions),
            device=target.name if target else None,
        )


def _judged(question: Question) -> Runtime:
    """How the file runs on a device: what differs from the CPU's is judged as a PSNR."""
    return replace(question.runtime, allow_disagreement=True)


def _drawn_on(
    device: There, drawer: Drawer, dataset: Dataset, chosen: npt.NDArray[np.int64]
) -> tuple[list[npt.NDArray[np.float32]], Ran]:
    """What a device draws of pictures of a data set, in levels, and what computed it there."""
    _, theirs, answer = predict_both(device, drawer, dataset, chosen)
    shape = tuple(drawer.model.output.shape)
    return [levels(drawer, raw.reshape(shape)) for raw in theirs.raw], answer.ran
