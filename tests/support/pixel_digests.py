"""Digests of input pixels, for comparing machines: `python pixel_digests.py REQUEST.json`.

Runs on any machine with cnnedge. The request: files (pictures), rules (keywords of Preprocess),
whole (the input's height, width and channels for whole pictures), cuts (the height and width that
the first picture is cut to), sizes (of the input for those) and library (a compiled resample.c, or
null for what is installed). One digest for each picture, size and rule leaves on standard output.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cnnedge.preprocess as preprocess
from cnnedge.pictures import read_picture
from cnnedge.specs import InputSize, Preprocess


def digests(request: dict[str, Any]) -> list[str]:
    if request.get("library"):
        resample = preprocess.compiled.load(Path(request["library"]))
        found_here: Any = preprocess.compiled
        found_here.find = lambda: resample
    pictures = {Path(file).name: read_picture(file) for file in request["files"]}
    found = [f"{name} decoded {_digest(picture)}" for name, picture in pictures.items()]
    for name, picture in pictures.items():
        found += _inputs(name, picture, [request["whole"]], request["rules"])
    name, picture = next(iter(pictures.items()))
    for number, (height, width) in enumerate(request["cuts"]):
        cut = picture[:height, :width, number % 2] if number % 3 == 2 else picture[:height, :width]
        found += _inputs(name, cut, request["sizes"], request["rules"])
    return found


def _inputs(name: str, frame: Any, sizes: Any, rules: Any) -> Iterator[str]:
    for height, width, channels in sizes:
        size = InputSize(height=height, width=width, channels=channels)
        for rule in rules:
            digest = _digest(preprocess.prepare(frame, size, Preprocess(**rule)))
            yield f"{name} {frame.shape} {size.shape} {rule} {digest}"


def _digest(pixels: Any) -> str:
    return hashlib.sha256(pixels.tobytes()).hexdigest()[:12]


if __name__ == "__main__":
    sys.stdout.write("\n".join(digests(json.loads(Path(sys.argv[1]).read_text()))) + "\n")
