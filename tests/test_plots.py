"""The pictures of a training run: real PNG files of a sane size, whatever the labels."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import cv2
import numpy as np
import pytest

pytest.importorskip("matplotlib")

from cnnedge.training.plots import save_augmentation_grid, save_confusion, save_curves


@pytest.fixture(autouse=True)
def no_warnings():
    """A missing glyph or a failed layout is a warning in matplotlib, and a failure here."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def history(epochs: int, *, validated_every: int = 1) -> list[dict[str, float | None]]:
    rows: list[dict[str, float | None]] = []
    for epoch in range(1, epochs + 1):
        seen = epoch % validated_every == 0
        rows.append(
            {
                "epoch": epoch,
                "loss": math.exp(-epoch / 5),
                "accuracy": 0.9 - 0.2 * math.exp(-epoch / 5),
                "val_loss": 1.1 * math.exp(-epoch / 5) if seen else None,
                "val_accuracy": 0.89 - 0.2 * math.exp(-epoch / 5) if seen else None,
                "learning_rate": 1e-3 * 0.8**epoch,
                "seconds": 2.5,
            }
        )
    return rows


def png(path: Path) -> np.ndarray:
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    picture = cv2.imread(str(path))
    assert picture is not None
    height, width = picture.shape[:2]
    assert 200 <= height <= 3000
    assert 200 <= width <= 3000
    assert len(np.unique(picture.astype(int) @ (1, 256, 65536))) > 10, "the picture is blank"
    assert [p.name for p in path.parent.iterdir()] == [path.name], "a temporary file is left"
    return picture


def has_colour(picture: np.ndarray, rgb: tuple[int, int, int]) -> bool:
    return bool((np.abs(picture.astype(int) - rgb[::-1]).max(axis=2) <= 2).any())


@pytest.mark.parametrize(("epochs", "every"), [(1, 1), (30, 1), (12, 5), (300, 1)])
def test_curves(tmp_path, epochs, every):
    save_curves(tmp_path / "curves.png", history(epochs, validated_every=every))
    picture = png(tmp_path / "curves.png")
    assert picture.shape == (960, 1290, 3)
    assert has_colour(picture, (37, 99, 235)), "validation is drawn in blue"


def test_curves_without_validation_draw_no_best_epoch(tmp_path):
    rows = history(10)
    for row in rows:
        del row["val_loss"], row["val_accuracy"]
    save_curves(tmp_path / "curves.png", rows)
    assert not has_colour(png(tmp_path / "curves.png"), (37, 99, 235))


def test_curves_survive_a_run_that_diverged(tmp_path):
    rows = history(5)
    for row in rows[2:]:
        row |= {"loss": math.nan, "val_loss": math.inf, "learning_rate": 0.0}
    save_curves(tmp_path / "curves.png", rows)
    png(tmp_path / "curves.png")


def test_curves_of_nothing_are_refused(tmp_path):
    with pytest.raises(ValueError, match="no rows"):
        save_curves(tmp_path / "curves.png", [])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("classes", [2, 10, 25, 30, 40])
def test_confusion(tmp_path, classes):
    matrix = np.full((classes, classes), 2) + np.diag(np.full(classes, 90))
    save_confusion(tmp_path / "confusion.png", matrix, [f"class {i}" for i in range(classes)])
    png(tmp_path / "confusion.png")


@pytest.mark.parametrize(
    "labels",
    [
        ["café", "Größe", "naïve", "señor"],
        ["日本語", "العربية", "हिन्दी", "😀"],
        ["$a_b$", "100 % $", "\\alpha", "<script>"],
        ["line\nbreak", "\x00", "", " "],
        ["x" * 200, "a very long label with many words " * 4, "y", "z"],
    ],
)
def test_any_label_is_drawn_without_a_warning(tmp_path, labels):
    save_confusion(tmp_path / "confusion.png", np.eye(4, dtype=int) * 5 + 1, labels)
    png(tmp_path / "confusion.png")
    (tmp_path / "confusion.png").unlink()
    pictures = np.random.default_rng(0).integers(0, 255, (4, 28, 28, 1), dtype=np.uint8)
    save_augmentation_grid(tmp_path / "grid.png", pictures, pictures[:, None], labels)
    png(tmp_path / "grid.png")


def test_confusion_with_an_empty_class_or_no_pictures_at_all(tmp_path):
    matrix = np.array([[5, 1, 0], [0, 0, 0], [2, 0, 123_456]])
    save_confusion(tmp_path / "confusion.png", matrix, ["a", "b", "c"])
    png(tmp_path / "confusion.png")
    save_confusion(tmp_path / "confusion.png", np.zeros((3, 3), int), ["a", "b", "c"])
    png(tmp_path / "confusion.png")


def test_confusion_names_shapes_that_do_not_fit(tmp_path):
    with pytest.raises(ValueError, match=r"\(3, 3\) for 3 labels, found \(2, 2\)"):
        save_confusion(tmp_path / "confusion.png", np.eye(2, dtype=int), ["a", "b", "c"])


@pytest.mark.parametrize("shape", [(28, 28, 1), (32, 32, 3), (96, 160, 3), (300, 200, 3)])
@pytest.mark.parametrize("versions", [1, 7])
def test_augmentation_grid(tmp_path, shape, versions):
    random = np.random.default_rng(0)
    originals = random.integers(0, 255, (3, *shape), dtype=np.uint8)
    augmented = random.integers(0, 255, (3, versions, *shape), dtype=np.uint8)
    save_augmentation_grid(tmp_path / "grid.png", originals, augmented, ["a", "b", "c"])
    png(tmp_path / "grid.png")


def test_augmentation_grid_keeps_rgb_order(tmp_path):
    red = np.zeros((1, 40, 40, 3), np.uint8)
    red[..., 0] = 250
    save_augmentation_grid(tmp_path / "grid.png", red, red[:, None] // 2, ["red"])
    assert has_colour(cv2.imread(str(tmp_path / "grid.png")), (250, 0, 0))


def test_augmentation_grid_names_shapes_that_do_not_fit(tmp_path):
    pictures = np.zeros((2, 8, 8, 3), np.uint8)
    with pytest.raises(ValueError, match="1 labels"):
        save_augmentation_grid(tmp_path / "grid.png", pictures, pictures[:, None], ["one"])
    with pytest.raises(ValueError, match="expected"):
        save_augmentation_grid(tmp_path / "g.png", pictures, pictures[:, None, :4], ["a", "b"])


def test_a_failed_write_keeps_the_old_picture(tmp_path, monkeypatch):
    path = tmp_path / "curves.png"
    save_curves(path, history(3))
    before = path.read_bytes()

    def full_disk(*_args, **_kwargs):
        raise RuntimeError("interrupted")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full_disk)
    with pytest.raises(RuntimeError):
        save_curves(path, history(4))
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["curves.png"]
