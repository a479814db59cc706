"""Which maps of EfficientNet-Lite0 carry a style: its linear bottlenecks, or its rectified maps?

Changes the pixels of one photograph until their features have the Gram matrices of the style
picture (Gatys, Ecker and Bethge 2016), once with each kind of maps, and puts what comes of it side
by side: python benchmarks/style_features.py --out style_features.png
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np

from cnnedge.specs.style import Style
from cnnedge.training import backend

# At the same sizes of the picture: what a block hands on, and what is rectified on the way.
RECTIFIED = (
    *("stem_activation", "block1a_activation", "block2b_expand_activation"),
    *("block3b_expand_activation", "block5b_expand_activation"),
)
SIDE = 160


def repainted(loss: Any, content: Any, how: Style, steps: int) -> tuple[Any, float, float]:
    """uint8 [h, w, 3], and the distance from the style before and after."""
    import tensorflow as tf
    import tf_keras

    wanted = tf.constant(content[None], tf.float32)
    pixels = tf.Variable(wanted)
    optimizer = tf_keras.optimizers.legacy.Adam(6.0)

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def step() -> Any:
        with tf.GradientTape() as tape:
            found = loss(tf.clip_by_value(pixels, 0.0, 255.0), wanted)
            total = how.content * found.content + how.style * found.style
            total += how.smoothness * found.smoothness
        optimizer.apply_gradients([(tape.gradient(total, pixels), pixels)])
        return found.style

    styles = [float(step()) for _ in range(steps)]
    return np.clip(pixels.numpy()[0].round(), 0, 255).astype(np.uint8), styles[0], styles[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--out", type=Path, default=Path("style_features.png"))
    asked = parser.parse_args()
    backend.require("train")
    import cv2
    from sklearn.datasets import load_sample_images

    from cnnedge.training.style.figure import save_row
    from cnnedge.training.style.painting import style_picture
    from cnnedge.training.style.perception import STYLE_LAYERS, PerceptualLoss

    how = Style()
    painting = style_picture(how)
    cut = load_sample_images().images[0][40:420, 60:440]
    content = cv2.resize(cut, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    shown = [("the style picture", painting), ("a photograph", content)]
    for name, layers in (("rectified maps", RECTIFIED), ("linear bottlenecks", STYLE_LAYERS)):
        started = time.perf_counter()
        loss = PerceptualLoss(painting, "imagenet", None, layers)
        picture, before, after = repainted(loss, content, how, asked.steps)
        shown.append((f"its pixels, by {name}", picture))
        print(
            f"{name}: distance from the style {before:.3f}, after {asked.steps} steps {after:.3f}, "
            f"{time.perf_counter() - started:.0f} s"
        )
    save_row(
        asked.out, "The strokes are in the linear bottlenecks, not in the rectified maps", shown
    )


if __name__ == "__main__":
    main()
