"""Makes toolkit/cnnedge/embedded/fashion_mnist.npz from the four IDX files of Fashion-MNIST.

    python benchmarks/make_embedded.py FOLDER_WITH_THE_IDX_FILES [FILE]

1,000 training pictures of each class out of train-*, 200 test pictures of each out of t10k-*,
drawn with a fixed seed: the same input gives the same file. Debian packages the IDX files as
`dataset-fashion-mnist`.
"""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np

from cnnedge.data.idx import read_idx

PER_CLASS = {"train": 1000, "t10k": 200}
SEED = 2017
OUT = Path(__file__).resolve().parent.parent / "toolkit/cnnedge/embedded/fashion_mnist.npz"


def draw(folder: Path, part: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """uint8 [n, 28, 28] and uint8 [n], equally many of each class, in the order of the source."""
    x = read_idx(folder / f"{part}-images-idx3-ubyte.gz")
    y = read_idx(folder / f"{part}-labels-idx1-ubyte.gz")
    chosen = [
        rng.choice(np.flatnonzero(y == label), PER_CLASS[part], replace=False)
        for label in range(10)
    ]
    rows = np.sort(np.concatenate(chosen))
    return x[rows], y[rows]


def main(folder: Path, out: Path) -> None:
    rng = np.random.default_rng(SEED)
    x_train, y_train = draw(folder, "train", rng)
    x_test, y_test = draw(folder, "t10k", rng)
    arrays = {"x_train": x_train, "y_train": y_train, "x_test": x_test, "y_test": y_test}
    # np.savez_compressed offers no choice of level; 9 saves a few kB more.
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, values in arrays.items():
            entry = zipfile.ZipInfo(f"{name}.npy")
            entry.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(entry, "w") as stream:
                np.lib.format.write_array(stream, np.ascontiguousarray(values))
    print(f"{out.name}: {out.stat().st_size:,} bytes, {len(x_train)} + {len(x_test)} pictures")


if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) == 3 else OUT)
