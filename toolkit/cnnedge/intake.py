"""What one sample is to a loaded model: from what a person has to the values of the input tensor.

A model file enters; an Intake leaves, of pictures or of signals. Pictures are frames of any size,
which the file's resize rule makes pixels of; signals are numbers, which are taken as they were
measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from .bundle import Guest, ModelFile
from .encoding import Encoder, quantised
from .errors import DataError
from .preprocess import Pixels, prepare
from .specs.pixels import InputSize, Preprocess
from .specs.signals import Sample, SignalSize

Values = npt.NDArray[Any]


class Intake(Protocol):
    """size: of one sample. rule: the resize rule. in_place: a sample may be written to the tensor's
    memory. assumptions: what nobody said."""

    @property
    def rule(self) -> Preprocess: ...

    @property
    def assumptions(self) -> Sequence[str]: ...

    @property
    def size(self) -> Sample: ...

    @property
    def in_place(self) -> bool: ...

    def prepare(self, sample: Values, out: Values | None = None) -> Values:
        """The sample as the model takes it, of its size; in `out` when given. Raises DataError for
        what is none."""
        ...

    def checked(self, prepared: Values) -> Values:
        """What `prepare` gave. Raises DataError for anything else."""
        ...

    def encode(self, prepared: Values) -> Values:
        """As the input tensor's values, of its shape."""
        ...


def intake(model: ModelFile, guest: Guest) -> Intake:
    """What a model takes. Raises ModelError where it takes neither pictures nor signals."""
    signal = model.signal_size
    return PictureIntake(model, guest) if signal is None else SignalIntake(model, signal)


class PictureIntake:
    """Frames, uint8 as OpenCV has them, to uint8 pixels [height, width, channels]."""

    def __init__(self, model: ModelFile, guest: Guest) -> None:
        self.size: InputSize = model.picture_size()
        stated = guest.rule(model.preprocess)
        self.rule = stated or Preprocess()
        self._encoder = Encoder(model, guest)
        self.in_place: bool = self._encoder.in_place
        said = (
            "the file has no resize rule: frames are stretched to the input (change this with "
            "--resize)"
        )
        self.assumptions = (*(() if stated else (said,)), *self._encoder.assumptions)

    def prepare(self, sample: Values, out: Values | None = None) -> Values:
        """uint8 [height, width, channels]."""
        return prepare(checked_frame(sample), self.size, self.rule, out)

    def checked(self, prepared: Values) -> Values:
        if not isinstance(prepared, np.ndarray) or prepared.dtype != np.uint8:
            raise DataError(
                f"expected input pixels as 'prepare' gives them, uint8 {list(self.size.shape)}; "
                f"found {_found(prepared)}"
            )
        if prepared.shape != self.size.shape:
            raise DataError(
                f"expected input pixels of shape {list(self.size.shape)}, found "
                f"{list(prepared.shape)}; 'prepare' makes them from a frame of any size"
            )
        return prepared

    def encode(self, prepared: Values) -> Values:
        return self._encoder(prepared)


class SignalIntake:
    """Numbers to float32 [length, channels]. A quantised input holds them by its own scale."""

    in_place = False
    assumptions: Sequence[str] = ()

    def __init__(self, model: ModelFile, size: SignalSize) -> None:
        self.size = size
        self.rule = Preprocess()
        self._meaning = model.inputs[0]
        self._shape = tuple(self._meaning.tensor.shape)
        self._dtype = np.dtype(self._meaning.tensor.dtype)

    def prepare(self, sample: Values, out: Values | None = None) -> Values:
        """float32 [length, channels]. Takes numbers of any type, [length] where there is one
        channel."""
        found = self.checked(sample)
        if out is None:
            return found
        out[:] = found
        return out

    def checked(self, prepared: Values) -> Values:
        wanted = list(self.size.shape)
        what = f"expected a signal of this model, numbers {wanted}"
        if not isinstance(prepared, np.ndarray):
            kind = type(prepared)
            raise DataError(
                f"{what}; found a {kind.__module__}.{kind.__name__}: convert it with numpy.asarray"
            )
        if prepared.dtype.kind not in "fiu":
            raise DataError(f"{what}; found {prepared.dtype}, which are no numbers")
        if prepared.shape == (self.size.length,) and self.size.channels == 1:
            prepared = prepared[:, np.newaxis]
        if prepared.shape != self.size.shape:
            raise DataError(
                f"{what}; found {list(prepared.shape)}. Cut windows of {self.size.length} values "
                "out of a longer signal"
            )
        found = prepared.astype(np.float32, copy=False)
        if not np.isfinite(found).all():
            raise DataError(f"{what}; found NaN or infinity among them")
        return found

    def encode(self, prepared: Values) -> Values:
        if self._dtype.kind == "f":
            return prepared.astype(self._dtype, copy=False).reshape(self._shape)
        limits = np.iinfo(self._dtype)
        found = quantised(prepared.astype(np.float64), self._meaning)
        return np.clip(found, limits.min, limits.max).astype(self._dtype).reshape(self._shape)


def checked_frame(frame: Any) -> Pixels:
    """The frame, where it is one as OpenCV delivers it. Raises DataError, which says what came."""
    if isinstance(frame, np.ndarray) and frame.dtype == np.uint8 and 0 not in frame.shape:
        channels = frame.shape[2] if frame.ndim == 3 else 1
        if frame.ndim in (2, 3) and channels in (1, 3):
            return frame
    raise DataError(
        "expected a frame as OpenCV delivers it, uint8 [height, width, 3] BGR or [height, width] "
        f"grey; found {_found(frame)}"
    )


def _found(frame: Any) -> str:
    """What came in a frame's place, and what to do about it."""
    if frame is None:
        return "None. cv2.imread returns None if it cannot read a file: check the path"
    if isinstance(frame, (str, Path)):
        return f"the path {str(frame)!r}: read the picture first, cv2.imread({str(frame)!r})"
    if not isinstance(frame, np.ndarray):
        kind = type(frame)
        return (
            f"a {kind.__module__}.{kind.__name__}: convert a picture with numpy.asarray, and its "
            "order of colours with cv2.cvtColor(array, cv2.COLOR_RGB2BGR)"
        )
    said = f"{frame.dtype} {list(frame.shape)}"
    if 0 in frame.shape:
        return f"{said}, which has no pixels"
    if frame.dtype != np.uint8:
        return (
            f"{said}: pixels are whole numbers 0..255; convert fractions 0..1 with (255 * "
            "frame).round().astype('uint8')"
        )
    if frame.ndim == 3 and frame.shape[2] == 4:
        return f"{said}, with transparency: remove it with cv2.cvtColor(frame, cv2.COLOR_BGRA2BGR)"
    if frame.ndim == 4:
        return f"{said}, several frames: give them one at a time"
    if frame.ndim == 3 and frame.shape[0] in (1, 3):
        return f"{said}, with the colours first: move them last with frame.transpose(1, 2, 0)"
    return said
