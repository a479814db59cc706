"""A recipe trained without augmentation, with each of its augmentations alone, and with all.

A resolved recipe enters; for each way the accuracy in cross-validation leaves, and its difference
from training without, picture by picture. The test part is not touched.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from ...data import Dataset
from ...data import Pixels as DataPixels
from ...data.store import TEST, TRAIN
from ...errors import OptionError, SpecError
from ...results import Accuracy, accuracy, mcnemar
from ...specs import Augmentation, Recipe, parse_model, shipped
from ...specs.model import ModelSpec
from ...specs.pixels import InputSize
from ...training import backend, fitting, methods, transfer
from ...training.augmentation import augment
from ...training.folds import fewest_groups, grouped
from ...training.run_data import RunData
from ...training.run_folder import make_new
from ...training.session import load_recipe_data
from ...training.strategy import open_workers
from ..invariance.measuring import Mean

Progress = Callable[[str, int, int], None]
NONE, ALL = "none", "all together"
_UNUSED = -1
_METHODS = ("scratch", "transfer")
# Versions of one picture in the grid.
VERSIONS = 6


@dataclass(frozen=True, kw_only=True)
class Way:
    """One way to augment. gained: accuracy above that without, paired by picture; its interval is
    over pictures, and says nothing of how another training would come out. p_value: McNemar's."""

    name: str
    accuracy: Accuracy
    folds: tuple[float, ...]
    gained: Mean | None = None
    p_value: float | None = None


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """study.json. ways: none, each alone, and all together where there are several."""

    recipe: str
    model: str
    source: str
    pictures: int
    folds: int
    epochs: int
    ways: tuple[Way, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """The result, and for each way uint8 [VERSIONS, h, w, c], versions of one picture."""

    result: Comparison
    versions: tuple[npt.NDArray[np.uint8], ...]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """pictures: at most, of the training and validation parts."""

    recipe: Recipe
    pictures: int
    folds: int


def ways_of(wanted: Augmentation) -> dict[str, Augmentation]:
    """Each augmentation that the recipe uses by itself, after none and before all."""
    nothing = Augmentation(fill=wanted.fill)
    found = {NONE: nothing}
    for field in fields(Augmentation):
        value = getattr(wanted, field.name)
        if field.name == "fill" or value == field.default:
            continue
        said = value if isinstance(value, str) else f"{value:g}"
        found[f"{field.name} {said}"] = replace(nothing, **{field.name: value})
    if len(found) > 2:
        found[ALL] = wanted
    return found


def compare(plan: Plan, reporter: transfer.Reporter, progress: Progress) -> Measured:
    """Trains every way in every fold. Raises CnnedgeError."""
    recipe = plan.recipe
    if recipe.training.method not in _METHODS:
        raise OptionError(
            f"{recipe.name}: its training.method is {recipe.training.method}, which trains nothing "
            f"with augmentation; the study takes {' and '.join(_METHODS)}"
        )
    ways = ways_of(recipe.augmentation)
    if len(ways) < 2:
        raise OptionError(
            f"{recipe.name}: it uses no augmentation; choose one with --set, such as --set "
            "augmentation.rotate=15"
        )
    dataset = load_recipe_data(recipe, lambda d, t: progress("reading pictures", d, t))
    indices, folds = _folds(dataset, plan)
    right: dict[str, npt.NDArray[np.bool_]] = {}
    for name, augmentation in ways.items():
        right[name] = np.zeros(len(indices), bool)
        for fold in range(plan.folds):
            held = folds == fold
            progress(f"{name}, fold {fold + 1} of {plan.folds}", 0, 1)
            part = _split(dataset, indices[~held], indices[held])
            labels = _trained(replace(recipe, augmentation=augmentation), part, reporter)
            right[name][held] = labels[indices[held]] == dataset.targets[indices[held]]
    result = Comparison(
        recipe=recipe.name,
        model=recipe.model,
        source=dataset.source,
        pictures=len(indices),
        folds=plan.folds,
        epochs=recipe.training.epochs,
        ways=tuple(_way(name, right, folds) for name in right),
    )
    return Measured(result=result, versions=_versions(recipe, dataset, indices, ways))


def _folds(dataset: Dataset, plan: Plan) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Pictures that are not for the test, in random order, and the fold of each."""
    indices = np.concatenate([dataset.indices("train"), dataset.indices("val")])
    indices = np.random.default_rng(plan.recipe.training.seed).permutation(indices)
    indices = indices[: plan.pictures]
    groups = transfer.tied_groups(dataset, indices)
    groups = np.arange(len(indices)) if groups is None else groups
    classes = dataset.targets[indices]
    if len(np.unique(classes)) < len(dataset.classes) or (
        fewest_groups(groups, classes) < plan.folds
    ):
        raise OptionError(
            f"{dataset.source}: among {len(indices):,} pictures a class has fewer than "
            f"{plan.folds}, one for each fold; use more pictures or fewer --folds"
        )
    return indices, grouped(groups, classes, plan.folds, plan.recipe.training.seed)


def _split(dataset: Dataset, train: npt.NDArray[np.int64], held: npt.NDArray[np.int64]) -> Dataset:
    split = np.full(len(dataset), _UNUSED, np.int8)
    split[train], split[held] = TRAIN, TEST
    return replace(dataset, split=split)


def _trained(
    recipe: Recipe, dataset: Dataset, reporter: transfer.Reporter
) -> npt.NDArray[np.int64]:
    """Trains; the label of each picture that was held out, by its index, int64 [N]."""
    # Nothing validates: the held-out pictures must not choose the epoch that judges them.
    training = replace(recipe.training, keep="last", early_stopping=None)
    recipe = replace(recipe, training=training)
    spec = parse_model(*shipped.read("models", recipe.model))
    size = _picture_size(recipe, spec)
    backend.make_repeatable(training.seed)
    model, _ = methods.build(
        spec, size, len(dataset.classes), recipe, recipe.model, lambda done, total: None
    )
    pixels = DataPixels(dataset, size, recipe.preprocess)
    with tempfile.TemporaryDirectory(prefix="cnnedge-") as folder:
        data = RunData[transfer.Reporter](
            run=make_new(Path(folder) / "run", recipe),
            recipe=recipe,
            labels=dataset.classes,
            pixels=pixels,
            workers=open_workers("auto"),
            reporter=reporter,
        )
        methods.fit(transfer.Materials(data=data, model=model, spec=spec))
    held = dataset.indices("test")
    labels = np.full(len(dataset), _UNUSED, np.int64)
    labels[held] = fitting.predict(model, pixels, held).argmax(axis=1)
    return labels


def _picture_size(recipe: Recipe, spec: ModelSpec) -> InputSize:
    """Raises SpecError for a recipe of signals."""
    size = recipe.input or spec.input
    if not isinstance(size, InputSize):
        raise SpecError(f"{recipe.name}: its data are signals; only pictures are augmented")
    return size


def _way(name: str, right: dict[str, npt.NDArray[np.bool_]], folds: npt.NDArray[np.int64]) -> Way:
    mine, base = right[name], right[NONE]
    shares = tuple(float(mine[folds == fold].mean()) for fold in np.unique(folds))
    if name == NONE:
        return Way(name=name, accuracy=accuracy(mine), folds=shares)
    gained = mine.astype(float) - base
    return Way(
        name=name,
        accuracy=accuracy(mine),
        folds=shares,
        gained=Mean.of(gained),
        p_value=mcnemar(base, mine),
    )


def _versions(
    recipe: Recipe,
    dataset: Dataset,
    indices: npt.NDArray[np.int64],
    ways: dict[str, Augmentation],
) -> tuple[npt.NDArray[np.uint8], ...]:
    """Versions of one picture under each way; mixup, which mixes two, is not among them."""
    spec = parse_model(*shipped.read("models", recipe.model))
    pixels = DataPixels(dataset, _picture_size(recipe, spec), recipe.preprocess)
    several = np.repeat(pixels.batch(indices[:1]), VERSIONS, axis=0)
    return tuple(
        augment(several, way, np.random.default_rng([recipe.training.seed, 11]))
        for way in ways.values()
    )


def sure(ways: Sequence[Way]) -> tuple[Way, ...]:
    """Those whose gain or loss is more than chance."""
    return tuple(way for way in ways if way.gained and way.gained.clear(len(ways) - 1))
