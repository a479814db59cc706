"""What verification found: one row for each stage, and the pictures whose label changed.

Measured stages enter; the first that parts, and the JSON of `cnnedge verify`, leave.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from ..engines import Ran

# No noise at all.
MOST_DB = 150.0

Scores = npt.NDArray[np.float32]

StageName = Literal[
    "decode", "resize", "colour", "scale", "quantise", "network", "delegate", "labels"
]
# levels: of 255. moved: fraction of the probability, see `moved`. lost: fraction of the accuracy.
# snr_db: decibels, at least. steps: of a quantised score. range: fraction of the largest score.
# names: classes that are called otherwise.
Unit = Literal["levels", "moved", "lost", "snr_db", "steps", "range", "names"]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One stage beside the reference.

    part: which of several comparisons of the stage, "" where there is one. agrees: None where
    these pictures or this file cannot tell. deviation: in `unit`, None where not measured.
    allowed: what it may be, and `because` where that number comes from. flips: pictures whose
    label this stage alone changes, None where not measured. found: what was seen. cause, remedy:
    of a stage that parts, a sentence each. would_show: the deviation that the commonest mistake
    at this stage would have caused on these pictures.
    """

    stage: StageName
    part: str = ""
    agrees: bool | None
    unit: Unit = "moved"
    deviation: float | None = None
    allowed: float | None = None
    because: str = ""
    flips: int | None = None
    found: str = ""
    cause: str = ""
    remedy: str = ""
    would_show: float | None = None

    @property
    def name(self) -> str:
        return f"{self.stage} {self.part}".rstrip()


@dataclass(frozen=True, kw_only=True)
class Flip:
    """A picture that the model as it runs labels differently from the reference.

    truth: None where the picture's class is not known. Scores are fractions 0..1.
    """

    name: str
    truth: str | None
    reference_label: str
    reference_score: float
    model_label: str
    model_score: float


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The whole answer. stages: in the order in which a picture goes through them. noun: what the
    pictures are."""

    model: str
    sha256: str
    run: str
    source: str
    pictures: int
    format: str
    ran: Ran
    stages: tuple[Stage, ...]
    flipped: tuple[Flip, ...]
    assumptions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    noun: str = "picture"

    @property
    def parted(self) -> tuple[Stage, ...]:
        """The stages that part, in order."""
        return tuple(s for s in self.stages if s.agrees is False)

    def as_json(self) -> dict[str, Any]:
        first = self.parted[0].stage if self.parted else None
        return {
            "model": self.model,
            "sha256": self.sha256,
            "run": self.run,
            "agrees": first is None,
            "first": first,
            "stages": [asdict(s) for s in self.stages],
            "flipped": [asdict(f) for f in self.flipped],
            "pictures": self.pictures,
            "data": {"source": self.source},
            "format": self.format,
            **self.ran.as_json(),
            "assumptions": list(self.assumptions),
            "notes": list(self.notes),
        }


def moved(one: Scores, other: Scores) -> float:
    """How much probability lies on other classes: root mean square over pictures, 0..1.

    one, other: [n, classes]. For each picture the total variation distance, half the sum of the
    differences: 0 for equal answers, 1 for two sure ones that contradict each other.
    """
    if not len(one):
        return 0.0
    apart = 0.5 * np.abs(one.astype(np.float64) - other.astype(np.float64)).sum(axis=1)
    return float(np.sqrt(np.mean(np.square(apart))))


def snr_db(given: Scores, exact: Scores) -> float:
    """Signal to noise of answers [n, classes]; signal: what differs from no answer at all."""
    signal = float(np.sum(np.square(exact - np.float32(1 / exact.shape[1]), dtype=np.float64)))
    noise = float(np.sum(np.square(given - exact, dtype=np.float64)))
    return min(MOST_DB, 10 * math.log10(max(signal, 1e-30) / max(noise, 1e-30)))


def flips(one: Scores, other: Scores) -> int:
    """Pictures whose best class differs."""
    return int(np.sum(one.argmax(axis=1) != other.argmax(axis=1)))
