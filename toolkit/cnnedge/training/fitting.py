"""The epochs: fit, validate, checkpoint, stop early, resume.

A model, a Feed, and the phase of training to go through enter; the model with the kept weights
and the history leave. After each epoch a checkpoint holds all that the next one depends on
(weights, optimizer, random states, what was best), so a run killed at any moment goes on from its
last whole epoch and ends where it would have ended.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..data import Samples
from ..errors import CnnedgeError, RunFolderError
from ..files import write_bytes
from ..frozen import FrozenNetwork
from ..numpy_files import read_arrays
from ..specs import Schedule, Training
from .backend import unconverted
from .feed import Feed, one_hot
from .interrupt import held_back
from .metrics import Epoch
from .run_folder import RunFolder, read_history, write_history
from .schedule import make_optimizer, rate
from .strategy import is_lost_worker


class Reporter(Protocol):
    """Who is told how training goes; the command line draws it."""

    def epoch(self, number: int, epochs: int, steps: int) -> None: ...

    def step(self, done: int, loss: float, accuracy: float) -> None: ...

    def row(self, row: Epoch) -> None: ...

    def note(self, text: str) -> None: ...


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A part of training with a learning rate of its own: all of it, or a stage of a transfer.

    stage: its name in the recipe, empty where it is all of training. before: epochs of earlier
    phases; epochs are numbered through. remedy: the option that lowers the rate, where that is
    not the stage's own learning_rate.
    """

    stage: str = ""
    epochs: int
    learning_rate: float
    schedule: Schedule
    before: int = 0
    remedy: str = ""

    @property
    def lower_rate(self) -> str:
        """The option that trains with a tenth of the learning rate."""
        key = f"training.{self.stage or 'optimizer'}.learning_rate"
        return self.remedy or f"--set {key}={self.learning_rate / 10:g}"

    def folder(self, run: RunFolder) -> Path:
        """Where this phase keeps its checkpoints."""
        return run.checkpoints / self.stage if self.stage else run.checkpoints


@dataclass
class Fitted:
    """The outcome: the history's rows, the epoch whose weights were kept, why it ended."""

    history: list[Epoch]
    kept_epoch: int
    stopped_early: bool


# Loss and accuracy of the validation pictures.
Validation = Callable[[], tuple[float, float]]


@dataclass(frozen=True, kw_only=True)
class Objective:
    """What training minimises and how it counts; Keras losses and metrics or their names.

    callbacks: of Keras, that a technique needs called during training.
    """

    loss: Any = "categorical_crossentropy"
    accuracy: Any = "accuracy"
    callbacks: tuple[Any, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Course:
    """How a model is trained: the recipe's settings, this stretch of them, and towards what.

    run: where history and checkpoints are kept.
    """

    training: Training
    phase: Phase
    run: RunFolder
    reporter: Reporter
    objective: Objective = Objective()


def fit(model: Any, feed: Feed, validate: Validation | None, course: Course) -> Fitted:
    """Trains, or goes on training, until the phase is done or early stopping ends it.

    validate: gives val_loss and val_accuracy of the model as it is; None without pictures for
    it. Raises KeyboardInterrupt when stopped by hand: the checkpoint of the last whole epoch is
    then on disk.
    """
    training, phase, run = course.training, course.phase, course.run
    reporter, objective = course.reporter, course.objective
    scope = model.distribute_strategy.scope
    with scope():
        state = _State(model, training, phase, run)
        state.restore()
    if 0 < state.epoch < phase.epochs:
        reporter.note(f"resuming after epoch {phase.before + state.epoch}{_of(phase)}")
    history = read_history(run, phase.before + state.epoch)
    with scope():
        model.compile(
            optimizer=state.optimizer,
            loss=objective.loss,
            weighted_metrics=[objective.accuracy],
        )
        model.train_step = unconverted(model.train_step)
        _make_metrics(model)
    number, stopped, saved = state.epoch, state.stopped, time.perf_counter()
    with held_back() as check:
        while number < phase.epochs and not stopped:
            row = _one_epoch(model, feed, course, number, check)
            number += 1
            due = number % training.validate_every == 0 or number == phase.epochs
            if validate and due:
                val_loss, val_accuracy = validate()
                row = replace(row, val_loss=val_loss, val_accuracy=val_accuracy)
            stopped = state.judge(number, row.val_accuracy)
            history.append(row)
            last = stopped or number == phase.epochs
            if last or time.perf_counter() - saved >= feed.seconds_at_stake:
                write_history(run, history)
                state.save(number)
                saved = time.perf_counter()
            reporter.row(row)
            check()
    kept = state.load_kept()
    return Fitted(history=history, kept_epoch=phase.before + kept, stopped_early=stopped)


def _make_metrics(model: Any) -> None:
    """Makes the variables of a compiled model's metrics.

    Keras would make them in the first step, and TensorFlow traces a step that makes variables
    twice.
    """
    import tensorflow as tf

    answers = tf.zeros((1, *model.output_shape[1:]))
    model.compiled_loss.build(answers)
    model.compiled_metrics.build(answers, answers)


def _of(phase: Phase) -> str:
    return f" of stage {phase.stage}" if phase.stage else f" of {phase.epochs}"


def validation(
    answer: Callable[[], npt.NDArray[np.float32]], targets: npt.NDArray[np.int64]
) -> Validation | None:
    """What `fit` validates with: `answer` gives probabilities [n, classes] for targets [n]."""

    def validate() -> tuple[float, float]:
        probabilities = answer()
        right = float(np.mean(probabilities.argmax(axis=1) == targets))
        return cross_entropy(probabilities, targets), right

    return validate if len(targets) else None


def predict(model: Any, pixels: Samples, indices: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Probabilities of a Keras model for pictures by index: float32 [n, classes]."""
    return predictor(model, pixels.batch)(indices)


def predictor(
    model: Any, values: Callable[[npt.NDArray[np.int64]], npt.NDArray[Any]]
) -> Callable[[npt.NDArray[np.int64]], npt.NDArray[np.float32]]:
    """A function from indices [n] to probabilities [n, classes], traced once for many calls.

    model: of tf_keras, or a FrozenNetwork. values: gives the model's input rows by index.
    """
    if isinstance(model, FrozenNetwork):
        return lambda indices: model.predict(values(indices))
    import tensorflow as tf

    shape = model.input_shape[1:]
    infer = tf.function(
        lambda x: model(x, training=False),
        input_signature=[tf.TensorSpec((None, *shape), tf.float32)],
        autograph=False,
    )
    # A batch of large pictures takes gigabytes of feature maps.
    size = int(np.clip(2**22 // np.prod(shape), 8, 256))

    def answer(indices: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        parts = [
            infer(values(indices[i : i + size]).astype(np.float32)).numpy()
            for i in range(0, len(indices), size)
        ]
        return np.concatenate(parts) if parts else np.empty((0, model.output_shape[-1]), np.float32)

    return answer


def cross_entropy(probabilities: npt.NDArray[np.float32], targets: npt.NDArray[np.int64]) -> float:
    """The mean cross-entropy, in nats, without label smoothing."""
    chosen = np.sum(probabilities * one_hot(targets, probabilities.shape[1]), axis=1)
    return float(-np.mean(np.log(np.maximum(chosen, 1e-7))))


def _one_epoch(
    model: Any, feed: Feed, course: Course, epoch: int, check: Callable[[], None]
) -> Epoch:
    phase, reporter = course.phase, course.reporter
    number = phase.before + epoch
    reporter.epoch(number + 1, phase.before + phase.epochs, feed.steps)
    callback = _callback(feed, phase, epoch, reporter, check)
    started = time.perf_counter()
    logs = model.fit(
        feed.epoch(number),
        epochs=1,
        steps_per_epoch=feed.steps,
        verbose=0,
        callbacks=[callback, *course.objective.callbacks],
    ).history
    seconds = time.perf_counter() - started
    loss = float(logs["loss"][0])
    if not np.isfinite(loss):
        raise CnnedgeError(
            f"training diverged: the loss of epoch {number + 1} is {loss}. Lower the rate: "
            f"{phase.lower_rate}"
        )
    return Epoch(
        epoch=number + 1,
        loss=loss,
        accuracy=float(logs["accuracy"][0]),
        learning_rate=callback.last_rate,
        seconds=seconds,
        images_per_second=feed.count / seconds,
        stage=phase.stage,
    )


def _callback(
    feed: Feed, phase: Phase, epoch: int, reporter: Reporter, check: Callable[[], None]
) -> Any:
    import tf_keras

    class Steps(tf_keras.callbacks.Callback):  # type: ignore[misc]
        """Sets the rate before each step, reports after it."""

        last_rate = 0.0

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            moment = epoch + batch / feed.steps
            self.last_rate = rate(phase.schedule, phase.learning_rate, moment, phase.epochs)
            self.model.optimizer.learning_rate.assign(self.last_rate)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            reporter.step(batch + 1, float(logs["loss"]), float(logs["accuracy"]))
            check()

    return Steps()


class _State:
    """What a checkpoint holds: model, optimizer, random states, and how far training is."""

    def __init__(self, model: Any, training: Training, phase: Phase, run: RunFolder) -> None:
        import tensorflow as tf

        self._folder = phase.folder(run)
        self.optimizer = make_optimizer(training, phase.learning_rate)
        self.optimizer.build(model.trainable_variables)
        self._model, self._training = model, training
        self._best = tf.Variable(-1.0, dtype=tf.float64)
        self._numbers = {
            name: tf.Variable(0, dtype=tf.int64)
            for name in ("epoch", "best_epoch", "without_gain", "stopped")
        }
        checkpoint = tf.train.Checkpoint(
            model=model,
            optimizer=self.optimizer,
            random=_generators(model),
            best=self._best,
            **self._numbers,
        )
        self._manager = tf.train.CheckpointManager(
            checkpoint, str(self._folder), max_to_keep=2, checkpoint_name="epoch"
        )

    @property
    def epoch(self) -> int:
        return int(self._numbers["epoch"].numpy())

    @property
    def stopped(self) -> bool:
        return bool(self._numbers["stopped"].numpy())

    def restore(self) -> None:
        """Goes back to the last whole epoch, if there is one."""
        latest = self._manager.latest_checkpoint
        if not latest:
            return
        for path in (latest, *self._manager.checkpoints):
            # TensorFlow's list of checkpoints may name any path, and it deletes old ones.
            if Path(path).parent != Path(self._folder):
                raise RunFolderError(
                    f"{self._folder}: its list of checkpoints refers to {path}, which is in "
                    "another folder. Start over with --force or another --out"
                )
        try:
            self._manager.checkpoint.restore(latest).assert_existing_objects_matched()
        except Exception:  # TensorFlow raises many kinds, even AssertionError and IndexError
            raise RunFolderError(
                f"{latest}: this checkpoint is damaged or from another version of cnnedge. Start "
                "over with --force or another --out"
            ) from None

    def judge(self, epoch: int, accuracy: float | None) -> bool:
        """Keeps the best weights; returns whether early stopping ends training."""
        if accuracy is None:
            return False
        stopping = self._training.early_stopping
        gain = stopping.min_delta if stopping else 0.0
        if accuracy > float(self._best.numpy()) + (gain if self._best.numpy() >= 0 else 0.0):
            # By way of memory: HDF5 ends the whole process where the disk is full.
            content = io.BytesIO()
            np.savez(content, *self._model.get_weights())
            write_bytes(self._weights(epoch), content.getvalue())
            self._best.assign(accuracy)
            self._numbers["best_epoch"].assign(epoch)
            self._numbers["without_gain"].assign(0)
        else:
            self._numbers["without_gain"].assign_add(1)
        enough = stopping and int(self._numbers["without_gain"].numpy()) >= stopping.patience
        self._numbers["stopped"].assign(1 if enough else 0)
        return bool(enough)

    def save(self, epoch: int) -> None:
        """Writes the checkpoint of a whole epoch; then the weights before the best may go."""
        import tensorflow as tf

        self._numbers["epoch"].assign(epoch)
        try:
            self._manager.save(checkpoint_number=epoch)
        except (tf.errors.OpError, OSError) as error:
            if is_lost_worker(error):
                raise
            reason = str(error).splitlines()[0][:200]
            raise CnnedgeError(
                f"{self._folder}: cannot write the checkpoint of epoch {epoch}: {reason}. The "
                "previous one is kept: free some space, then use --resume"
            ) from None
        best = self._weights(int(self._numbers["best_epoch"].numpy()))
        for old in self._folder.glob("best-*.npz"):
            if old != best:
                old.unlink(missing_ok=True)

    def load_kept(self) -> int:
        """Loads the weights that leave; returns their epoch."""
        best = int(self._numbers["best_epoch"].numpy())
        if self._training.keep == "last" or not best:
            return self.epoch
        try:
            self._model.set_weights(list(read_arrays(self._weights(best)).values()))
        except (OSError, ValueError) as error:
            raise RunFolderError(
                f"{self._weights(best)}: the best weights cannot be read ({error}). Start over "
                "with --force or another --out"
            ) from None
        return best

    def _weights(self, epoch: int) -> Any:
        return self._folder / f"best-{epoch:04d}.npz"


def _generators(model: Any) -> list[Any]:
    """The tf.random.Generator of each random layer; Keras leaves them out of checkpoints."""
    holders = [getattr(layer, "_random_generator", None) for layer in model.submodules]
    found = [getattr(holder, "_generator", None) for holder in holders]
    return [generator for generator in found if generator is not None]
