"""Names for the outputs of an imported model: given, its own, or those of the pictures."""

from __future__ import annotations

from pathlib import Path

from ..architectures.weights import imagenet_labels
from ..bundle import Guest
from ..data import Dataset
from ..data.names import normalised
from ..errors import ModelError
from . import heads
from .opened import Opened

_IMAGENET = 1000


def labels_of(
    path: Path, opened: Opened, guest: Guest, dataset: Dataset | None, outputs: int
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """One for each class, all different; and what had to be assumed.

    Raises ModelError where nobody says them, or their number is another.
    """
    count = heads.classes(outputs)
    given = guest.names or opened.labels
    notes: list[str] = []
    if given is None and dataset is not None and len(dataset.classes) == count:
        given = dataset.classes
        notes.append(
            "the labels are the folders of --data in natural order; if the model's order is "
            "another: --labels FILE"
        )
    if given is None and count == _IMAGENET:
        given = imagenet_labels()
        notes.append("1,000 outputs are taken for ImageNet's classes (change: --labels FILE)")
    if given is None:
        raise ModelError(
            f"{path}: nobody says what its {count} outputs are called: --labels FILE, one class "
            "per line, in the order of the outputs"
        )
    if len(given) != count:
        raise ModelError(
            f"{path}: {len(given)} labels for {count} outputs; give one for each: --labels FILE"
        )
    found = tuple(normalised(label) for label in given)
    if len(set(found)) != count:
        twice = next(label for label in found if found.count(label) > 1)
        raise ModelError(f"{path}: the label '{twice[:80]}' stands twice; give different names")
    return found, tuple(notes)
