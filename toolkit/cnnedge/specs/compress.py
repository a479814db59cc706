"""How the techniques of compression train: the `compress` part of a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from .limits import Range

Epochs = Annotated[int, Range(1, 10_000)]
# As a fraction of the rate that the recipe itself trained all layers with.
RateFactor = Annotated[float, Range(1e-6, 10)]
Importance = Literal["batch_norm", "l1", "taylor"]


@dataclass(frozen=True, kw_only=True)
class ChannelSettings:
    """Channel removal in `steps`, `epochs` of fine-tuning shared by them, most for the last.

    importance: which channels leave: batch_norm, the scale of the batch normalisation behind
    (Liu et al. 2017); l1, the norm of the filter (Li et al. 2017); taylor, what the loss would
    lose by a first-order estimate (Molchanov et al. 2019). spread: `global` ranks all channels
    together, `uniform` takes the same share everywhere. multiple: what remains is a multiple of
    it, for kernels work on groups of channels.
    """

    importance: Importance = "taylor"
    spread: Literal["global", "uniform"] = "global"
    steps: Annotated[int, Range(1, 100)] = 2
    multiple: Annotated[int, Range(1, 64)] = 8
    epochs: Epochs = 8
    rate: RateFactor = 0.5


@dataclass(frozen=True, kw_only=True)
class PruneSettings:
    """Magnitude pruning: zeros grow by a cubic over the first `ramp` of the epochs.

    (Zhu and Gupta 2017.)
    """

    epochs: Epochs = 6
    ramp: Annotated[float, Range(0.05, 1)] = 0.6
    rate: RateFactor = 0.3


@dataclass(frozen=True, kw_only=True)
class TuneSettings:
    """Training on with a technique: epochs, and the rate as a fraction of the recipe's."""

    epochs: Epochs = 2
    rate: RateFactor = 0.1


@dataclass(frozen=True, kw_only=True)
class DistilSettings:
    """Distillation (Hinton et al. 2015): `weight` of the loss is the teacher's.

    temperature: softens both answers. epochs, rate: of training on; a student from the beginning
    takes `student_epochs`, at the recipe's full rate.
    """

    temperature: Annotated[float, Range(1, 100)] = 3.0
    weight: Annotated[float, Range(0, 1)] = 0.8
    epochs: Epochs = 4
    rate: RateFactor = 0.3
    student_epochs: Epochs = 30


@dataclass(frozen=True, kw_only=True)
class Compression:
    """How each technique trains.

    control: each variant is compared with the same model trained on for as long without the
    technique, at the same rates; without it, training longer would pass for the technique's work.
    """

    control: bool = True
    channels: ChannelSettings = ChannelSettings()
    prune: PruneSettings = PruneSettings()
    cluster: TuneSettings = TuneSettings()
    distil: DistilSettings = DistilSettings()
    qat: TuneSettings = TuneSettings(rate=0.05)
