"""Data sets by name, through the packages that know where they come from: Keras, TFDS and
scikit-learn, which holds its own.

A name enters; a `Listing` in memory leaves. TensorFlow is imported here alone in this package, and
only when such a name is asked for.
"""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Any

import numpy as np

from ..errors import DataError, MissingExtraError
from ..preprocess import prepare
from ..specs.pixels import InputSize, Preprocess
from .arrays import FASHION_LABELS, listing_of, npz_blocks
from .names import numbered
from .store import TEST, TRAIN, VAL, ArrayStore, Frame, Listing

KERAS: dict[str, tuple[str, tuple[str, ...] | None]] = {
    "mnist": ("mnist.npz", None),
    "fashion_mnist": ("fashion-mnist/ (its four .gz files)", FASHION_LABELS),
    "cifar10": (
        "cifar-10-batches-py.tar.gz",
        (
            *("airplane", "automobile", "bird", "cat", "deer"),
            *("dog", "frog", "horse", "ship", "truck"),
        ),
    ),
}
_DIGIT_SIDE, _DIGIT_MARGIN = 20, 4
_TFDS_PARTS = {"train": TRAIN, "validation": VAL, "val": VAL, "test": TEST}


def keras_listing(name: str, labels: tuple[str, ...] | None) -> Listing:
    """A data set that Keras knows, downloaded or from its cache."""
    source = f"keras:{name}"
    if name not in KERAS:
        raise DataError(f"{source}: not known here; allowed: {', '.join(KERAS)}")
    try:
        from tf_keras import datasets
    except ImportError:
        raise MissingExtraError(
            f"{source} needs Keras. Install it: pip install 'cnnedge[train]'"
        ) from None
    file, own_labels = KERAS[name]
    try:
        # Keras prints its progress to stdout, where results belong.
        with redirect_stdout(sys.stderr):
            (x_train, y_train), (x_test, y_test) = getattr(datasets, name).load_data()
    except Exception as error:
        # Keras raises plain Exception for a failed download.
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(
            f"{source}: Keras could not fetch it: {reason}. Without the internet, place {file} in "
            "~/.keras/datasets, or use a folder with IDX files "
            "(train-images-idx3-ubyte.gz, ...), or source: embedded:fashion_mnist or sklearn:digits"
        ) from None
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    return listing_of(source, npz_blocks(arrays, source), labels or own_labels)


def tfds_listing(name: str, labels: tuple[str, ...] | None) -> Listing:
    """A data set of TensorFlow Datasets with the features image and label; held in memory."""
    source = f"tfds:{name}"
    try:
        import tensorflow_datasets as tfds
    except ImportError:
        raise MissingExtraError(
            f"{source} needs TensorFlow Datasets. Install it: "
            "pip install 'cnnedge[train]' tensorflow-datasets"
        ) from None
    try:
        with redirect_stdout(sys.stderr):
            loaded, info = tfds.load(name, as_supervised=True, with_info=True)
        splits = {s: part for s, part in _TFDS_PARTS.items() if s in loaded}
        found = {part: list(tfds.as_numpy(loaded[s])) for s, part in splits.items()}
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise DataError(f"{source}: TensorFlow Datasets could not load it: {reason}") from None
    if not found.get(TRAIN):
        raise DataError(f"{source}: it has the splits {', '.join(loaded)}; expected train")
    return _tfds_listing(source, found, labels or _tfds_names(info))


def sklearn_listing(name: str, labels: tuple[str, ...] | None) -> Listing:
    """The 1,797 handwritten digits that scikit-learn holds, 8 x 8 pixels in 17 levels: a part of
    UCI's "Optical Recognition of Handwritten Digits" (Alpaydin and Kaynak 1998).

    They fill their pictures, and are enlarged to 20 x 20 in the middle of 28 x 28, as MNIST's are:
    in 8 x 8, the smallest move would be one by an eighth of the picture, and cut the digit off.
    """
    source = f"sklearn:{name}"
    if name != "digits":
        raise DataError(f"{source}: not known here; allowed: digits")
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise MissingExtraError(
            f"{source} needs scikit-learn. Install it: pip install 'cnnedge[train]'"
        ) from None
    held = load_digits()
    small = np.rint(held.images * (255 / 16)).astype(np.uint8)
    size = InputSize(height=_DIGIT_SIDE, width=_DIGIT_SIDE, channels=1)
    around = ((0, 0), (_DIGIT_MARGIN, _DIGIT_MARGIN), (_DIGIT_MARGIN, _DIGIT_MARGIN))
    rule = Preprocess(resize="stretch", interpolation="bilinear")
    large = np.stack([prepare(picture, size, rule)[..., 0] for picture in small])
    arrays = {"x": np.pad(large, around), "y": held.target}
    return listing_of(source, npz_blocks(arrays, source), labels)


def _tfds_listing(
    source: str, found: dict[int, list[tuple[Any, Any]]], labels: tuple[str, ...] | None
) -> Listing:
    pictures: list[Frame] = []
    targets: list[int] = []
    for picture, label in (pair for part in sorted(found) for pair in found[part]):
        frame = np.asarray(picture)
        if frame.dtype != np.uint8 or frame.ndim != 3 or frame.shape[2] not in (1, 3):
            raise DataError(
                f"{source}: found pictures {frame.dtype} {frame.shape}; expected uint8 RGB"
            )
        pictures.append(frame[:, :, 0] if frame.shape[2] == 1 else frame)
        targets.append(int(label))
    names = {TRAIN: "train", VAL: "val", TEST: "test"}
    same = len({p.shape for p in pictures}) == 1
    return Listing(
        source=source,
        classes=numbered(max(targets) + 1, labels, source),
        store=ArrayStore(
            np.stack(pictures) if same else pictures,
            [(names[part], len(found[part])) for part in sorted(found)],
        ),
        targets=np.array(targets, np.int64),
        part=np.repeat(
            np.array(sorted(found), np.int8), [len(found[part]) for part in sorted(found)]
        ),
        own=frozenset(part for part in found if part != TRAIN),
    )


def _tfds_names(info: Any) -> tuple[str, ...] | None:
    names = getattr(info.features.get("label"), "names", None)
    return tuple(names) if names else None
