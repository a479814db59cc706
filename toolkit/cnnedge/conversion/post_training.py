"""int8 that keeps its labels without training, in seconds: the plain file, or corrected biases.

A Keras model and calibration pictures enter; an int8 flatbuffer leaves, and what was done for its
labels. Pictures of validation or training decide; the test pictures only judge.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ..converter import convert as convert_keras
from ..converter import takes_signals
from ..data import calibration_indices
from ..preprocess import Pixels
from ..specs import Variant
from .biases import corrected, measured_on
from .entries import PostTrained
from .report.verdict import USUAL_GATE
from .trial import answers
from .work import Work

FORMATS = ("int8", "int8-float-io")
# They tell one changed label in 400, and are scored in seconds.
_JUDGED = 400
# With fewer, the training pictures are asked.
_FEWEST = 50


def integers(
    work: Work, model: Any, variant: Variant, calibration: Pixels
) -> tuple[bytes, PostTrained | None]:
    """The flatbuffer of an int8 variant, and what was done; None where nothing can be.

    Biases are corrected as the recipe's convert.ptq says. A network that was trained for int8
    (qat), a sparse file and one that takes signals stay as they are. Raises CnnedgeError.
    """
    plain = convert_keras(model, variant.format, calibration, sparse=variant.sparse)
    wanted = work.data.recipe.convert.ptq.biases
    if variant.has("qat") or variant.sparse:
        return plain, None
    mending = Mending.of(work, model, calibration)
    if mending.exact is None:
        return plain, None
    indices, part = judging(work, _JUDGED)
    labels = answers(work, mending.exact, indices).argmax(axis=1)
    before = int(np.sum(answers(work, plain, indices).argmax(axis=1) != labels))
    kept = PostTrained(
        corrected=False, changed_before=before, changed=before, pictures=len(indices), part=part
    )
    gate = work.data.recipe.convert.max_drop
    allowed = (USUAL_GATE if gate is None else gate) / 100
    if wanted == "auto" and before <= allowed * len(indices):
        return plain, kept
    mended = mending.corrected(plain)
    after = int(np.sum(answers(work, mended, indices).argmax(axis=1) != labels))
    if mended == plain or (wanted == "auto" and after >= before):
        return plain, kept
    return mended, replace(kept, corrected=True, changed=after)


@dataclass(frozen=True, kw_only=True)
class Mending:
    """What corrects the biases of a network's int8 files.

    exact: the network as float32 flatbuffer; None where biases are to stay. pictures: uint8.
    """

    exact: bytes | None
    pictures: Pixels

    @classmethod
    def of(cls, work: Work, model: Any, calibration: Pixels) -> Mending:
        """As the recipe says. Of signals, whose int8 files begin in float, nothing is corrected."""
        keep = work.data.recipe.convert.ptq.biases == "keep" or takes_signals(model)
        exact = None if keep else convert_keras(model, "float32", calibration)
        return cls(exact=exact, pictures=measured_on(calibration))

    def corrected(self, flatbuffer: bytes) -> bytes:
        """The flatbuffer with corrected biases, or as it is."""
        return (
            flatbuffer if self.exact is None else corrected(flatbuffer, self.exact, self.pictures)
        )


def judging(work: Work, count: int) -> tuple[npt.NDArray[np.int64], str]:
    """At most so many pictures to choose by, and their split: validation, or else training."""
    indices = work.data.dataset.indices("val")
    if len(indices) >= _FEWEST:
        return indices[:count], "val"
    seed = work.data.recipe.convert.calibration.seed + 1
    return calibration_indices(work.data.dataset, count, seed), "train"
