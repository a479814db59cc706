"""Each technique as one function: a trained Keras model in, the changed and trained one out.

Every function trains in sessions whose checkpoints lie in the folder it is given, so that a
killed one goes on, and returns the model with the sessions it took.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..architectures import build_model
from ..errors import CnnedgeError, SpecError
from ..specs import Channels, Cluster, Distil, Prune, Technique, parse_model, shipped
from ..training.features import Extractor
from ..training.learnt_scale import learnt
from .channel_graph import channel_groups
from .channels import choose, model_macs, remove
from .importance import importance
from .norm_statistics import match, outgoing, reestimate_batch_norm
from .tfmot_edges import wrapping as tfmot_edges
from .workshop import Session, Workshop, fit, frozen_norms, make_trainable

_BATCH = 64
# A removal by latency stops when it is this close, as a fraction of the parent's.
_CLOSE = 0.03


@dataclass(frozen=True, kw_only=True)
class Before:
    """What a technique begins with.

    model: Keras, the technique's own to change. words: techniques applied before. teacher: whose
    answers it trains on; None for labels alone. folder: for its checkpoints.
    """

    model: Any
    words: tuple[str, ...]
    teacher: Extractor | None
    folder: Path


Outcome = tuple[Any, list[Session]]


def apply(shop: Workshop, technique: Technique, before: Before) -> Outcome:
    """The model after the technique, and the sessions of training that it took."""
    return _APPLY[technique.word](shop, technique, before)


def rebuilt(shop: Workshop, before: Before) -> Any:
    """A quantisation-aware model as `apply` built it, for the weights that were kept of it."""
    return tfmot_edges.for_qat(
        before.model,
        preserve_sparsity="prune" in before.words,
        preserve_clusters="cluster" in before.words,
    )


def _channels(shop: Workshop, technique: Channels, before: Before) -> Outcome:
    settings = shop.data.recipe.compress.channels
    model, whole = before.model, model_macs(before.model)
    kind, value = technique.target
    if kind == "latency":
        kind, value = "macs", _macs_for_latency(shop, model, value)
    channels = sum(group.channels for group in channel_groups(model))
    pictures = shop.sample_pixels().astype(np.float32)
    sessions = []
    for number, epochs in enumerate(_shares(settings.epochs, settings.steps), start=1):
        share = number / settings.steps
        if kind == "macs":
            # Equal factors: each step takes as much of what is left.
            target = {"macs": min(1.0, whole * value**share / model_macs(model))}
        else:
            left = sum(group.channels for group in channel_groups(model))
            target = {"ratio": max(0.0, 1 - channels * (1 - value * share) / left)}
        smaller = _removed(shop, model, _scores(shop, model, pictures), target)
        reestimate_batch_norm(smaller, _batches(pictures))
        model = make_trainable(shop, smaller)
        session = Session(
            word="channels", epochs=epochs, learning_rate=settings.rate * shop.full_rate
        )
        shop.data.reporter.training(f"channels, step {number} of {settings.steps}")
        fit(shop, model, session, before.folder / f"step{number}", teacher=before.teacher)
        sessions.append(session)
    return model, sessions


def _batches(pictures: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
    return [pictures[i : i + _BATCH] for i in range(0, len(pictures), _BATCH)]


def _scores(shop: Workshop, model: Any, pictures: npt.NDArray[np.float32]) -> Any:
    method = shop.data.recipe.compress.channels.importance
    return importance(model, channel_groups(model), method, pictures, shop.sample_targets())


def _removed(shop: Workshop, model: Any, scores: Any, target: dict[str, float]) -> Any:
    """The model without its least important channels."""
    settings = shop.data.recipe.compress.channels
    kept = choose(
        model,
        channel_groups(model),
        scores,
        ratio=target.get("ratio"),
        macs=target.get("macs"),
        spread=settings.spread,
        multiple=settings.multiple,
        # Measured: the gradient's scores rank well by what each saves, the others as they are.
        per_cost=settings.importance == "taylor" and "macs" in target,
    )
    return remove(model, kept)


def smaller_models(shop: Workshop, model: Any) -> Callable[[float], Any]:
    """A function from a fraction of multiply-accumulates to the model of at most so many.

    Not trained further: it is there to be timed and weighed. It raises CnnedgeError for a
    fraction that cannot be reached.
    """
    scores = _scores(shop, model, shop.sample_pixels().astype(np.float32))
    return lambda fraction: _removed(shop, model, scores, {"macs": fraction})


def _macs_for_latency(shop: Workshop, model: Any, fraction: float) -> float:
    """The fraction of multiply-accumulates whose latency is `fraction` of the model's.

    Found by halving, each candidate measured. Raises CnnedgeError where it cannot be reached.
    """
    whole = shop.latency_ms(model)
    smaller = smaller_models(shop, model)
    low, high = 0.02, 1.0
    best: float | None = None
    for _ in range(7):
        middle = (low * high) ** 0.5
        try:
            measured = shop.latency_ms(smaller(middle)) / whole
        except CnnedgeError:
            low = middle  # not so many channels can leave
            continue
        if measured <= fraction:
            best, low = middle, middle
        else:
            high = middle
        if best is not None and fraction - _CLOSE <= measured <= fraction:
            break
    if best is None:
        raise CnnedgeError(
            f"channels: removal does not bring latency down to {100 * fraction:.0f} % of the "
            f"parent's {whole:.3g} ms on {shop.aimed_at or 'this machine'}. Ask for less, or begin "
            "with a smaller model"
        )
    return best


def _shares(epochs: int, steps: int) -> list[int]:
    """Epochs of each step; the last, after which nothing more leaves, has most of them."""
    early = max(1, epochs // (steps + 2)) if steps > 1 else 0
    return [early] * (steps - 1) + [max(1, epochs - early * (steps - 1))]


def _prune(shop: Workshop, technique: Prune, before: Before) -> Outcome:
    settings = shop.data.recipe.compress.prune
    steps = shop.steps
    end = max(1, int(settings.ramp * settings.epochs * steps))
    wrapped, callbacks = tfmot_edges.for_pruning(
        before.model,
        sparsity=technique.amount,
        pattern=technique.pattern,
        begin_step=0,
        end_step=end,
        frequency=max(1, min(steps // 10, end // 10)),
    )
    session = Session(
        word="prune", epochs=settings.epochs, learning_rate=settings.rate * shop.full_rate
    )
    if frozen_norms(wrapped):
        callbacks.append(_matching(shop, before.model, wrapped, epochs=-(-end // steps)))
    shop.data.reporter.training(technique.name)
    fit(shop, wrapped, session, before.folder, teacher=before.teacher, callbacks=tuple(callbacks))
    return tfmot_edges.strip(wrapped), [session]


def _matching(shop: Workshop, before: Any, model: Any, *, epochs: int) -> Any:
    """A callback that matches batch normalisation behind each of the first epochs.

    Frozen statistics are of the network before there were zeros: with half of EfficientNet-Lite0's
    weights at zero 58 % of the photographs were right, matched 97 %, both without training.
    """
    import tf_keras

    batches = _batches(shop.sample_pixels().astype(np.float32))
    wanted = outgoing(before, batches)

    class Match(tf_keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            if epoch < epochs:
                match(model, wanted, batches)

    return Match()


def _cluster(shop: Workshop, technique: Cluster, before: Before) -> Outcome:
    settings = shop.data.recipe.compress.cluster
    wrapped = tfmot_edges.for_clustering(
        before.model, clusters=technique.clusters, preserve_sparsity="prune" in before.words
    )
    session = Session(
        word="cluster", epochs=settings.epochs, learning_rate=settings.rate * shop.full_rate
    )
    shop.data.reporter.training(technique.name)
    fit(shop, wrapped, session, before.folder, teacher=before.teacher)
    return tfmot_edges.strip(wrapped), [session]


def _distil(shop: Workshop, technique: Distil, before: Before) -> Outcome:
    settings = shop.data.recipe.compress.distil
    if technique.student is None:
        session = Session(
            word="distil", epochs=settings.epochs, learning_rate=settings.rate * shop.full_rate
        )
    else:
        session = student_session(shop)
    shop.data.reporter.training(technique.name)
    fit(shop, before.model, session, before.folder, teacher=before.teacher)
    return before.model, [session]


def _qat(shop: Workshop, technique: Technique, before: Before) -> Outcome:
    settings = shop.data.recipe.compress.qat
    model = rebuilt(shop, before)
    tfmot_edges.calibrate(model, shop.sample_pixels())
    session = Session(
        word="qat", epochs=settings.epochs, learning_rate=settings.rate * shop.full_rate
    )
    shop.data.reporter.training(technique.name)
    fit(shop, model, session, before.folder, teacher=before.teacher)
    return model, [session]


def student_session(shop: Workshop) -> Session:
    """How a student is trained from the beginning."""
    return Session(
        word="student",
        epochs=shop.data.recipe.compress.distil.student_epochs,
        learning_rate=shop.full_rate,
        warmup_epochs=1.0,
    )


def new_student(shop: Workshop, name: str) -> Any:
    """An untrained Keras model of that name or path, for the run's pictures and classes.

    Raises SpecError where it does not fit them.
    """
    definition, place = shipped.read("models", name)
    spec = parse_model(definition, place)
    size = shop.data.pixels.size
    if complaint := spec.check_input(size):
        raise SpecError(f"{place}: as a student: {complaint}")
    try:
        spec = learnt(spec, shop.data.pixels)
        return build_model(spec, size, len(shop.data.dataset.classes))
    except SpecError as error:
        raise SpecError(f"{place}: as a student: {error}") from None


_APPLY: dict[str, Callable[[Workshop, Any, Before], Outcome]] = {
    "channels": _channels,
    "prune": _prune,
    "cluster": _cluster,
    "distil": _distil,
    "qat": _qat,
}
