"""What a model says of each picture, with a digest of what it was shown.

A classifier and pictures enter; raw outputs and digests leave, one for each picture, and as a
file. Computed by the same code here and on a device.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..classifier import Classifier
from ..engines import AgreementCheck
from ..errors import DeviceError
from ..numpy_files import read_array, read_arrays
from ..picture_model import Drawer
from .parcel import Frame

Digests = npt.NDArray[np.uint64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Predictions:
    """Of n pictures.

    raw: the outputs as they are, [n, values], of their own type (`Classifier.in_a_row`). decoded: a
    digest of each picture's pixels, uint64 [n]; prepared: of the same as the model's input, uint64
    [n].
    """

    raw: npt.NDArray[np.generic]
    decoded: Digests
    prepared: Digests

    def best(self, classifier: Classifier) -> npt.NDArray[np.int64]:
        """int64 [n]: the class that each answer names. Raises ModelError for one of no numbers."""
        named = (classifier.numeric(classifier.decode(raw)).index for raw in self.raw)
        return np.fromiter(named, np.int64, len(self.raw))

    def write(self, path: Path) -> None:
        """As an .npz file."""
        with open(path, "wb") as file:
            np.savez(file, raw=self.raw, decoded=self.decoded, prepared=self.prepared)


def predict(
    classifier: Classifier | Drawer,
    pictures: Iterable[Frame],
    *,
    check: AgreementCheck | None = None,
    progress: Callable[[int], None] | None = None,
) -> Predictions:
    """Answers the pictures one by one. progress: is told how many are done."""
    raw, decoded, prepared = [], [], []
    for done, picture in enumerate(pictures, start=1):
        pixels = classifier.prepare(picture)
        values = classifier.encode(pixels)
        classifier.engine.set_input(values)
        output = classifier.infer()
        if check is not None:
            check.see(values, output)
        raw.append(classifier.in_a_row(output).copy())
        decoded.append(_digest(picture))
        prepared.append(_digest(pixels))
        if progress:
            progress(done)
    if check is not None:
        check.close()
    return Predictions(
        raw=np.array(raw),
        decoded=np.array(decoded, np.uint64),
        prepared=np.array(prepared, np.uint64),
    )


def read(path: Path, *, like: Predictions, name: str) -> Predictions:
    """What a device wrote, of the same form as `like`. Raises DeviceError where it is not.

    It comes from elsewhere: nothing in it is executed, and nothing is taken for granted.
    """
    with _refused(name):
        held = read_arrays(path)
        found = {key: held[key] for key in ("raw", "decoded", "prepared")}
    for key, values in found.items():
        _check_form(key, values, getattr(like, key), name)
    return Predictions(**found)


def read_pixels(path: Path, *, like: Frame, name: str) -> Frame:
    """Input pixels that a device wrote, of the same form as `like`; as careful as `read`."""
    with _refused(name):
        found = read_array(path)
    _check_form("pixels", found, like, name)
    pixels: Frame = found
    return pixels


@contextlib.contextmanager
def _refused(name: str) -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        raise DeviceError(f"{name}: its predictions lack {error}; run it again") from None
    except (OSError, ValueError) as error:
        raise DeviceError(
            f"{name}: its predictions cannot be read ({error}); run it again"
        ) from None


def _check_form(key: str, values: Any, wanted: npt.NDArray[Any], name: str) -> None:
    if values.shape != wanted.shape or values.dtype != wanted.dtype:
        raise DeviceError(
            f"{name}: its predictions hold {key} as {values.dtype} {list(values.shape)}; "
            f"expected {wanted.dtype} {list(wanted.shape)}. It may run another cnnedge: "
            f"cnnedge devices clean {name}"
        )


def _digest(values: npt.NDArray[np.uint8]) -> int:
    # What browsers compute, too.
    digest = hashlib.sha256(repr(values.shape).encode())
    digest.update(np.ascontiguousarray(values).data)
    return int.from_bytes(digest.digest()[:8], "big")
