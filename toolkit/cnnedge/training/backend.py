"""TensorFlow and legacy Keras, imported quietly and in one place.

tf_keras is used by that name throughout: tensorflow-model-optimization takes no other Keras, and
`tf.keras` means one or the other depending on an environment variable.

Freed memory is kept for the next tensor, where the C library gives it back at once otherwise.
TensorFlow allocates each tensor anew. glibc maps what is larger than 32 MB, and the heaps of
threads, from the kernel and unmaps them when they are free, so that every step of a training faults
in all its memory again, a page at a time: half of the time on some machines.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import inspect
import os
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from .. import frozen
from ..errors import MissingExtraError

T = TypeVar("T")

INSTALL = "pip install 'cnnedge[train]'"
# Parameters of mallopt(3), as in malloc.h.
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX, _ARENA_MAX = -1, -2, -4, -8
_MOST_INT = 2**31 - 1
_AT_ONCE_BYTES = 64 * 2**20


def is_norm(layer: Any) -> bool:
    """Whether a layer is a batch normalisation, of whichever kind."""
    return type(layer).__name__.endswith("BatchNormalization")


def require(command: str, *, stacks: bool = True) -> None:
    """Imports what the workshop needs, quietly.

    stacks: False for `forget_stacks`, where this process is a command's own. Raises
    MissingExtraError with the line that installs it.
    """
    # Read at import: 3 hides what TensorFlow's C++ side logs below errors.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
    from ..native_stderr import captured

    keep_freed()
    try:
        with warnings.catch_warnings(), captured():
            warnings.simplefilter("ignore")
            import matplotlib  # noqa: F401
            import tensorflow as tf
            import tf_keras  # noqa: F401
    except ImportError as error:
        raise MissingExtraError(
            f"cnnedge {command} needs TensorFlow, tf-keras and matplotlib ({error}). "
            f"Install them: {INSTALL}"
        ) from None
    tf.get_logger().setLevel("ERROR")
    if not stacks:
        forget_stacks()


def forget_stacks() -> None:
    """From now on, TensorFlow does not note the Python stack at each operation of each graph.

    It tells them in tracebacks, which a command shows only when it is asked to; noting them takes a
    tenth of a conversion.
    """
    from tensorflow.python.util import tf_stack

    # Where it has been forgotten before, it stays so.
    noted = inspect.unwrap(tf_stack.extract_stack)
    # The outermost frame of the program: XLA crashes where there is none.
    outermost = noted(len(noted()))
    tf_stack.extract_stack = functools.wraps(noted)(lambda stacklevel=1: outermost)


def keep_freed() -> None:
    """Has effect from the next thread on. Does nothing where the user has set glibc up themselves,
    or where there is another C library."""
    if sys.platform != "linux" or any(name.startswith("MALLOC_") for name in os.environ):
        return
    with contextlib.suppress(OSError, AttributeError):
        mallopt = ctypes.CDLL(None).mallopt
        # One heap for all threads: it grows at its end, and what is free within it stays.
        mallopt(_ARENA_MAX, 1)
        mallopt(_MMAP_MAX, 0)
        mallopt(_TRIM_THRESHOLD, _MOST_INT)
        mallopt(_TOP_PAD, _AT_ONCE_BYTES)


def make_repeatable(seed: int) -> None:
    """Seeds every generator and asks TensorFlow for deterministic kernels.

    Keras' random layers get generators whose state a checkpoint holds, so that a resumed run
    draws what the uninterrupted one would have drawn.
    """
    import tensorflow as tf
    import tf_keras

    tf_keras.backend.clear_session()
    tf_keras.backend.experimental.enable_tf_random_generator()
    tf_keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()


def unconverted(work: Callable[..., T]) -> Callable[..., T]:
    """The same work, in which no layer's Python is rewritten for TensorFlow.

    The layers of Keras, and what tfmot wraps around them, choose and repeat by plain values alone;
    to rewrite a wrapped one takes longer than to trace it.
    """
    import tensorflow as tf

    made: Callable[..., T] = tf.autograph.experimental.do_not_convert(work)
    return made


def versions() -> dict[str, str]:
    """The versions that made a model."""
    import tensorflow as tf
    import tf_keras

    return {"tensorflow": tf.__version__, "tf_keras": tf_keras.__version__}


def load_keras(path: Path) -> Any:
    """A saved .keras model, without its optimizer; nothing in the file is executed.

    A FrozenNetwork where the run holds a .tflite in its place. Raises ModelError.
    """
    if path.suffix == frozen.SUFFIX:
        return frozen.read_frozen(path)
    from ..architectures.keras_file import read_keras

    return read_keras(path)


def save_keras(model: Any, path: Path) -> None:
    """Writes a .keras file of a network's layers and weights, without its optimizer.

    What Adam remembers of each weight is twice as large as the weights, and no reader of a finished
    run asks for it: a training that goes on has checkpoints.
    """
    import tf_keras

    tf_keras.Model(model.inputs, model.outputs, name=model.name).save(path)
