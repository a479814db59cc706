"""Whether a machine makes the same pixels: `python -m cnnedge.pixel_check` prints digests as JSON.

Nothing enters but one embedded JPEG; digests leave, of its pixels and of the input that each resize
rule makes of them, to be held against those of another machine.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from importlib import resources
from typing import Any, get_args, get_type_hints

from .pictures import read_picture
from .preprocess import Pixels, implementation, prepare
from .specs.pixels import InputSize, Preprocess

# Smaller, larger, and of another shape than the picture.
_SIZES = ((96, 96), (224, 224), (160, 320), (28, 28))
_CHOICES = get_type_hints(Preprocess)
# The one that OpenCV computes itself: its pixels differ between processors.
_OTHER = "opencv_bilinear"


@dataclass(frozen=True, kw_only=True)
class Digests:
    """decoded: of the picture's pixels. rules: by 'resize interpolation', of the input pixels in
    colour and grey. implementation: `compiled` or `portable`."""

    decoded: str
    rules: Mapping[str, str]
    implementation: str

    def parted(self, other: Digests) -> list[str]:
        """What differs: 'decoding', or the names of rules."""
        if self.decoded != other.decoded:
            return ["decoding"]
        return [name for name, digest in self.rules.items() if other.rules.get(name) != digest]


@dataclass(frozen=True, kw_only=True)
class Questions:
    """What the digests are of: a JPEG file, input sizes (height, width), each in grey and in colour
    for each rule."""

    picture: bytes
    sizes: tuple[tuple[int, int], ...]
    rules: tuple[Preprocess, ...]


def questions() -> Questions:
    """For a machine that runs no Python."""
    data = resources.files("cnnedge.embedded").joinpath("check.jpg").read_bytes()
    return Questions(picture=data, sizes=_SIZES, rules=tuple(_rules()))


def digests() -> Digests:
    """Of this machine; takes some tenths of a second."""
    picture = read_picture(questions().picture)
    return Digests(
        decoded=_digest([picture]),
        rules={
            f"{rule.resize} {rule.interpolation}": _digest(_inputs(picture, rule))
            for rule in _rules()
        },
        implementation=implementation(),
    )


def read(answer: Any) -> Digests | None:
    """The digests that another machine printed; None for anything else."""
    if not isinstance(answer, dict) or not isinstance(answer.get("rules"), dict):
        return None
    texts = (answer.get("decoded"), answer.get("implementation"), *answer["rules"].values())
    if not all(isinstance(text, str) for text in texts):
        return None
    return Digests(
        decoded=str(answer["decoded"]),
        rules={str(k): str(v) for k, v in answer["rules"].items()},
        implementation=str(answer["implementation"]),
    )


def _rules() -> Iterator[Preprocess]:
    for resize in get_args(_CHOICES["resize"]):
        for interpolation in get_args(_CHOICES["interpolation"]):
            if interpolation != _OTHER:
                fraction = 0.875 if resize == "center_crop" else 1.0
                yield Preprocess(resize=resize, interpolation=interpolation, crop_fraction=fraction)


def _inputs(picture: Pixels, rule: Preprocess) -> Iterator[Pixels]:
    for height, width in _SIZES:
        for channels in (1, 3):
            yield prepare(picture, InputSize(height=height, width=width, channels=channels), rule)


def _digest(pictures: Any) -> str:
    digest = hashlib.sha256()
    for pixels in pictures:
        digest.update(repr(pixels.shape).encode())
        digest.update(pixels.tobytes())
    return digest.hexdigest()[:16]


def main() -> int:
    """Prints the digests as one line of JSON."""
    sys.stdout.writelines([json.dumps(asdict(digests())), "\n"])
    return 0


if __name__ == "__main__":
    sys.exit(main())
