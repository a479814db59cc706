"""Makes toolkit/cnnedge/embedded/check.jpg, which `cnnedge devices check` decodes and scales there.

    python benchmarks/make_check_picture.py [FILE]

A frame of the built-in scene with noise, odd in both sizes, its colours at half the resolution, as
cameras write JPEGs. Another libjpeg may write other bytes: the file is made once, and kept.
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from cnnedge.camera import SampleSource

OUT = Path(__file__).resolve().parent.parent / "toolkit/cnnedge/embedded/check.jpg"


def main(out: Path) -> None:
    frame = next(iter(SampleSource())).pixels
    small = cv2.resize(frame, (189, 141), interpolation=cv2.INTER_LINEAR_EXACT)
    noise = np.random.default_rng(0).normal(0, 12, small.shape)
    pixels = np.clip(small + noise, 0, 255).astype(np.uint8)
    cv2.imwrite(str(out), pixels, [cv2.IMWRITE_JPEG_QUALITY, 80])
    print(out, out.stat().st_size)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else OUT)
