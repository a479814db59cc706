"""report.json: one entry for each variant, and what all of them have in common."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..benchmark.answer import Latency
from ..benchmark.trust import Trust
from ..bundle.cost import LayerCost
from ..results import Accuracy, Count, PictureError, Share
from ..scoring import Source
from ..specs.values import omitted
from ..training.metrics import TestAccuracy
from .sensitivity import LayerError


@dataclass(frozen=True, kw_only=True)
class Compared:
    """A file's answers for the test pictures beside those of model.keras.

    flipped: labels that changed. drop_points: accuracy lost, in percentage points. mcnemar_p: of
    the hypothesis that both err equally often. None where nobody knows what would be right.
    error: of a model whose answers are pictures, in place of all these.
    """

    name: str
    flipped: Count | None
    accuracy: Share | None = None
    count: Count
    ci95: tuple[Share, Share] | None = None
    drop_points: float | None = None
    mcnemar_p: Share | None = None
    error: PictureError | None = omitted()


@dataclass(frozen=True, kw_only=True)
class ControlEntry(Compared):
    """The same model, trained for as many epochs without the technique."""

    epochs: int


@dataclass(frozen=True, kw_only=True)
class AgainstControl:
    """What a technique gained beside its control. accuracy, ci95, epochs: of the control."""

    accuracy: Share | None
    ci95: tuple[Share, Share] | None
    epochs: int
    difference_points: float
    mcnemar_p: Share


@dataclass(frozen=True, kw_only=True)
class Runs:
    """Whether the tflite-runtime package runs the file, and why not."""

    runs: bool
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PostTrained:
    """What was done for an int8 file's labels. corrected: whether its biases are.

    changed_before, changed: labels that differ from the float file's with the biases as they were
    trained, and in this file, of so many pictures of the split `part`, none of them a test picture.
    """

    corrected: bool
    changed_before: Count
    changed: Count
    pictures: Count
    part: str


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The pictures by which layers were chosen, of the split `part`; none is a test picture."""

    pictures: Count
    part: str


@dataclass(frozen=True, kw_only=True)
class FileEntry(Compared):
    """One variant's file. sparsity: the fraction of weights that are zero. macs: of one inference.

    epochs, train_seconds: after the run's own training. float_layers: those that stayed in float,
    chosen_on: by which pictures they were chosen.
    """

    file: str
    sha256: str
    size_bytes: Count
    gzip_bytes: Count
    input_dtype: str
    sparsity: float
    macs: Count
    parameters: Count
    techniques: tuple[str, ...]
    format: str
    sparse: bool
    epochs: int
    train_seconds: float
    calibration_pictures: Count | None
    float_layers: tuple[str, ...]
    layers: tuple[LayerCost, ...]
    tflite_runtime: Runs
    ptq: PostTrained | None = omitted()
    chosen_on: Judged | None = omitted()


@dataclass(frozen=True, kw_only=True)
class Entry(FileEntry):
    """The same as one conversion sees it.

    remedy_of: the refused variant that it is to mend. searched_ms: the median within a search.
    status: `ok` or `failed`; status_reason: why the gate refused it.
    """

    remedy_of: str | None = None
    control: AgainstControl | None = None
    searched_ms: float | None = omitted()
    latency_ms: Latency = field(default_factory=lambda: Latency(count=1))
    status: str = "ok"
    status_reason: str = ""

    @property
    def median_ms(self) -> float:
        return self.latency_ms.median or 0.0


@dataclass(frozen=True, kw_only=True)
class NotMade:
    """A variant that could not be made, and why."""

    name: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class ReferenceEntry:
    """model.keras on the same pictures."""

    name: str = "model.keras"
    accuracy: Share | None = None
    count: Count
    ci95: tuple[Share, Share] | None = None

    @classmethod
    def of(cls, found: Accuracy | TestAccuracy) -> ReferenceEntry:
        return cls(accuracy=found.accuracy, count=found.count, ci95=found.ci95)


@dataclass(frozen=True, kw_only=True)
class BudgetAsked:
    """What a search was given. max_drop: the gate, in points."""

    latency_ms: float | None
    size_bytes: float | None
    max_drop: float | None


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """A search's pick; None where nothing holds. why: in words."""

    name: str | None
    why: str


@dataclass(frozen=True, kw_only=True)
class CalibrationUsed:
    """The training pictures that activations were measured on. per_class: how many of each."""

    count: Count
    seed: int
    per_class: Mapping[str, Count]


@dataclass(frozen=True, kw_only=True)
class Sensitivity:
    """What int8 does to each layer, on so many pictures."""

    variant: str
    pictures: Count
    layers: tuple[LayerError, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """All of it. best: the variant to ship. frontier, size_frontier: the names of those that no
    other beats in accuracy and latency, or size, the cheapest first. noun: of samples that are no
    pictures. min_psnr: the gate of a model whose answers are pictures, in decibels."""

    cnnedge: str
    created: str
    run: str
    recipe: str
    description: str
    device: str
    threads: int = 1
    test_pictures: Count
    data: Source
    reference: ReferenceEntry
    max_drop: float | None
    min_psnr: float | None = omitted()
    best: str | None = None
    frontier: tuple[str, ...]
    size_frontier: tuple[str, ...]
    budget: BudgetAsked | None
    chosen: Chosen | None
    calibration: CalibrationUsed
    sensitivity: Sensitivity | None
    variants: tuple[Entry, ...]
    not_made: tuple[NotMade, ...]
    warnings: tuple[str, ...]
    trust: Trust | None
    unstable: Mapping[str, tuple[str, ...]]
    conditions: Any
    noun: str | None = omitted()
