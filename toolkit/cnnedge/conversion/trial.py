"""A flatbuffer's answers, before it is a finished variant."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ..bundle import write_model
from ..classifier import load
from ..conditions import usable_cores
from ..engines import CPU
from ..scoring import score
from ..specs import plain
from .work import Work

# Pictures for which another copy of the network is worth its memory.
_WORTH_A_WORKER = 64


def answers(
    work: Work,
    flatbuffer: bytes,
    indices: npt.NDArray[np.int64],
    progress: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.float32]:
    """float32 [n, classes] for pictures by index, through the runtime that users run.

    From a file of its own: the finished name appears with the finished model.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trial.tflite"
        provenance = {"preprocess": plain(work.data.recipe.preprocess)}
        write_model(
            path,
            flatbuffer,
            labels=work.data.labels,
            size=work.data.pixels.size,
            provenance=provenance,
        )
        # Each on one thread, as shipped; side by side, a set of pictures takes all cores.
        workers = min(usable_cores(), max(1, len(indices) // _WORTH_A_WORKER))
        classifiers = [load(path, CPU, known=True) for _ in range(workers)]
        return score(classifiers, work.data.pixels, indices, progress)
