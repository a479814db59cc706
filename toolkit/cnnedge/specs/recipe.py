"""The recipe: data, model, training and the variants to convert to."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml

from .composing import compose, override
from .compress import Compression
from .data import DataSpec, Fraction, Seed
from .limits import Range
from .pixels import Preprocess
from .signals import Sample
from .strict import build
from .style import Style
from .values import omitted, plain
from .variant import FORMATS, Variant, check_names

Method = Literal["scratch", "transfer", "logistic", "svm", "pretrained", "imported", "style"]
Remedy = Literal["calibration", "selective", "qat"]
_LONGEST_NAME = 100


@dataclass(frozen=True, kw_only=True)
class Optimizer:
    """SGD with momentum, Adam or AdamW; weight_decay is decoupled and only for AdamW.

    learning_rate: for training from scratch; the stages of a transfer have their own.
    """

    name: Literal["sgd", "adam", "adamw"] = "adamw"
    learning_rate: Annotated[float, Range(1e-8, 10)] = 1e-3
    momentum: Annotated[float, Range(0, 0.9999)] = 0.9
    nesterov: bool = False
    weight_decay: Annotated[float, Range(0, 1)] = 0.0

    def check(self) -> str | None:
        if self.weight_decay and self.name != "adamw":
            return f"weight_decay works only with adamw; this optimizer is {self.name}"
        return None


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """Learning rate over time: linear warm-up, then constant, step or cosine.

    step: times `step_factor` every `step_epochs`. cosine: down to `final_fraction` of the rate.
    """

    name: Literal["constant", "step", "cosine"] = "cosine"
    warmup_epochs: Annotated[float, Range(0, 1000)] = 0.0
    step_epochs: Annotated[int, Range(1, 10_000)] = 10
    step_factor: Annotated[float, Range(1e-6, 1)] = 0.1
    final_fraction: Fraction = 0.0


@dataclass(frozen=True, kw_only=True)
class EarlyStopping:
    """Stops after `patience` validations without a gain of `min_delta` accuracy (fraction)."""

    patience: Annotated[int, Range(1, 10_000)] = 10
    min_delta: Fraction = 0.0


@dataclass(frozen=True, kw_only=True)
class HeadStage:
    """Transfer, first stage: only the head, on cached features of the frozen backbone.

    views: versions of each training picture in the cache; the first is the picture itself, the
    others are augmented. schedule: within the stage; so for the other stages.
    """

    epochs: Annotated[int, Range(1, 10_000)] = 30
    learning_rate: Annotated[float, Range(1e-8, 10)] = 1e-3
    schedule: Schedule = Schedule()
    views: Annotated[int, Range(1, 1000)] = 1


@dataclass(frozen=True, kw_only=True)
class TopStage:
    """Transfer, second stage: head and the last `blocks` of the backbone.

    views: as in HeadStage, of the feature maps below those blocks; 0 caches nothing, and every
    epoch sees augmentations of its own.
    """

    blocks: Annotated[int, Range(1, 100)] = 3
    epochs: Annotated[int, Range(1, 10_000)] = 3
    learning_rate: Annotated[float, Range(1e-8, 10)] = 2e-4
    schedule: Schedule = Schedule()
    views: Annotated[int, Range(0, 1000)] = 0


@dataclass(frozen=True, kw_only=True)
class AllStage:
    """Transfer, third stage: every layer.

    batch_norm: `frozen` keeps the statistics and scales of the pretrained network (few pictures
    make bad statistics); `trained` learns them again.
    """

    epochs: Annotated[int, Range(1, 10_000)] = 8
    learning_rate: Annotated[float, Range(1e-8, 10)] = 4e-4
    schedule: Schedule = Schedule(warmup_epochs=2)
    batch_norm: Literal["frozen", "trained"] = "frozen"


@dataclass(frozen=True, kw_only=True)
class Training:
    """Training of one model. `keep`: the weights to keep, of the best validation or the last.

    method: `scratch` trains every layer from random weights. The others begin with the weights
    that the recipe names: `pretrained` uses the network unchanged, with its ImageNet labels;
    `logistic` and `svm` fit a linear classifier on the features of the frozen backbone and fold
    it into the head; `imported` is of runs that 'cnnedge import' wrote, and cannot be trained by;
    `transfer` trains the stages head, top and all (those that are given;
    head and all when none is), which no other method uses; `style` trains a network whose answer is
    a picture, by the recipe's part `style`.
    epochs: of scratch. views: of logistic and svm, as in HeadStage.
    """

    method: Method = "scratch"
    epochs: Annotated[int, Range(1, 10_000)] = 20
    batch_size: Annotated[int, Range(1, 65_536)] = 64
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    head: HeadStage | None = None
    top: TopStage | None = None
    all: AllStage | None = None
    views: Annotated[int, Range(1, 1000)] = 1
    label_smoothing: Annotated[float, Range(0, 0.9)] = 0.0
    class_weights: Literal["none", "balanced"] = "none"
    validate_every: Annotated[int, Range(1, 10_000)] = 1
    early_stopping: EarlyStopping | None = None
    keep: Literal["best", "last"] = "best"
    seed: Seed = 0


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """Random changes to training pictures, drawn again for each picture and epoch.

    Geometry (one warp, so that pixels are resampled once): flip (horizontal, vertical, both);
    shift and crop as a fraction of the side; rotate and shear in degrees either way; zoom as a
    fraction either way. `crop` cuts up to that fraction of each side away and resizes.
    Pixels: brightness (fraction of 255 added), contrast (fraction of gain), noise (standard
    deviation as a fraction of 255), cutout (side of one square as a fraction), mixup (alpha of
    the Beta distribution, Zhang et al. 2018). `fill`: what is put where the warp has no pixel,
    and in the cutout square (black there unless `fill` is edge or reflect: then grey).
    """

    flip: Literal["none", "horizontal", "vertical", "both"] = "none"
    shift: Annotated[float, Range(0, 0.9)] = 0.0
    crop: Annotated[float, Range(0, 0.9)] = 0.0
    rotate: Annotated[float, Range(0, 180)] = 0.0
    zoom: Annotated[float, Range(0, 0.9)] = 0.0
    shear: Annotated[float, Range(0, 60)] = 0.0
    brightness: Fraction = 0.0
    contrast: Fraction = 0.0
    noise: Fraction = 0.0
    cutout: Annotated[float, Range(0, 0.9)] = 0.0
    mixup: Annotated[float, Range(0, 10)] = 0.0
    fill: Literal["reflect", "edge", "black"] = "reflect"


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Training pictures that fix the ranges of quantised tensors: how many, drawn by which seed."""

    count: Annotated[int, Range(1, 100_000)] = 300
    seed: Seed = 0


@dataclass(frozen=True, kw_only=True)
class PostTraining:
    """What int8 variants may do to keep their labels, without training.

    biases: `corrected` gives every layer's output the mean that it has in float, over calibration
    pictures; `keep` leaves them as they were trained; `auto` corrects them where int8 changes more
    labels than the gate allows to be lost, and keeps whichever changes fewer.
    """

    biases: Literal["auto", "keep", "corrected"] = "auto"


@dataclass(frozen=True, kw_only=True)
class Conversion:
    """The variants to make; max_drop is the gate in percentage points, null for none. min_psnr: the
    gate of a model whose answers are pictures, in decibels against model.keras.

    remedies: what is tried, in this order, for an int8 variant that the gate refuses: calibrating
    with all training pictures there is time for, leaving the worst layers in float (selective),
    quantisation-aware training (qat).
    """

    variants: tuple[Variant, ...] = tuple(Variant(format=f) for f in FORMATS[:4])
    calibration: Calibration = Calibration()
    ptq: PostTraining = PostTraining()
    max_drop: Annotated[float | None, Range(0, 100)] = None
    min_psnr: Annotated[float | None, Range(0, 100)] = omitted()
    remedies: tuple[Remedy, ...] = ()

    def check(self) -> str | None:
        if not self.variants:
            return "variants is empty; name at least one"
        return check_names(self.variants)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """One experiment, from pictures to variants.

    name: of the recipe's file if it is left out. weights: what the backbone begins with:
    `imagenet`, `none`, or a file (.h5, .keras, .npz). input: overrides the model's own input size.
    style: of training.method style alone.
    """

    name: str = ""
    description: str = ""
    data: DataSpec
    model: str
    weights: str = "imagenet"
    input: Sample | None = None
    preprocess: Preprocess = Preprocess()
    training: Training = Training()
    augmentation: Augmentation = Augmentation()
    style: Style | None = omitted()
    compress: Compression = Compression()
    convert: Conversion = Conversion()

    @property
    def answers_pictures(self) -> bool:
        """Whether what it trains answers a picture, and no labels."""
        return self.training.method == "style"

    def check(self) -> str | None:
        if (self.style is not None) != self.answers_pictures:
            return (
                "style is set, but training.method is "
                f"{self.training.method}; style works only with training.method: style"
                if self.style is not None
                else "training.method is style, but there is no part style; set style.picture"
            )
        # It names the run's folder if nobody says another.
        odd = re.search(r"[/\\\n\t]|^\.", self.name)
        if odd or len(self.name) > _LONGEST_NAME:
            return (
                f"name is {self.name[:_LONGEST_NAME]!r}; allowed: a folder name of at most "
                f"{_LONGEST_NAME} characters, without slashes and not beginning with a dot"
            )
        return None


def named(recipe: Recipe, argument: str) -> Recipe:
    """The recipe with a name: its own, or that of the file or shipped recipe it came from."""
    return recipe if recipe.name else dataclasses.replace(recipe, name=Path(argument).stem)


def parse_recipe(text: str, source: str, overrides: Sequence[str] = ()) -> Recipe:
    """A Recipe from YAML text; `source` names the file in messages. Raises SpecError."""
    root = compose(text, source)
    override(root, overrides)
    return build(Recipe, root)


def dump(spec: Any) -> str:
    """A spec as YAML text that parses back to an equal spec."""
    return yaml.safe_dump(plain(spec), sort_keys=False, allow_unicode=True, width=100)
