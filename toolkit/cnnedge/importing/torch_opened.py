"""A network of PyTorch as a source: asked and converted in an environment with litert-torch."""

from __future__ import annotations

import importlib.util
import json
import platform
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import given_files
from ..bundle import kinds
from ..errors import ModelError
from ..files import explained
from ..frozen import FrozenNetwork
from ..specs.pixels import Preprocess
from . import heads, tflite_edit
from .convention import Convention
from .environment import Wanted, python_of
from .opened import ImportWishes, Opened, Reals, Reporter, picture_size
from .process_aside import Aside, Program, told_of
from .pt2_file import cleaned
from .trace import Trace

_LINUX = sys.platform == "linux"
LITERT_TORCH = Wanted(
    name="litert-torch",
    # All that litert-torch 0.10 resolved to on the day it was tried.
    pins=(
        *("litert-torch==0.10.0", "timm==1.0.31", "absl-py==2.5.1", "ai-edge-litert==2.3.0"),
        *("ai-edge-quantizer==0.10.0", "annotated-doc==0.0.7", "annotated-types==0.8.0"),
        *("anyio==4.14.2", "backports.strenum==1.2.8", "certifi==2026.10.19.post1"),
        *("charset-normalizer==3.5.3", "click==8.5.1", "filelock==4.3.1", "fire==0.7.1"),
        *("flatbuffers==25.12.19", "fsspec==2026.9.0", "h11==0.16.0", "hf-xet==1.8.0"),
        *("httpcore2==2.16.2", "httpx2==2.16.2", "huggingface-hub==2.4.0", "idna==3.20"),
        *("immutabledict==4.2.1", "jax==0.10.2", "jaxlib==0.10.2", "jaxtyping==0.3.11"),
        *("jinja2==3.1.6", "kagglehub==1.0.3", "kagglesdk==0.1.38", "lark==1.3.1"),
        *("litert-converter==0.5.0", "litert-lm-builder==0.18.1", "markdown-it-py==4.3.0"),
        *("markupsafe==3.0.4", "mdurl==0.1.2", "ml-dtypes==0.6.0", "mpmath==1.3.0"),
        *("multipledispatch==1.0.0", "networkx==3.6.1", "numpy==2.4.6", "opt-einsum==3.4.0"),
        *("ordered-set==4.1.0", "packaging==26.4", "pillow==13.0.0", "protobuf==7.36.2"),
        *("pydantic==2.11.10", "pydantic-core==2.33.2", "pygments==2.21.0", "pyyaml==6.0.4"),
        *("regex==2026.11.19", "requests==2.34.2", "rich==15.0.0", "safetensors==0.8.0"),
        *("scipy==1.17.1", "sentencepiece==0.2.3", "setuptools==81.0.0", "shellingham==1.5.4"),
        *("sympy==1.14.0", "tabulate==0.10.0", "termcolor==3.3.0", "tokenizers==0.23.3"),
        *("tomli==2.5.0", "tqdm==4.70.1", "transformers==5.24.0"),
        *("truststore==0.10.5", "typer==0.29.2", "typing-extensions==4.12.2"),
        *("typing-inspection==0.4.2", "urllib3==2.8.0", "wadler-lindig==0.1.8", "xdsl==0.28.0"),
    ),
    index="https://download.pytorch.org/whl/cpu" if _LINUX else "",
    from_index=(
        # Elsewhere than on Linux, the registry's own build has no CUDA in it.
        *("torch==2.13.0+cpu" if _LINUX else "torch==2.13.0", "torchvision==0.28.0"),
        "torchao==0.18.0",
    ),
    option="--torch",
    size="2.2 GB",
    reads="PyTorch",
    by_hand="litert-torch 0.10",
)
_MOST_WEIGHTS = 4 << 30
_NAMED = re.compile(r"(timm|torchvision):([\w.]+)")
_CODE = re.compile(r"(.+\.py):(\w+)")
_FROZEN = (
    "the PyTorch network is imported frozen: it can change its format, but not be pruned or trained"
)
_INTERPOLATIONS = {"bicubic": "pillow_bicubic", "bilinear": "pillow_bilinear"}


@dataclass(frozen=True, kw_only=True)
class TorchSource:
    """kind: pt2, code, timm or torchvision. name: a path, or of a network. detail: a function, or
    a file of weights. file: what is held in the record by its sha256.
    """

    kind: str
    name: str
    detail: str
    file: Path


def torch_source(path: Path, wishes: ImportWishes) -> TorchSource | None:
    """What is to be read; None for what is no PyTorch. Nothing is executed. Raises ModelError."""
    text = str(path)
    if found := _NAMED.fullmatch(text):
        weights = _weights(text, wishes)
        return TorchSource(
            kind=found[1], name=found[2], detail=str(weights.absolute()), file=weights
        )
    library = text.partition(":")[0]
    if library in ("timm", "torchvision") and not path.exists():
        raise ModelError(
            f"{text}: expected {library}:NAME, with letters, digits, _ and . in the name, such as "
            f"{library}:resnet50"
        )
    if wishes.weights is not None:
        raise ModelError(
            f"{path}: --weights goes with a network that is named, as timm:NAME or torchvision:NAME"
        )
    if found := _CODE.fullmatch(text):
        file = Path(found[1])
        if not file.is_file():
            raise ModelError(f"{file}: there is no such file; expected FILE.py:FUNCTION")
        if not wishes.trust:
            raise ModelError(
                f"{path}: reading this network runs {file.name}, with all your rights. If you "
                "trust whoever wrote it: --trust"
            )
        return TorchSource(kind="code", name=str(file.absolute()), detail=found[2], file=file)
    if kinds.model_kind(path) == kinds.PT2:
        return TorchSource(kind="pt2", name=str(path.absolute()), detail="", file=path)
    return None


def _weights(text: str, wishes: ImportWishes) -> Path:
    if wishes.weights is None:
        raise ModelError(
            f"{text}: the name says what the network is, and not its weights: --weights "
            "FILE.safetensors, or a .pth with a state dict"
        )
    path = Path(wishes.weights)
    kind = kinds.model_kind(path)
    if not path.is_file() or kind not in (kinds.SAFETENSORS, kinds.STATE_DICT):
        raise ModelError(
            f"{path}: expected a .safetensors file, or a state dict of tensors alone; nothing else "
            "is read as weights, as loading it may run code. Save it with "
            "safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')"
        )
    if (kind == kinds.SAFETENSORS) != (path.suffix == ".safetensors"):
        raise ModelError(
            f"{path}: the name ends in {path.suffix or 'nothing'}, and it is "
            f"{'safetensors' if kind == kinds.SAFETENSORS else 'a state dict'}; rename it to "
            f"{path.stem}{'.safetensors' if kind == kinds.SAFETENSORS else '.pth'}"
        )
    return path


def open_torch(path: Path, source: TorchSource, wishes: ImportWishes, reporter: Reporter) -> Opened:
    """Builds the network elsewhere, and says how to ask it. Raises CnnedgeError."""
    network = _Network(path, source, wishes, reporter)
    said = network.said
    channels, height, width = said["shape"]
    size = picture_size((1, height, width, channels), wishes.guest.size, path)
    published = said.get("published")

    def build(convention: Convention, head: str) -> tuple[Any, tuple[str, ...]]:
        heads.require_several(head, str(path), "Give it two")
        made = network.converted((channels, size.height, size.width))
        whole = tflite_edit.wrapped(made, size, convention, head, channels_first=False)
        return FrozenNetwork(whole, str(path)), (_FROZEN,)

    return Opened(
        kind=_KINDS[source.kind],
        size=size,
        answer=network.answer,
        trace=network.trace,
        build=build,
        stated=_stated(source.kind, published),
        because=f"{source.kind}'s own settings for this network" if published else "",
        rule=_rule(published),
        file=source.file,
    )


_KINDS = {
    "pt2": "PyTorch, exported program",
    "code": "PyTorch, built by code",
    "timm": "PyTorch, timm",
    "torchvision": "PyTorch, torchvision",
}


def _stated(kind: str, published: Any) -> Convention | None:
    if not published:
        return None
    mean, std = (tuple(255 * v for v in published[name]) for name in ("mean", "std"))
    return Convention(name=f"{kind}'s mean and std", mean=mean, std=std)


def _rule(published: Any) -> Preprocess | None:
    if not published:
        return None
    method: Any = _INTERPOLATIONS.get(published["interpolation"], "pillow_bilinear")
    return Preprocess(
        resize=published["resize"],
        interpolation=method,
        crop_fraction=published["fraction"],
    )


def _python(wishes: ImportWishes, reporter: Reporter) -> Path:
    """This one, where cnnedge[torch] is installed; or the one that is made for it."""
    if importlib.util.find_spec("litert_torch") is not None:
        return Path(sys.executable)
    if platform.machine().lower() not in ("x86_64", "amd64", "arm64", "aarch64"):
        raise ModelError(
            f"PyTorch networks cannot be read on {platform.machine()}, which litert-torch does not "
            "support; import them on a laptop"
        )
    return python_of(LITERT_TORCH, None, reporter)


class _Network:
    """The process that holds it. said: its shape, and what its publisher did to pictures."""

    def __init__(
        self, path: Path, source: TorchSource, wishes: ImportWishes, reporter: Reporter
    ) -> None:
        self._path = path
        # What was looked through is what is read.
        self._copies = tempfile.TemporaryDirectory(prefix="cnnedge-")
        copy = Path(self._copies.name) / f"source{source.file.suffix}"
        name, detail = source.name, source.detail
        if source.kind == "pt2":
            cleaned(source.file, copy)
            name = str(copy)
        elif source.kind != "code":
            with explained(source.file):
                copy.write_bytes(given_files.read(source.file, at_most=_MOST_WEIGHTS))
            detail = str(copy)
        python = _python(wishes, reporter)
        self._aside = Aside(Program(python=python, name="torch_side"))
        reporter.stage("starting PyTorch", 0, 0)
        size = "" if wishes.guest.size is None else "x".join(map(str, wishes.guest.size))
        self._asked("it cannot be used here", "check")
        self.said = json.loads(
            self._asked("PyTorch cannot read it", "open", source.kind, name, detail, size)
        )
        if self.said["batch"] is not None:
            self._asked("PyTorch cannot read it", "one_by_one")

    def _asked(self, problem: str, verb: str, *arguments: str) -> str:
        with told_of(self._path, problem):
            return self._aside.ask(verb, *arguments)

    def answer(self, values: Reals) -> Reals:
        """By PyTorch."""
        with told_of(self._path, "PyTorch cannot run it"):
            return self._aside.answer(np.ascontiguousarray(values.transpose(0, 3, 1, 2)))

    def trace(self, values: Reals) -> Trace:
        """Of each operator, by the module that it is of."""
        return self._aside.trace(np.ascontiguousarray(values.transpose(0, 3, 1, 2)))

    def converted(self, shape: tuple[int, int, int]) -> bytes:
        """The bytes of litert-torch's float32 file of [1, h, w, c]."""
        made = self._aside.folder / "converted.tflite"
        shown = ",".join(map(str, shape))
        self._asked("litert-torch cannot convert it", "convert", shown, str(made))
        return given_files.read(made, at_most=1 << 31)
