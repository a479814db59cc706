"""Training on more than one device: which tf.distribute strategy, and who writes.

A name from the command line and TF_CONFIG enter; `Workers` leaves. All workers do the same work
on their share of each batch and hold the same weights, so each goes through every step; only the
first of them writes to the run folder, the others to a folder that is discarded.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import CnnedgeError

NAMES = ("auto", "mirrored", "multiworker")

# What TensorFlow says when another worker is gone: a closed socket, a failed health check.
_LOST = ("UnavailableError", "AbortedError", "InternalError", "CancelledError", "UnknownError")


@dataclass(frozen=True, kw_only=True)
class Workers:
    """A strategy, and this process' place in it. index: from 0; the first is the one writer."""

    strategy: Any
    index: int = 0
    count: int = 1

    @property
    def writes(self) -> bool:
        return self.index == 0

    def wait(self) -> None:
        """Returns when every worker has come to this line."""
        if self.count > 1:
            import tensorflow as tf

            ones = self.strategy.run(lambda: tf.constant(1.0))
            self.strategy.reduce("SUM", ones, axis=None)


def open_workers(name: str) -> Workers:
    """The workers that `name` asks for.

    auto: several workers where TF_CONFIG names them, else all GPUs if there are several, else
    one device. Must be called before TensorFlow computes anything. Raises CnnedgeError for a
    TF_CONFIG that cannot be, and where what was asked for is not there.
    """
    import tensorflow as tf

    addresses, index = _cluster()
    if name == "multiworker" and not addresses:
        raise CnnedgeError(
            "--strategy multiworker needs TF_CONFIG, which lists all workers and identifies this "
            "one, such as "
            '\'{"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}, '
            '"task": {"type": "worker", "index": 0}}\''
        )
    if name == "multiworker" or (name == "auto" and len(addresses) > 1):
        strategy = tf.distribute.MultiWorkerMirroredStrategy()
        return Workers(strategy=strategy, index=index, count=len(addresses))
    gpus = len(tf.config.list_physical_devices("GPU"))
    if name == "mirrored" or gpus > 1:
        return Workers(strategy=tf.distribute.MirroredStrategy())
    return Workers(strategy=tf.distribute.get_strategy())


@contextlib.contextmanager
def own_folder(workers: Workers, out: Path, *, resume: bool) -> Iterator[Path]:
    """The folder that this worker writes to: `out`, or one that is discarded.

    With resume it holds what `out` holds, so that every worker continues from the same epoch.
    """
    if workers.writes:
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="cnnedge-worker-") as temporary:
        own = Path(temporary) / "run"
        if resume and out.is_dir():
            shutil.copytree(out, own)
        yield own


@contextlib.contextmanager
def losses_explained(workers: Workers) -> Iterator[None]:
    """Turns what TensorFlow raises when another worker is gone into a CnnedgeError."""
    try:
        yield
    except Exception as error:
        if workers.count > 1 and is_lost_worker(error):
            first = str(error).strip().splitlines()[0][:160]
            raise CnnedgeError(
                f"worker {workers.index} of {workers.count} lost another worker ({first}). Every "
                "finished epoch is kept: start all workers again with --resume"
            ) from None
        raise


def is_lost_worker(error: Exception) -> bool:
    """Whether TensorFlow raised this because another worker is gone."""
    return type(error).__name__ in _LOST and "/job:worker" in str(error)


def _cluster() -> tuple[list[str], int]:
    """The workers' addresses and this one's index; none without TF_CONFIG."""
    text = os.environ.get("TF_CONFIG", "").strip()
    if not text:
        return [], 0
    try:
        config = json.loads(text)
        cluster, task = config.get("cluster", {}), config.get("task", {})
        addresses = [*cluster.get("chief", []), *cluster.get("worker", [])]
        index = int(task.get("index", 0)) if addresses else 0
        if cluster.get("chief") and task.get("type") == "worker":
            index += len(cluster["chief"])
        wrong = addresses and not (
            0 <= index < len(addresses) and task.get("type") in ("chief", "worker")
        )
    except (ValueError, AttributeError, TypeError) as error:
        raise CnnedgeError(
            f"TF_CONFIG does not have the form that TensorFlow defines: {error}"
        ) from None
    if wrong:
        raise CnnedgeError(
            f"TF_CONFIG: task {json.dumps(task)} is not one of the cluster's {len(addresses)} "
            "workers"
        )
    return addresses, index
