"""PyTorch in an environment with litert-torch: asked as it is, and converted to a float32 .tflite.

`python -m aside.torch_side MEMORY`, with the verbs check, open, answer, trace
and convert (`loop`).
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import sys
import types
import warnings
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from .loop import Refusal, Verb, serve
from .written import Written

_held: dict[str, Any] = {}
_BATCH = 8


def check() -> str:
    """The versions of what is needed here.

    litert-torch takes seconds to import: it is imported when it converts, so that nobody waits for
    it to hear that the weights are of another network.
    """
    try:
        return f"{metadata.version('litert-torch')} {metadata.version('torch')}"
    except metadata.PackageNotFoundError as error:
        raise Refusal(f"{error.name} is not installed there") from None


def opened(kind: str, name: str, detail: str, size: str) -> str:
    """Builds the network and says of it, as JSON: shape, and what its publisher did to pictures.

    kind: pt2, code, timm or torchvision. name: a path, or that of a network. detail: the function
    of code, or the file of weights. size: height and width, where a person gives them.
    """
    given = [int(n) for n in size.split("x")] if size else None
    builders = {"pt2": _program, "code": _of_code, "timm": _of_timm, "torchvision": _of_torchvision}
    module, said = builders[kind](name, detail, given)
    _held["module"] = module
    return json.dumps(said)


def _program(path: str, _: str, __: Any) -> tuple[Any, dict[str, Any]]:
    import torch

    program = torch.export.load(path)
    names = set(program.graph_signature.user_inputs)
    found = [
        n.meta["val"] for n in program.graph.nodes if n.op == "placeholder" and n.name in names
    ]
    if len(found) != 1 or not isinstance(found[0], torch.Tensor) or found[0].ndim != 4:
        raise Refusal(f"it takes {len(found)} inputs; expected one picture [1, 3, height, width]")
    shape = [n if isinstance(n, int) else None for n in found[0].shape]
    if found[0].dtype != torch.float32 or shape[1] not in (1, 3):
        raise Refusal(
            f"its input is {found[0].dtype} {shape}; expected float32 [1, 3, height, width]"
        )
    module = program.module(check_guards=False)
    return module, {"shape": shape[1:], "batch": shape[0]}


def _of_code(path: str, function: str, size: Any) -> tuple[Any, dict[str, Any]]:
    import torch

    _with_torchvision()
    sys.path.insert(0, str(Path(path).parent))
    spec = importlib.util.spec_from_file_location("network_of_" + Path(path).stem, path)
    assert spec and spec.loader
    code = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(code)
    except ModuleNotFoundError as error:
        raise Refusal(
            f"it imports {error.name}, which is not installed there. Install it ({sys.executable} "
            f"-m pip install {error.name}), or export a .pt2, which needs no code"
        ) from None
    build = getattr(code, function, None)
    if build is None:
        raise Refusal(f"there is no {function} in it")
    module = build() if not isinstance(build, torch.nn.Module) else build
    if not isinstance(module, torch.nn.Module):
        raise Refusal(f"{function} returned {type(module).__name__}; expected a torch.nn.Module")
    first = next((m for m in module.modules() if isinstance(m, torch.nn.Conv2d)), None)
    channels = 1 if first is not None and first.in_channels == 1 else 3
    return module.eval(), {"shape": [channels, *(size or (None, None))], "batch": None}


def _of_timm(name: str, weights: str, size: Any) -> tuple[Any, dict[str, Any]]:
    _with_torchvision()
    import timm

    if not timm.is_model(name):
        raise Refusal(f"timm has no network {name!r}; timm.list_models() lists them")
    module = _loaded(lambda **more: timm.create_model(name, pretrained=False, **more), weights)
    config = timm.data.resolve_data_config({}, model=module)
    height, width = size or config["input_size"][1:]
    squash = config.get("crop_mode") == "squash"
    rule = {
        "mean": list(config["mean"]),
        "std": list(config["std"]),
        "resize": "stretch" if squash else "center_crop",
        "fraction": 1.0 if squash else float(config["crop_pct"]),
        "interpolation": config["interpolation"],
    }
    shape = [config["input_size"][0], height, width]
    return module, {"shape": shape, "batch": None, "published": rule}


def _of_torchvision(name: str, weights: str, size: Any) -> tuple[Any, dict[str, Any]]:
    _with_torchvision()
    from torchvision import models

    if name not in models.list_models(module=models):
        raise Refusal(f"torchvision has no classifier {name!r}; torchvision.models lists them")
    module = _loaded(lambda **more: models.get_model(name, weights=None, **more), weights)
    published = models.get_model_weights(name).DEFAULT.transforms()
    crop, whole = published.crop_size[0], published.resize_size[0]
    rule = {
        "mean": list(published.mean),
        "std": list(published.std),
        "resize": "center_crop",
        "fraction": min(1.0, crop / whole),
        "interpolation": published.interpolation.value,
    }
    return module, {"shape": [3, *(size or (crop, crop))], "batch": None, "published": rule}


def _loaded(build: Any, weights: str) -> Any:
    """A network with the weights of a file, and as many classes as it has."""
    held = _weights(weights)
    module = build()
    last = [k for k in module.state_dict() if k.endswith(".weight")][-1]
    if last in held and held[last].shape[:1] != module.state_dict()[last].shape[:1]:
        module = build(num_classes=int(held[last].shape[0]))
    if why := _unlike(held, module.state_dict()):
        raise Refusal(f"the weights are of another network ({why})")
    module.load_state_dict(held)
    return module.eval()


def _unlike(held: Any, wanted: Any) -> str:
    """What keeps weights from being those of a network; "" where nothing does."""
    shapes = {name: list(values.shape) for name, values in wanted.items()}
    given = {name: list(getattr(values, "shape", [])) for name, values in held.items()}
    if lacking := [name for name in shapes if name not in given]:
        return f"{len(lacking)} of its {len(shapes)} tensors are missing, {lacking[0]} first"
    if more := [name for name in given if name not in shapes]:
        return f"{len(more)} of {len(given)} tensors are none of it, {more[0][:80]} first"
    other = next((name for name in shapes if shapes[name] != given[name]), None)
    return f"{other} is {given[other]} and not {shapes[other]}" if other else ""


def _weights(path: str) -> Any:
    """Tensors by name; of a pickle, nothing but tensors is ever made."""
    import torch

    try:
        if path.endswith(".safetensors"):
            from safetensors.torch import load_file

            return load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # each reader raises its own
        reason = " ".join(str(error).split())[:200]
        raise Refusal(
            f"the file of weights is damaged ({reason}); was it cut short? Download it again"
        ) from None
    for key in ("state_dict", "model", "state_dict_ema"):
        if isinstance(found, dict) and isinstance(found.get(key), dict):
            found = found[key]
    return {k.removeprefix("module."): v for k, v in found.items()}


def _with_torchvision() -> None:
    """A torchvision that was built for another torch has none of its own operators; a classifier
    needs none, and what describes them would stop the import."""
    name = "torchvision._meta_registrations"
    sys.modules.setdefault(name, types.ModuleType(name))


def answer(given: str, made: str) -> str:
    """Writes float32 [n, k] to the file `made` for the pictures [n, c, h, w] in `given`."""
    import torch

    values = torch.from_numpy(np.load(given, allow_pickle=False))
    parts = []
    with torch.inference_mode():
        for begin in range(0, len(values), _held.setdefault("step", _BATCH)):
            part = values[begin : begin + _held["step"]]
            parts.append(_scores(_held["module"](part)).float().numpy())
    np.save(made, np.concatenate(parts))
    return ""


def trace(given: str, folder: str) -> str:
    """What leaves each operator for the pictures in `given`, written to `folder` (`written`)."""
    import torch
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    module, written = _held["module"], Written(folder)
    scope = [""]
    # Whatever is made lives until the picture is done: another tensor could get its id.
    alive: list[Any] = []

    class Watching(TorchDispatchMode):  # type: ignore[misc, unused-ignore]
        def __torch_dispatch__(self, func: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
            # Before the call: an operator in place gives what entered it.
            entering = [id(x) for x in tree_leaves((args, kwargs)) if isinstance(x, torch.Tensor)]
            result = func(*args, **(kwargs or {}))
            for made in tree_leaves(result):
                if isinstance(made, torch.Tensor):
                    alive.append(made)
                    kind = func.overloadpacket.__name__
                    values = made.detach().numpy().copy()
                    written.add((scope[-1] or kind, kind), values, entering, id(made))
            return result

    with _scoped(module, scope), torch.no_grad():
        for picture in np.load(given, allow_pickle=False):
            image = torch.from_numpy(picture[np.newaxis])
            alive[:] = [image]
            written.begin({id(image)})
            with Watching():
                _run(module, image, scope)
    return written.end()


@contextlib.contextmanager
def _scoped(module: Any, scope: list[str]) -> Iterator[None]:
    """The name of the module that is running is the last of `scope`."""
    hooks = []
    for name, part in module.named_modules():
        hooks += [
            part.register_forward_pre_hook(lambda *_, name=name: scope.append(name)),
            part.register_forward_hook(lambda *_: scope.pop() and None),
        ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _run(module: Any, image: Any, scope: list[str]) -> None:
    """Once through; the nodes of an exported program say themselves which module they are of."""
    import torch

    if not isinstance(module, torch.fx.GraphModule):
        module(image)
        return

    class Named(torch.fx.Interpreter):  # type: ignore[misc, unused-ignore]
        def run_node(self, node: Any) -> Any:
            stack = list((node.meta.get("nn_module_stack") or {}).values())
            scope.append(stack[-1][0] if stack and stack[-1][0] else node.name)
            result = super().run_node(node)
            scope.pop()
            return result

    Named(module).run(image)


def one_by_one() -> str:
    """For a program whose batch is one."""
    _held["step"] = 1
    return ""


def _scores(made: Any) -> Any:
    """The one tensor of an answer."""
    import torch

    if isinstance(made, dict):
        made = list(made.values())
    if isinstance(made, (tuple, list)) and len(made) == 1:
        made = made[0]
    if not isinstance(made, torch.Tensor):
        raise Refusal("it gives several results; expected one row of scores for each picture")
    return made


def convert(shape: str, made: str) -> str:
    """Writes the network of [1, h, w, c] to the file `made`. shape: c, h and w with commas."""
    import litert_torch
    import torch

    class Last(torch.nn.Module):  # type: ignore[misc, unused-ignore]
        """The network for pictures with their channels last."""

        def __init__(self, module: Any) -> None:
            super().__init__()
            self.module = module

        def forward(self, image: Any) -> Any:
            return _scores(self.module(image.permute(0, 3, 1, 2)))

    channels, height, width = (int(n) for n in shape.split(","))
    example = torch.zeros(1, height, width, channels)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        whole = Last(_held["module"])
        # A program that was exported has its mode in it, and takes no other.
        whole.training = False
        litert_torch.convert(whole, (example,)).export(made)
    return ""


if __name__ == "__main__":
    verbs: dict[str, Verb] = {
        "check": check,
        "open": opened,
        "answer": answer,
        "trace": trace,
        "one_by_one": one_by_one,
        "convert": convert,
    }
    serve(verbs, int(sys.argv[1]))
