"""One verification of a model whose answers are pictures: its pictures beside those of its run.

A model file and a finished run enter; a DrawnVerdict leaves.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from ..conversion.drawing import USUAL_PSNR_DB, by_keras, drawn_by, evenly
from ..data import Pixels
from ..engines import Ran
from ..errors import ModelError
from ..picture_model import load_drawer
from ..results import PictureError, picture_error
from ..specs import InputSize
from ..training import backend
from ..training.run_folder import open_finished, read_recipe
from ..training.style.content import load_content
from .case import Progress, Question


@dataclass(frozen=True, kw_only=True)
class DrawnVerdict:
    """error: against the pictures of model.keras. allowed_db: the least PSNR. part: `test`, or
    `all` of a folder that was named."""

    model: str
    sha256: str
    run: str
    source: str
    part: str
    error: PictureError
    allowed_db: float
    ran: Ran
    assumptions: tuple[str, ...] = ()

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
            **self.ran.as_json(),
            "assumptions": list(self.assumptions),
        }


def verify_drawing(question: Question, progress: Progress) -> DrawnVerdict:
    """Compares on pictures that training never saw. Raises CnnedgeError."""
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
    content = pixels.batch(indices[evenly(len(indices), question.pictures)])
    progress("the pictures of model.keras", 0, 0)
    reference = by_keras(backend.load_keras(run.model), content)
    progress("the pictures of the file", 0, 0)
    with load_drawer(question.model, question.runtime) as drawer:
        if drawer.size != size:
            raise ModelError(
                f"{question.model}: it takes {drawer.size.height}x{drawer.size.width} pixels, the "
                f"run {size.height}x{size.width}; it was not converted from this run"
            )
        found = drawn_by(drawer, content)
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
            ran=drawer.engine.described(),
            assumptions=tuple(drawer.assumptions),
        )
