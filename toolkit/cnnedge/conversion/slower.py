"""int8 files that are slower than the float ones of the same network, and why.

XNNPACK has no integer kernel for some operators, hard swish among them: these run one value at a
time, and what lies between them is cut into pieces.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ..benchmark import Result
from .entries import Entry

# Below, noise may be the reason.
_SLOWER = 1.2
# At the ends of a network; they cost next to nothing.
_CHEAP = ("QUANTIZE", "DEQUANTIZE", "RESHAPE", "SOFTMAX")
# What is faster in integers: these have kernels for all of their operators.
_FAST = "mobilenet_v2 or efficientnet_lite0"


def slower_in_integers(entries: Sequence[Entry], latencies: Sequence[Result]) -> Iterator[str]:
    """One warning for each int8 file that a float one beats. latencies: of each entry."""
    for entry, timed in zip(entries, latencies, strict=True):
        floats = [e for e in entries if e.format in ("float32", "float16") and _same(e, entry)]
        left = ", ".join(
            name for name in dict.fromkeys(timed.delegate.left_behind) if name not in _CHEAP
        )
        if entry.format not in ("int8", "int8-float-io") or not floats or not left:
            continue
        best = min(floats, key=lambda e: e.median_ms)
        if best.median_ms and entry.median_ms >= _SLOWER * best.median_ms:
            yield (
                f"{entry.name} takes {entry.median_ms / best.median_ms:.1f} times as long as "
                f"{best.name}, because {timed.delegate.used} has no integer kernel for {left}. "
                f"Ship {best.name}, or train a model whose int8 is fast: {_FAST}"
            )


def _same(one: Entry, other: Entry) -> bool:
    return one.techniques == other.techniques and one.median_ms > 0
