"""Networks of torchvision and timm with random weights that behave like trained ones.

    python torch_sources.py PICTURES FOLDER ONNX NAME...

Runs in the environment that `cnnedge import` makes for PyTorch; bench_import.py starts it. NAME: of
torchvision, or timm:NAME, or lite0=CODE,FILE: EfficientNet-Lite0 with its published weights, of the
package efficientnet_lite_pytorch in the folder CODE and the state dict FILE. ONNX: a folder of
packages with `onnx`, for what is missing here. Writes NAME.pt2 and NAME.onnx to FOLDER; of timm
NAME.safetensors and NAME.onnx; of lite0 also a .tflite by litert-torch.

Random weights as they are drawn say little: where no BatchNorm has seen a picture, activations grow
from layer to layer to scores in the thousands, and all pictures get one label. So BatchNorm takes
its mean and variance from PICTURES, and the last layer is scaled and shifted until each score has a
mean of 0 and a standard deviation of 3 over PICTURES.
"""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import torch  # type: ignore[import-not-found, unused-ignore]
from PIL import Image
from safetensors.torch import save_file  # type: ignore[import-not-found, unused-ignore]

SIZE, PICTURES, BATCH = 224, 64, 16
MEAN, STD, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), 3.0


def main() -> None:
    pictures, folder, onnx, *names = sys.argv[1:]
    sys.path.append(onnx)
    files = sorted(p for p in Path(pictures).rglob("*") if p.suffix in (".jpg", ".png"))
    batch = torch.from_numpy(np.stack([pixels(f) for f in files[:: len(files) // PICTURES or 1]]))
    for name in names:
        torch.manual_seed(0)
        if name.startswith("lite0="):
            save_published(name.removeprefix("lite0="), Path(folder))
            continue
        model = network(name)
        with torch.no_grad():
            calibrate(model, batch[:PICTURES])
        stem = Path(folder) / name.replace("timm:", "timm_")
        if name.startswith("timm:"):
            save_file(model.state_dict(), f"{stem}.safetensors")
            save_onnx(model, stem)
        else:
            save(model, stem)


def pixels(path: Path) -> Any:
    """float32 [3, 224, 224]."""
    image = Image.open(path).convert("RGB").resize((SIZE, SIZE))
    values = (np.asarray(image, np.float32) / 255 - MEAN) / STD
    return values.astype(np.float32).transpose(2, 0, 1)


def network(name: str) -> Any:
    # A torchvision that was built for another torch has no operators, and a classifier needs none.
    sys.modules.setdefault("torchvision._meta_registrations", types.ModuleType("none"))
    import timm  # type: ignore[import-not-found, unused-ignore]
    from torchvision import models  # type: ignore[import-not-found, unused-ignore]

    if name.startswith("timm:"):
        return timm.create_model(name.removeprefix("timm:"), pretrained=False)
    return models.get_model(name, weights=None)


def calibrate(model: Any, batch: Any) -> None:
    """BatchNorm and the last layer, in place."""
    for part in model.modules():
        if isinstance(part, torch.nn.BatchNorm2d):
            part.momentum = None
        if isinstance(part, torch.nn.Dropout):
            part.p = 0.0
    model.train()
    scores(model, batch)
    model.eval()
    last = [part for part in model.modules() if isinstance(part, torch.nn.Linear)][-1]
    raw = scores(model, batch)
    factor = SPREAD / raw.std(0).mean()
    last.weight *= factor
    last.bias.sub_(raw.mean(0)).mul_(factor)


def scores(model: Any, batch: Any) -> Any:
    return torch.cat([model(batch[i : i + BATCH]) for i in range(0, len(batch), BATCH)])


def save_published(told: str, folder: Path) -> None:
    import litert_torch  # type: ignore[import-not-found, unused-ignore]

    code, weights = told.split(",")
    sys.path.append(code)
    from efficientnet_lite_pytorch import (  # type: ignore[import-not-found, unused-ignore]
        EfficientNet,
    )

    model = EfficientNet.from_pretrained("efficientnet-lite0", weights_path=weights).eval()
    save(model, folder / "torch_lite0")
    example = (torch.zeros(1, 3, SIZE, SIZE),)
    litert_torch.convert(model, example).export(str(folder / "litert_torch.tflite"))


def save(model: Any, stem: Path) -> None:
    example = (torch.zeros(1, 3, SIZE, SIZE),)
    torch.export.save(torch.export.export(model, example), f"{stem}.pt2")
    save_onnx(model, stem)


def save_onnx(model: Any, stem: Path | str) -> None:
    example = (torch.zeros(1, 3, SIZE, SIZE),)
    names = {"input_names": ["image"], "output_names": ["scores"]}
    torch.onnx.export(model, example, f"{stem}.onnx", dynamo=False, opset_version=17, **names)


if __name__ == "__main__":
    main()
