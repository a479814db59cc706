"""An ONNX model as a source: asked through onnxruntime, converted by onnx2tf, both elsewhere."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from .. import given_files
from ..bundle import read_graph
from ..errors import ModelError
from ..files import explained
from ..frozen import FrozenNetwork
from . import heads, tflite_edit
from .convention import Convention
from .environment import Wanted, python_of
from .onnx_file import OnnxModel, Value, read_onnx
from .opened import ImportWishes, Opened, Reals, Reporter, picture_size
from .process_aside import Aside, Program, Refused, told_of
from .trace import Trace

ONNX2TF = Wanted(
    name="onnx2tf",
    # Each as onnx2tf asks for it; what it brings for tests of its own, and OpenCV's windows, are
    # left out. It asks for Python 3.12 and runs on 3.10 and 3.11: whatever it makes is compared.
    pins=(
        *("onnx2tf==2.6.9", "ai-edge-litert==2.1.2", "backports.strenum==1.2.8"),
        *("flatbuffers==25.12.19", "h5py==3.14.0", "markdown-it-py==4.3.0", "mdurl==0.1.2"),
        *("ml-dtypes==0.5.4", "mpmath==1.3.0", "numpy==2.2.6", "onnx==1.20.1", "onnx-ir==1.1.0"),
        *("onnxoptimizer==0.4.2", "onnxruntime==1.26.0", "onnxscript==0.6.2", "onnxsim==0.6.5"),
        *("opencv-python-headless==4.13.0.92", "packaging==26.4", "protobuf==7.35.1"),
        *("psutil==5.9.5", "pygments==2.21.0", "rich==15.0.0", "setuptools==81.0.0"),
        *("sne4onnx==2.0.1", "sng4onnx==2.0.1", "sympy==1.14.0", "tqdm==4.67.1"),
        "typing-extensions==4.16.0",
    ),
    words=("--ignore-requires-python",),
    option="--onnx2tf",
    size="0.6 GB",
    reads="ONNX",
    by_hand="onnx2tf 2.6.9",
)
_WITHIN = "Export the network alone, from float32 pictures to scores"


def open_onnx(path: Path, wishes: ImportWishes, reporter: Reporter) -> Opened:
    """Reads the model and says how to ask it. Raises CnnedgeError."""
    model = read_onnx(path)
    given = _picture(path, model)
    shape = given.shape or ()
    first = shape[1] in (1, 3)
    moved = (shape[0], *shape[2:], shape[1]) if first else shape
    size = picture_size(moved, wishes.guest.size, path)
    sizes = (1, *((size.channels, size.height, size.width) if first else size.shape))
    source = _Source(
        path, Program(python=python_of(ONNX2TF, wishes.onnx2tf, reporter), name="onnx_side")
    )
    source.copy(path, model)

    def answer(values: Reals) -> Reals:
        return source.answer(values.transpose(0, 3, 1, 2) if first else values)

    def build(convention: Convention, head: str) -> tuple[Any, tuple[str, ...]]:
        heads.require_several(head, str(path), "Export it with two outputs")
        made = source.converted(sizes)
        graph = read_graph(made, str(path))
        kept = graph.tensors[graph.inputs[0]].shape[-1] != size.channels
        whole = tflite_edit.wrapped(made, size, convention, head, channels_first=kept)
        return FrozenNetwork(whole, str(path)), (_FROZEN,)

    def trace(values: Reals) -> Trace:
        return source.trace(values.transpose(0, 3, 1, 2) if first else values)

    kind = f"ONNX, opset {model.opset}"
    return Opened(kind=kind, size=size, answer=answer, build=build, trace=trace)


_FROZEN = (
    "the ONNX model is imported frozen: it can change its format, but not be pruned or trained"
)


class _Source:
    """The model in a folder of its own, and the process that reads it."""

    def __init__(self, path: Path, program: Program) -> None:
        self._path, self._aside = path, Aside(program)
        self._model = self._aside.folder / "source" / "model.onnx"

    def copy(self, path: Path, model: OnnxModel) -> None:
        """What was looked through is what is read, and nothing else."""
        with explained(path):
            self._model.parent.mkdir()
            for name in (path.name, *model.files):
                target = self._model if name == path.name else self._model.parent / name
                target.parent.mkdir(parents=True, exist_ok=True)
                with given_files.opened(path.parent / name) as old, target.open("wb") as new:
                    shutil.copyfileobj(old, new)
        try:
            self._aside.ask("check", seconds=120)
        except Refused as error:
            raise ModelError(
                f"{self._path}: the environment for ONNX lacks something ({error}); install "
                f"{ONNX2TF.by_hand} in it, or leave {ONNX2TF.option} out"
            ) from None

    def answer(self, values: Reals) -> Reals:
        """By onnxruntime."""
        with told_of(self._path, "onnxruntime cannot run this model"):
            return self._aside.answer(values, str(self._model))

    def trace(self, values: Reals) -> Trace:
        """Of each node, by onnxruntime."""
        return self._aside.trace(values, str(self._model))

    def converted(self, sizes: tuple[int, ...]) -> bytes:
        """The bytes of onnx2tf's float32 file."""
        folder = self._aside.folder / "converted"
        folder.mkdir(exist_ok=True)
        with told_of(self._path, "onnx2tf cannot convert this model"):
            made = self._aside.ask(
                "convert", str(self._model), ",".join(map(str, sizes)), str(folder)
            )
        return given_files.read(made, at_most=1 << 31)


def _picture(path: Path, model: OnnxModel) -> Value:
    """The one input. Raises ModelError."""
    if len(model.inputs) != 1:
        names = ", ".join(v.name[:40] for v in model.inputs[:8]) or "none"
        raise ModelError(
            f"{path}: it takes {len(model.inputs)} inputs ({names}); expected one picture. "
            f"{_WITHIN}"
        )
    if len(model.outputs) != 1:
        names = ", ".join(v.name[:40] for v in model.outputs[:8]) or "none"
        raise ModelError(
            f"{path}: it has {len(model.outputs)} outputs ({names}); expected one row of scores. "
            f"{_WITHIN}"
        )
    (given,) = model.inputs
    shape = given.shape or ()
    picture = len(shape) == 4 and (shape[1] in (1, 3) or shape[3] in (1, 3))
    if given.dtype != "float32" or not picture or shape[0] not in (None, 1):
        shown = ["?" if n is None else n for n in shape]
        raise ModelError(
            f"{path}: its input is {given.dtype} {shown}; expected float32 pictures of batch 1 or "
            f"any, with 1 or 3 channels, first or last. {_WITHIN}"
        )
    return given
