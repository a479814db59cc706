"""What does it bring to training that freed memory is kept for the next tensor?

Trains MobileNetV2, or --network, on random pictures in processes of their own, in turn: with what
`cnnedge train` and `convert` set up (training/memory.py), and with glibc as it is. Prints pictures
per second, page faults per picture, and the share of the processor time that the kernel took.

    python benchmarks/bench_freed_memory.py [--rounds 5] [--pictures 96] [--side 224]
                                            [--network MobileNetV2]

Linux alone: other C libraries give memory back less eagerly. Needs the train extra.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from typing import Any

KEPT, PLAIN = "freed memory kept", "glibc as it is"
BATCH = 16


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=96)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--network", default="MobileNetV2", help="of tf_keras.applications")
    parser.add_argument("--way", choices=(KEPT, PLAIN), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        print(json.dumps(trained(given)))
        return
    found: dict[str, list[dict[str, float]]] = {KEPT: [], PLAIN: []}
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for _ in range(given.rounds):
        for way, results in found.items():
            results.append(elsewhere(way))
    print(f"{'':20}{'pictures/s':>12}{'range':>16}{'faults/picture':>16}{'in the kernel':>15}")
    for way, results in found.items():
        rates = [each["rate"] for each in results]
        faults, kernel = (
            statistics.median(each[key] for each in results) for key in ("faults", "kernel")
        )
        shown = f"{min(rates):.1f} to {max(rates):.1f}"
        print(f"{way:20}{statistics.median(rates):12.1f}{shown:>16}{faults:16,.0f}{kernel:15.0%}")
    ratios = [a["rate"] / b["rate"] for a, b in zip(found[KEPT], found[PLAIN], strict=True)]
    print(
        f"kept / as it is: {statistics.median(ratios):.2f} ({min(ratios):.2f}..{max(ratios):.2f})"
    )


def elsewhere(way: str) -> dict[str, float]:
    """One round in a new process."""
    words = [sys.executable, *sys.argv, "--way", way]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MALLOC_")}
    done = subprocess.run(words, env=environment, stdout=subprocess.PIPE, check=True)
    answer: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return answer


def trained(given: argparse.Namespace) -> dict[str, float]:
    """The second epoch of a training: the first one also traces the graph."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    if given.way == KEPT:
        from cnnedge.training.backend import keep_freed

        keep_freed()
    import numpy as np
    import tensorflow as tf
    import tf_keras

    shape = (given.side, given.side, 3)
    network = getattr(tf_keras.applications, given.network)
    model: Any = network(weights=None, input_shape=shape, classes=8)
    model.compile("sgd", "sparse_categorical_crossentropy")
    rng = np.random.default_rng(0)
    pictures = rng.random((given.pictures, *shape), dtype=np.float32)
    classes = rng.integers(0, 8, given.pictures)
    batches = tf.data.Dataset.from_tensor_slices((pictures, classes)).batch(BATCH)
    model.fit(batches, verbose=0)
    before, began = resource.getrusage(resource.RUSAGE_SELF), time.perf_counter()
    model.fit(batches, verbose=0)
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF)
    kernel, user = after.ru_stime - before.ru_stime, after.ru_utime - before.ru_utime
    return {
        "rate": given.pictures / seconds,
        "faults": (after.ru_minflt - before.ru_minflt) / given.pictures,
        "kernel": kernel / (kernel + user),
    }


if __name__ == "__main__":
    main()
