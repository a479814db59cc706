"""A Keras model with layers of its own, whose code a person names and trusts, as a source.

The model and a file of Python enter; the model is read, asked and converted in a process of its
own, as its code does what it likes there. It is imported frozen: tf_keras has none of its layers.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from .. import given_files
from ..bundle import foreign, kinds, read_graph
from ..errors import ModelError
from ..files import explained
from ..frozen import FrozenNetwork, check_constant
from . import heads, tflite_edit
from .convention import Convention
from .opened import ImportWishes, Opened, Reals, Reporter, picture_size
from .process_aside import Aside, Program, told_of
from .trace import Trace

_FROZEN = (
    "the model is imported frozen, as tf_keras has none of its own layers: it can change its "
    "format, but not be pruned or trained"
)
_KINDS = (kinds.KERAS_3, kinds.TF_KERAS, kinds.KERAS_H5)
_MOST_BYTES = 4 << 30


def check_code(path: Path, kind: str, wishes: ImportWishes) -> Path:
    """The file of Python. Nothing of it is executed. Raises ModelError."""
    assert wishes.code is not None
    code = Path(wishes.code)
    if kind not in _KINDS:
        raise ModelError(
            f"{path}: --code is for the layers of a Keras model (.keras, .h5); this is "
            f"{foreign.name(kind)}. Remove it"
        )
    if code.suffix != ".py" or not code.is_file():
        raise ModelError(f"--code {code}: expected a file of Python with the model's own layers")
    if not wishes.trust:
        raise ModelError(
            f"{path}: reading it with --code runs {code.name}, with all your rights. If you trust "
            "whoever wrote both: --trust"
        )
    return code


def open_with_code(path: Path, kind: str, wishes: ImportWishes, reporter: Reporter) -> Opened:
    """Reads the model elsewhere and says how to ask it. Raises CnnedgeError."""
    code = check_code(path, kind, wishes)
    reporter.stage("starting Keras", 0, 0)
    network = _Network(path, kind, code)
    size = picture_size(network.said["shape"], wishes.guest.size, path)

    def build(convention: Convention, head: str) -> tuple[Any, tuple[str, ...]]:
        heads.require_several(head, str(path), "Give it two")
        made = network.converted(size.shape)
        check_constant(made, "float32")
        kept = read_graph(made, str(path))
        if len(kept.outputs) != 1:
            raise ModelError(f"{path}: it has {len(kept.outputs)} outputs; expected one of scores")
        whole = tflite_edit.wrapped(made, size, convention, head, channels_first=False)
        return FrozenNetwork(whole, str(path)), (_FROZEN,)

    return Opened(
        kind=f"{network.said['family']} {network.said['version']}, with {code.name}",
        size=size,
        answer=network.answer,
        build=build,
        trace=network.trace,
    )


class _Network:
    """The process that holds it. said: the shape of its input, and its version of Keras."""

    def __init__(self, path: Path, kind: str, code: Path) -> None:
        self._path = path
        self._aside = Aside(Program(python=Path(sys.executable), name="keras_side"))
        # Keras goes by the ending.
        copy = self._aside.folder / f"model{'.h5' if kind == kinds.KERAS_H5 else '.keras'}"
        with explained(path):
            copy.write_bytes(given_files.read(path, at_most=_MOST_BYTES))
        family = _family(copy, kind)
        told = self._asked("Keras cannot read it", "open", str(copy), str(code.absolute()), family)
        name = "Keras" if family == "keras" else family
        self.said: dict[str, Any] = json.loads(told) | {"family": name}

    def _asked(self, problem: str, verb: str, *arguments: str) -> str:
        with told_of(self._path, problem):
            return self._aside.ask(verb, *arguments)

    def answer(self, values: Reals) -> Reals:
        """By Keras."""
        with told_of(self._path, "Keras cannot run it"):
            return self._aside.answer(values)

    def trace(self, values: Reals) -> Trace:
        """Of each layer."""
        return self._aside.trace(values)

    def converted(self, shape: tuple[int, ...]) -> bytes:
        """The bytes of TensorFlow's float32 file of [1, h, w, c]."""
        with tempfile.TemporaryDirectory(dir=self._aside.folder) as folder:
            made = Path(folder) / "converted.tflite"
            shown = ",".join(map(str, shape))
            self._asked("TensorFlow cannot convert it", "convert", shown, str(made))
            return given_files.read(made, at_most=1 << 31)


def _family(path: Path, kind: str) -> str:
    """The package that reads it."""
    if kind != kinds.KERAS_H5:
        return "keras" if kind == kinds.KERAS_3 else "tf_keras"
    import h5py

    with h5py.File(path, "r") as file:
        version = file.attrs.get("keras_version", "2")
    version = version.decode() if isinstance(version, bytes) else str(version)
    return "keras" if version.startswith("3") else "tf_keras"
