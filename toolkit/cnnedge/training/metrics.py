"""metrics.json, data.json and the rows of history.csv: what a training run tells of itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from ..data import Dataset
from ..data.store import Skipped
from ..results import Accuracy, ClassScore, Share
from ..specs.backbones import LoadedWeights
from ..specs.limits import MOST_WHOLE, Range
from ..specs.values import omitted

Count = Annotated[int, Range(0, MOST_WHOLE)]
Seconds = Annotated[float, Range(0)]
Counts = Mapping[str, Mapping[str, Count]]


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """One row of history.csv. accuracy: a fraction. val_*: None where it was not validated.

    learning_rate: of its last step. stage: of a transfer; empty where it is all of training.
    """

    epoch: int
    loss: float
    accuracy: float
    val_loss: float | None = None
    val_accuracy: float | None = None
    learning_rate: float
    seconds: float
    images_per_second: float
    stage: str = ""


@dataclass(frozen=True, kw_only=True)
class Tied:
    """Pictures that lie together on one side of the split, in how many groups, and why."""

    pictures: Count
    groups: Count
    by_burst: Count
    by_look: Count


@dataclass(frozen=True, kw_only=True)
class Identity:
    """data.json: the pictures that a run began with. counts: of each part and class."""

    source: str = ""
    fingerprint: str = ""
    counts: Counts | None = None
    tied: Tied | None = None

    @classmethod
    def of(cls, dataset: Dataset) -> Identity:
        return cls(
            source=dataset.source,
            fingerprint=dataset.fingerprint,
            counts=dataset.counts(),
            tied=_tied(dataset),
        )

    @property
    def pictures(self) -> int | None:
        """In all parts together; None if the file does not say."""
        counts = self.counts
        return None if counts is None else sum(sum(part.values()) for part in counts.values())


@dataclass(frozen=True, kw_only=True)
class DataUsed:
    """The pictures of a finished run. skipped: files that could not be read."""

    fingerprint: str
    classes: tuple[str, ...]
    counts: Counts
    skipped: tuple[Skipped, ...] = ()
    source: str
    tied: Tied | None = None
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, dataset: Dataset) -> DataUsed:
        return cls(
            fingerprint=dataset.fingerprint,
            classes=dataset.classes,
            counts=dataset.counts(),
            skipped=tuple(dataset.skipped),
            source=dataset.source,
            tied=_tied(dataset),
            warnings=tuple(dataset.warnings),
        )


@dataclass(frozen=True, kw_only=True)
class TestAccuracy:
    """Of the test pictures; None if nobody knows what would be right for them."""

    __test__ = False  # pytest takes it for tests
    accuracy: Share | None = None
    count: Count = 0
    ci95: tuple[Share, Share] | None = None


@dataclass(frozen=True, kw_only=True)
class Judged:
    """What a model is worth on pictures it never saw.

    confusion: counts [classes, classes], true classes in rows. confusion_labels: the classes of its
    rows, where they are not all that the model knows.
    """

    test: TestAccuracy | Accuracy = TestAccuracy()
    per_class: tuple[ClassScore, ...] = ()
    confusion: tuple[tuple[Count, ...], ...] = ()
    confusion_labels: tuple[str, ...] | None = omitted()


@dataclass(frozen=True, kw_only=True)
class StageDone:
    """One stage of a transfer. val_accuracy: a fraction, of the epoch that was kept."""

    stage: str
    epochs: Count
    kept_epoch: Count
    trained_parameters: Count
    seconds: Seconds
    val_accuracy: Share | None = None


@dataclass(frozen=True, kw_only=True)
class LinearFit:
    """A linear classifier on frozen features. strength: the C of least regularisation that won.

    cross_validation: the accuracy by C. floor: of the spread of a feature. int8_agreement: labels
    that stay with the head in int8, a fraction; None where it was not tried.
    """

    method: str
    strength: float
    cross_validation: Mapping[str, float]
    floor: float | None = None
    int8_agreement: float | None = None
    seconds: Seconds


@dataclass(frozen=True, kw_only=True)
class StyleFit:
    """A network that learned a style. picture: of the style. steps: of training.

    content, style: how far the pictures that were held back lie from their own content and from the
    style, as shares: 1 is as far as a picture that has nothing of it. style_before: of the same
    pictures as they are.
    """

    picture: str
    steps: Count
    content: float
    style: float
    style_before: float


@dataclass(frozen=True, kw_only=True)
class Details:
    """What one way of training has to tell: the stages of a transfer, the linear fit, a style."""

    stages: tuple[StageDone, ...] | None = omitted()
    linear: LinearFit | None = omitted()
    style: StyleFit | None = omitted()


@dataclass(frozen=True, kw_only=True)
class Metrics(Judged):
    """metrics.json. parameters: None if nobody counted. images_per_second: in training.

    kept_epoch: whose weights the model has.

    stages, linear, style: of a transfer, of a linear classifier, of a style. weights: where the
    backbone's came from; None without pretrained ones. workers: of training with several.
    """

    parameters: Count | None = None
    train_seconds: Seconds = 0.0
    images_per_second: Seconds = 0.0
    data: DataUsed
    method: str = "scratch"
    epochs: Count = 0
    kept_epoch: Count = 0
    stopped_early: bool = False
    test_seconds: Seconds = 0.0
    versions: Mapping[str, Any] = omitted()
    stages: tuple[StageDone, ...] | None = omitted()
    linear: LinearFit | None = omitted()
    style: StyleFit | None = omitted()
    weights: LoadedWeights | None = None
    workers: int = 1


def _tied(dataset: Dataset) -> Tied | None:
    return Tied(**dataset.ties.as_json()) if dataset.ties else None
