"""A recipe and model small enough to train in seconds."""

from __future__ import annotations

from pathlib import Path

# A training of style that ends in seconds, and what its conversion takes.
QUICK_STYLE = (
    *("--set", "style.steps=2", "--set", "style.side=32", "--set", "style.batch_size=1"),
    *("--set", "style.picture_side=64", "--set", "input.height=64", "--set", "input.width=96"),
    *("--set", "convert.calibration.count=8"),
)
MODEL = """\
description: Two small convolutions.
input: {height: 24, width: 24, channels: 3}
layers:
  - Rescaling: {scale: 1/255}
  - Conv2D: {filters: 8, kernel_size: 3, padding: same, use_bias: false}
  - BatchNormalization: {momentum: 0.8}
  - ReLU
  - MaxPooling2D: {pool_size: 2}
  - Conv2D: {filters: 16, kernel_size: 3, padding: same, activation: relu}
  - MaxPooling2D: {pool_size: 2}
  - Dropout: {rate: 0.1}
  - Flatten
  - Dense: {units: classes, activation: softmax}
"""

RECIPE = """\
description: Shapes.
data:
  source: {source}
  splits: {{train: 0.6, val: 0.2, test: 0.2}}
model: {model}
preprocess: {{resize: letterbox}}
training:
  epochs: {epochs}
  batch_size: 16
  optimizer: {{name: adam, learning_rate: 0.01}}
  schedule: {{name: cosine, warmup_epochs: 1}}
augmentation: {{flip: both, shift: 0.05}}
convert:
  calibration: {{count: 40}}
"""


def write_recipe(folder: Path, source: Path | str, epochs: int = 6) -> Path:
    """shapes.yaml and its model in `folder`; returns the recipe's path."""
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / "shapes_model.yaml"
    model.write_text(MODEL)
    recipe = folder / "shapes.yaml"
    recipe.write_text(RECIPE.format(source=source, model=model, epochs=epochs))
    return recipe
