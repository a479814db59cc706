"""The epochs: fit, validate, checkpoint, stop early, resume.

A compiled model's parts, a Feed and a recipe enter; the model with the kept weights and the
history leave. After each epoch a checkpoint holds all that the next one depends on (weights,
optimizer, random states, what was best), so a run killed at any moment goes on from its last
whole epoch and ends where it would have ended.
"""

from __future__ import annotations

import io
import time
from dataclasses import dataclass
from typing import Any, Protocol
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from ..data import Pixels
from ..errors import CnnedgeError, RunFolderError
from ..files import write_bytes
from ..specs import Training
from .feed import Feed, one_hot
from .run_folder import RunFolder, read_history, write_history
from .schedule import make_optimizer, rate


class Reporter(Protocol):
    """Who is told how training goes; the command line draws it."""

    def epoch(self, number: int, epochs: int, steps: int) -> None: ...

    def step(self, done: int, loss: float, accuracy: float) -> None: ...

    def row(self, row: dict[str, Any]) -> None: ...

    def note(self, text: str) -> None: ...


@dataclass
class Fitted:
    """The outcome: the history's rows, the epoch whose weights were kept, why it ended."""

    history: list[dict[str, Any]]
    kept_epoch: int
    stopped_early: bool


def fit(
    model: Any,
    feed: Feed,
    pixels: Pixels,
    validation: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
    training: Training,
    run: RunFolder,
    reporter: Reporter,
) -> Fitted:
    """Trains, or goes on training, until the epochs are done or early stopping ends them.

    validation: indices into `pixels` and their targets; may be empty. Raises KeyboardInterrupt
    when stopped by hand: the checkpoint of the last whole epoch is then on disk.
    """
    state = _State(model, training, run)
    state.restore()
    if state.epoch:
        reporter.note(f"resuming after epoch {state.epoch} of {training.epochs}")
    history = read_history(run, state.epoch)
    model.compile(
        optimizer=state.optimizer, loss="categorical_crossentropy", weighted_metrics=["accuracy"]
    )
    stopped = state.stopped
    while state.epoch < training.epochs and not stopped:
        row = _one_epoch(model, feed, training, state.epoch, reporter)
        number = state.epoch + 1
        due = number % training.validate_every == 0 or number == training.epochs
        if len(validation[0]) and due:
            row |= _validate(model, pixels, validation)
        stopped = state.judge(number, row)
        history.append(row)
        write_history(run, history)
        state.save(number)
        reporter.row(row)
    kept = state.load_kept()
    return Fitted(history=history, kept_epoch=kept, stopped_early=stopped)


def predict(
    model: Any, pixels: Pixels, indices: npt.NDArray[np.int64], batch_size: int = 256
) -> npt.NDArray[np.float32]:
    """Probabilities of a Keras model for pictures by index: float32 [n, classes]."""
    import tensorflow as tf

    shape = (None, *pixels.size.shape)
    infer = tf.function(
        lambda x: model(x, training=False),
        input_signature=[tf.TensorSpec(shape, tf.float32)],
    )
    parts = [
        infer(pixels.batch(indices[i : i + batch_size]).astype(np.float32)).numpy()
        for i in range(0, len(indices), batch_size)
    ]
    return np.concatenate(parts) if parts else np.empty((0, model.output_shape[-1]), np.float32)


def cross_entropy(probabilities: npt.NDArray[np.float32], targets: npt.NDArray[np.int64]) -> float:
    """The mean cross-entropy, in nats, without label smoothing."""
    chosen = np.sum(probabilities * one_hot(targets, probabilities.shape[1]), axis=1)
    return float(-np.mean(np.log(np.maximum(chosen, 1e-7))))


def _one_epoch(
    model: Any, feed: Feed, training: Training, epoch: int, reporter: Reporter
) -> dict[str, Any]:
    reporter.epoch(epoch + 1, training.epochs, feed.steps)
    callback = _callback(feed, training, epoch, reporter)
    started = time.perf_counter()
    logs = model.fit(feed.epoch(epoch), epochs=1, verbose=0, callbacks=[callback]).history
    seconds = time.perf_counter() - started
    loss = float(logs["loss"][0])
    if not np.isfinite(loss):
        raise CnnedgeError(
            f"training diverged: the loss of epoch {epoch + 1} is {loss}. Lower the rate: "
            f"--set training.optimizer.learning_rate={training.optimizer.learning_rate / 10:g}"
        )
    return {
        "epoch": epoch + 1,
        "loss": loss,
        "accuracy": float(logs["accuracy"][0]),
        "val_loss": None,
        "val_accuracy": None,
        "learning_rate": callback.last_rate,
        "seconds": seconds,
        "images_per_second": feed.count / seconds,
    }


def _callback(feed: Feed, training: Training, epoch: int, reporter: Reporter) -> Any:
    import tf_keras

    class Steps(tf_keras.callbacks.Callback):  # type: ignore[misc]
        """Sets the rate before each step, reports after it."""

        last_rate = 0.0

        def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
            moment = epoch + batch / feed.steps
            self.last_rate = rate(
                training.schedule, training.optimizer.learning_rate, moment, training.epochs
            )
            self.model.optimizer.learning_rate.assign(self.last_rate)

        def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
            reporter.step(batch + 1, float(logs["loss"]), float(logs["accuracy"]))

    return Steps()


def _validate(
    model: Any,
    pixels: Pixels,
    validation: tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]],
) -> dict[str, float]:
    indices, targets = validation
    probabilities = predict(model, pixels, indices)
    return {
        "val_loss": cross_entropy(probabilities, targets),
        "val_accuracy": float(np.mean(probabilities.argmax(axis=1) == targets)),
    }


class _State:
    """What a checkpoint holds: model, optimizer, random states, and how far training is."""

    def __init__(self, model: Any, training: Training, run: RunFolder) -> None:
        import tensorflow as tf

        self.optimizer = make_optimizer(training)
        self.optimizer.build(model.trainable_variables)
        self._model, self._training, self._run = model, training, run
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
            checkpoint, str(run.checkpoints), max_to_keep=2, checkpoint_name="epoch"
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
        try:
            self._manager.checkpoint.restore(latest).assert_existing_objects_matched()
        except Exception:  # TensorFlow raises many kinds, AssertionError and IndexError too
            raise RunFolderError(
                f"{latest}: this checkpoint is damaged or of another version of cnnedge. Start "
                "over with --force or another --out"
            ) from None

    def judge(self, epoch: int, row: dict[str, Any]) -> bool:
        """Keeps the best weights; returns whether early stopping ends training."""
        accuracy = row["val_accuracy"]
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
            reason = str(error).splitlines()[0][:200]
            raise CnnedgeError(
                f"{self._run.checkpoints}: cannot write the checkpoint of epoch {epoch}: {reason}. "
                "The one before is kept: free some space, then --resume"
            ) from None
        best = self._weights(int(self._numbers["best_epoch"].numpy()))
        for old in self._run.checkpoints.glob("best-*.npz"):
            if old != best:
                old.unlink(missing_ok=True)

    def load_kept(self) -> int:
        """Loads the weights that leave; returns their epoch."""
        best = int(self._numbers["best_epoch"].numpy())
        if self._training.keep == "last" or not best:
            return self.epoch
        try:
            with np.load(self._weights(best)) as arrays:
                self._model.set_weights([arrays[name] for name in arrays.files])
        except (OSError, ValueError, BadZipFile) as error:
            raise RunFolderError(
                f"{self._weights(best)}: the best weights cannot be read ({error}). Start over "
                "with --force or another --out"
            ) from None
        return best

    def _weights(self, epoch: int) -> Any:
        return self._run.checkpoints / f"best-{epoch:04d}.npz"


def _generators(model: Any) -> list[Any]:
    """The tf.random.Generator of each random layer; Keras leaves them out of checkpoints."""
    holders = [getattr(layer, "_random_generator", None) for layer in model.submodules]
    found = [getattr(holder, "_generator", None) for holder in holders]
    return [generator for generator in found if generator is not None]
