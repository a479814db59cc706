"""Which keys of a recipe have no effect: by its method, its model and its other keys.

A recipe enters; its idle keys leave, each with the reason. `read_used` reads a recipe's text, and
refuses what is set there without effect.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from ..errors import SpecError
from .composing import compose, located, override, without
from .data import DataSpec
from .recipe import (
    AllStage,
    EarlyStopping,
    HeadStage,
    Recipe,
    Schedule,
    TopStage,
    Training,
)
from .strict import build, problem
from .values import plain
from .variant import Distil, Variant

_LINEAR = ("logistic", "svm")
_INTEGER = ("int8", "int8-float-io")
_CALIBRATED = ("int8", "int8-float-io", "int16x8", "selective")
# Parts that are absent by default: to name one is to set it, whatever it holds.
_PARTS = (
    "data.signals",
    "training.head",
    "training.top",
    "training.all",
    "training.early_stopping",
)


@dataclass(frozen=True, kw_only=True)
class Idle:
    """A dotted key without effect, with all keys below it; reason: why, and what would use it.

    later: a technique that somebody names only when the run is converted would use it. To set it
    is refused all the same; what a recipe had for another method stays.
    """

    key: str
    reason: str
    later: bool = False


Rule = Callable[[Recipe], list[Idle]]


def read_used(
    text: str, source: str, overrides: Sequence[str], rule: Rule
) -> tuple[Recipe, tuple[str, ...]]:
    """A Recipe from YAML text and KEY=VALUE changes, without a setting that has no effect.

    Also the keys of the text that do nothing because of a change, as head and all do once the
    method is another: those are left out of the recipe. Raises SpecError for an idle key of the
    changes, or one that is idle in the text as it stands.
    """
    own = _idle_in_text(text, source, rule) if overrides else None
    root = compose(text, source)
    override(root, overrides)
    dropped: dict[str, None] = {}
    while True:
        recipe = build(Recipe, root)
        found = []
        for idle, key, node in _set_idle(root, recipe, rule(recipe)):
            if _is_override(node) or own is None or key in own:
                raise problem(node, key, f"this has no effect: {idle.reason}")
            found += [] if idle.later else [(idle, key)]
        if not found:
            return recipe, tuple(dropped)
        for idle, key in found:
            root = without(root, key)
            dropped[idle.key] = None


def refuse_idle(overrides: Sequence[str], recipe: Recipe, idle: Sequence[Idle]) -> None:
    """Raises SpecError for a KEY=VALUE change without effect; the recipe's own keys are exempt."""
    root = compose("{}", "")
    override(root, overrides)
    for each, key, node in _set_idle(root, recipe, idle):
        raise problem(node, key, f"this has no effect: {each.reason}")


def in_training(recipe: Recipe, *, backbone: bool, signals: bool = False) -> list[Idle]:
    """What neither training by this recipe uses, nor converting what it trained.

    signals: its model takes signals, and no pictures.
    """
    if recipe.answers_pictures:
        return list(_for_style(recipe))
    return [
        *_samples(signals),
        *_weights(recipe, backbone),
        *_fitting(recipe),
        *_stages(recipe.training, trained_on=_trained_on(recipe)),
        *_augmentation(recipe),
        *_rest(recipe),
    ]


def _for_style(recipe: Recipe) -> Iterator[Idle]:
    """Of a recipe that learns a style: it has a network, steps and losses of its own."""
    why = "method style trains by the recipe's part style"
    for field in dataclasses.fields(Training):
        if field.name not in ("method", "seed"):
            yield Idle(key=f"training.{field.name}", reason=why)
    for key in ("augmentation", "compress", "data.labels", "data.signals"):
        yield Idle(key=key, reason=why)
    yield Idle(key="convert.max_drop", reason="a network that answers pictures has no accuracy")
    yield Idle(key="convert.remedies", reason="they mend accuracy, and this network has none")
    yield Idle(key="convert.ptq", reason="it keeps labels, and this network has none")
    yield from _resizing(recipe)


def _samples(signals: bool) -> Iterator[Idle]:
    """What is of the other kind of data."""
    if not signals:
        why = "it says how signals are read, but this model takes pictures"
        yield Idle(key="data.signals", reason=why)
        return
    why = "it is for pictures, but this model takes signals, which are used as they were measured"
    for key in ("preprocess", "augmentation"):
        yield Idle(key=key, reason=why)
    for key in ("data.near_duplicates", "data.max_unreadable"):
        yield Idle(key=key, reason="it is for files of pictures, but this model takes signals")


def in_comparison(recipe: Recipe) -> list[Idle]:
    """What comparing frozen backbones does not use."""
    used = ("data", "weights", "input", "preprocess")
    fields = [f.name for f in dataclasses.fields(Recipe) if f.name not in (*used, "training")]
    fields += [
        f"training.{f.name}"
        for f in dataclasses.fields(Training)
        if f.name not in ("class_weights", "seed")
    ]
    reason = "--compare trains nothing; it fits one classifier on each model's frozen features"
    return [Idle(key=key, reason=reason) for key in fields] + list(_resizing(recipe))


def in_conversion(
    recipe: Recipe, variants: Sequence[Variant], *, named: bool, budget: bool, gate_told: bool
) -> list[Idle]:
    """What making `variants` does not use, of the parts convert and compress.

    named: by --variant. budget: a search takes their place. gate_told: by --max-drop.
    """
    found = []
    if named or budget:
        instead = "--variant names them instead" if named else "--budget searches on its own"
        found.append(Idle(key="convert.variants", reason=instead))
    if gate_told:
        found.append(Idle(key="convert.max_drop", reason="--max-drop sets it instead"))
    remedied = recipe.convert.max_drop is not None or gate_told
    mendable = any(v.format in _INTEGER for v in variants)
    if budget or not remedied or not mendable:
        why = (
            "a search with --budget tries none"
            if budget
            else "no int8 variant is made"
            if remedied
            else (
                "they apply when a gate refuses a variant, but there is no gate; set one with "
                "--max-drop"
            )
        )
        found.append(Idle(key="convert.remedies", reason=why))
    techniques = {t.word for v in variants for t in v.techniques}
    if budget:
        techniques |= {"channels", "distil", "qat"}
    elif remedied and mendable and "qat" in recipe.convert.remedies:
        techniques.add("qat")
    if not techniques and not budget and not any(v.format in _CALIBRATED for v in variants):
        why = "none of the variants is calibrated"
        found.append(Idle(key="convert.calibration", reason=why))
    if not budget and not mendable:
        found.append(Idle(key="convert.ptq", reason="no int8 variant is made"))
    return found + _compression(variants, techniques)


def _compression(variants: Sequence[Variant], techniques: set[str]) -> list[Idle]:
    if not techniques:
        return [Idle(key="compress", reason="none of the variants has a technique")]
    found = [
        Idle(key=f"compress.{word}", reason=f"none of the variants has {word}")
        for word in ("channels", "prune", "cluster", "distil", "qat")
        if word not in techniques
    ]
    distils = [t for v in variants for t in v.techniques if isinstance(t, Distil)]
    if "distil" in techniques and not any(t.student for t in distils):
        found.append(Idle(key="compress.distil.student_epochs", reason="no student is trained"))
    if distils and all(t.student for t in distils):
        why = (
            "every distil here has a student, which trains for student_epochs at the recipe's rate"
        )
        found += [Idle(key=f"compress.distil.{key}", reason=why) for key in ("epochs", "rate")]
    return found


def _trained_on(recipe: Recipe) -> bool:
    """Whether a technique of the recipe's variants trains the model on, by the same settings."""
    techniques = any(v.techniques for v in recipe.convert.variants)
    wanted = techniques or "qat" in recipe.convert.remedies
    return wanted and recipe.training.method != "pretrained"


def _weights(recipe: Recipe, backbone: bool) -> Iterator[Idle]:
    if recipe.weights == "none":
        return
    if not backbone:
        why = (
            f"{recipe.model} has no backbone with published weights, so it begins with random "
            "ones. Remove the key, or use a model with a backbone: 'cnnedge models' lists them"
        )
        yield Idle(key="weights", reason=why)
    elif recipe.training.method == "scratch":
        why = (
            "method scratch begins with random weights; use training.method transfer, logistic, "
            "svm or pretrained"
        )
        yield Idle(key="weights", reason=why)


# One branch for each key that a method does not use.
def _fitting(recipe: Recipe) -> Iterator[Idle]:  # noqa: C901
    """Keys of training that fits the network itself."""
    training, method = recipe.training, recipe.training.method
    fits = method in ("scratch", "transfer")
    if method != "scratch":
        instead = (
            "its stages have their own, such as training.head.epochs"
            if method == "transfer"
            else "it has none"
        )
        why = f"it belongs to method scratch; the method is {method}: {instead}"
        yield Idle(key="training.epochs", reason=why)
        yield Idle(key="training.optimizer.learning_rate", reason=why)
        yield Idle(key="training.schedule", reason=why)
    else:
        yield from _schedule("training.schedule", training.schedule)
    if not fits:
        why = f"method {method} trains no epochs"
        for key in ("validate_every", "early_stopping", "keep"):
            yield Idle(key=f"training.{key}", reason=why)
        if not _trained_on(recipe):
            why += ", and no variant of the recipe has a technique that would"
            later = method != "pretrained"
            for key in ("batch_size", "optimizer", "label_smoothing"):
                yield Idle(key=f"training.{key}", reason=why, later=later)
    if training.optimizer.name != "sgd":
        why = f"momentum works only with sgd; this optimizer is {training.optimizer.name}"
        for key in ("momentum", "nesterov"):
            yield Idle(key=f"training.optimizer.{key}", reason=why)
    if training.optimizer.name != "adamw":
        why = f"weight_decay works only with adamw; this optimizer is {training.optimizer.name}"
        yield Idle(key="training.optimizer.weight_decay", reason=why)
    if method not in _LINEAR:
        yield Idle(key="training.views", reason="it works only with the methods logistic and svm")
    if method == "pretrained":
        for key in ("class_weights", "seed"):
            yield Idle(key=f"training.{key}", reason="method pretrained trains nothing")


def _stages(training: Training, *, trained_on: bool) -> Iterator[Idle]:
    if training.method == "transfer":
        for name in ("head", "top", "all"):
            stage = getattr(training, name)
            if stage is not None:
                yield from _schedule(f"training.{name}.schedule", stage.schedule)
        return
    why = f"only method transfer has stages; the method is {training.method}"
    yield Idle(key="training.head", reason=why)
    yield Idle(key="training.top", reason=why)
    if training.method in _LINEAR and trained_on:
        # The techniques of its variants train all layers, at this stage's rate.
        yield Idle(key="training.all.epochs", reason=why)
        yield Idle(key="training.all.schedule", reason=why)
    else:
        later = training.method in _LINEAR
        yield Idle(key="training.all", reason=why, later=later)


def _schedule(key: str, schedule: Schedule) -> Iterator[Idle]:
    for name, fields in (("step", ("step_epochs", "step_factor")), ("cosine", ("final_fraction",))):
        if schedule.name != name:
            why = f"it belongs to the schedule {name}; this one is {schedule.name}"
            yield from (Idle(key=f"{key}.{field}", reason=why) for field in fields)


def _augmentation(recipe: Recipe) -> Iterator[Idle]:
    training, augmentation = recipe.training, recipe.augmentation
    every, cached = _trained_on(recipe) or training.method == "scratch", False
    if training.method == "transfer":
        named = (training.head, training.top, training.all)
        every |= not any(named) or training.all is not None
        every |= training.top is not None and not training.top.views
        cached = any(stage and stage.views > 1 for stage in (training.head, training.top))
    elif training.method in _LINEAR:
        cached = training.views > 1
    if not every and not cached:
        why = (
            "method pretrained trains nothing"
            if training.method == "pretrained"
            else "each picture is seen once, unchanged; more views of it would be augmented: "
            + ("training.head.views" if training.method == "transfer" else "training.views")
        )
        later = training.method != "pretrained"
        yield Idle(key="augmentation", reason=why, later=later)
    elif not every:
        why = "cached views have one class each, but mixup blends two"
        yield Idle(key="augmentation.mixup", reason=why, later=True)
    moves = ("shift", "rotate", "zoom", "shear", "cutout")
    if not any(getattr(augmentation, name) for name in moves):
        why = f"it fills the gaps that these leave, but none of them is set: {', '.join(moves)}"
        yield Idle(key="augmentation.fill", reason=why)


def _rest(recipe: Recipe) -> Iterator[Idle]:
    yield from _resizing(recipe)
    why = "it is for a model whose answers are pictures; max_drop is the gate of this one"
    yield Idle(key="convert.min_psnr", reason=why)
    if recipe.training.method == "pretrained":
        why = "techniques continue to train a network, but method pretrained leaves it unchanged"
        yield Idle(key="compress", reason=why)


def _resizing(recipe: Recipe) -> Iterator[Idle]:
    resize = recipe.preprocess.resize
    if resize != "letterbox":
        why = f"only letterbox pads; this rule is {resize}"
        yield Idle(key="preprocess.pad_value", reason=why)
    if resize != "center_crop":
        why = f"only center_crop cuts; this rule is {resize}"
        yield Idle(key="preprocess.crop_fraction", reason=why)


def _set_idle(
    root: yaml.MappingNode, recipe: Recipe, idle: Sequence[Idle]
) -> Iterator[tuple[Idle, str, yaml.Node]]:
    """The idle keys that are set: by a change at all, or in a file to another than the default."""
    usual, now = _usual(), plain(recipe)
    for each in idle:
        for key, node in located(root, each.key):
            present = each.key in _PARTS or key in _PARTS
            if _is_override(node) or present or _value(now, key) != _value(usual, key):
                yield each, key, node


def _idle_in_text(text: str, source: str, rule: Rule) -> set[str] | None:
    """The set keys that are idle without any change; None if it is not a recipe by itself."""
    try:
        root = compose(text, source)
        recipe = build(Recipe, root)
    except SpecError:
        return set()
    return {key for _, key, _ in _set_idle(root, recipe, rule(recipe))}


def _usual() -> dict[str, Any]:
    training = Training(
        head=HeadStage(), top=TopStage(), all=AllStage(), early_stopping=EarlyStopping()
    )
    found: dict[str, Any] = plain(Recipe(data=DataSpec(source=""), model="", training=training))
    return found


def _value(values: Any, key: str) -> Any:
    for part in key.split("."):
        values = values.get(part) if isinstance(values, dict) else None
    return values


def _is_override(node: yaml.Node) -> bool:
    return str(node.start_mark.name).startswith("--set ")
