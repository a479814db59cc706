"""Who learns and who judges: pictures to train, val and test by their content.

Content hashes enter, the part of each picture leaves. u = a number in [0, 1) drawn from the hash
and the seed; a picture is test below the test fraction, val below test + val, train above. So
adding, removing, renaming or moving pictures moves none of the others, and every class is cut by
the same law. Fractions come out near the asked ones, never exact: exact ones would need each
picture to know how many others there are.

The one exception is a class so small that the law leaves it without a train, val or test picture:
the missing part borrows the picture of that class whose u lies nearest to the part's range.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..specs.recipe import Splits
from .store import PARTS, TEST, TRAIN, VAL, Hashes, Indices

Ranges = dict[int, tuple[float, float]]


def uniform(hashes: Hashes, seed: int, purpose: str) -> npt.NDArray[np.float64]:
    """float64 [N] in [0, 1) from uint8 [N, 32] content hashes; the same wherever it is asked."""
    salt = f"{purpose}:{seed}:".encode()
    joined = b"".join(hashlib.sha256(salt + h.tobytes()).digest()[:8] for h in hashes)
    u: npt.NDArray[np.float64] = (np.frombuffer(joined, ">u8") >> np.uint64(11)) / 2.0**53
    return u


def ranges(splits: Splits, own: Iterable[int] = ()) -> Ranges:
    """The range of u of each part that is still to be cut; parts in `own` bring their pictures."""
    own = set(own)
    shares = {
        part: share
        for part, share in ((TEST, splits.test), (VAL, splits.val), (TRAIN, splits.train))
        if part not in own and share > 0
    }
    total = sum(shares.values())
    found: Ranges = {}
    low = 0.0
    for part, share in shares.items():
        high = 1.0 if part == TRAIN else low + share / total
        found[part] = (low, high)
        low = high
    return found


def assign(
    hashes: Hashes,
    targets: Indices,
    part: npt.NDArray[np.int8],
    own: frozenset[int],
    classes: tuple[str, ...],
    splits: Splits,
    seed: int,
) -> tuple[npt.NDArray[np.int8], tuple[str, ...]]:
    """The part of each picture, int8 [N], and warnings that name the classes that borrowed.

    hashes: uint8 [N, 32]. targets: int64 [N]. part: int8 [N], the preset parts; pictures that lie
    in none of `own` are cut. Raises DataError when a class is too small for every part.
    """
    cuts = ranges(splits, own)
    pool = ~np.isin(part, list(own))
    _check_sizes(np.bincount(targets[pool], minlength=len(classes)), cuts, classes, own)
    u = uniform(hashes, seed, "split")
    result = part.copy()
    for number, (low, high) in cuts.items():
        result[pool & (u >= low) & (u < high)] = number
    warnings = []
    for target, name in enumerate(classes):
        members = np.flatnonzero(pool & (targets == target))
        members = members[np.lexsort((members, u[members]))]
        borrowed = _borrow(result, members, u, cuts)
        if borrowed:
            warnings.append(
                f"class '{name}' is small ({_count(len(members))}): its "
                f"{' and '.join(PARTS[b] for b in borrowed)} picture was borrowed from another "
                "part, and may change when pictures are added"
            )
    return result, tuple(warnings)


def _borrow(
    result: npt.NDArray[np.int8],
    members: npt.NDArray[np.intp],
    u: npt.NDArray[np.float64],
    cuts: Ranges,
) -> list[int]:
    """Fills the empty parts of one class in place; returns which. members: sorted by u."""
    borrowed = []
    for number, (low, high) in cuts.items():
        held = np.bincount(result[members], minlength=len(PARTS))
        if held[number]:
            continue
        spare = members[held[result[members]] > 1]
        distance = np.maximum(low - u[spare], u[spare] - high)
        result[spare[int(np.argmin(distance))]] = number
        borrowed.append(number)
    return borrowed


def _check_sizes(
    counts: npt.NDArray[np.intp], cuts: Ranges, classes: tuple[str, ...], own: frozenset[int]
) -> None:
    small = [(name, int(n)) for name, n in zip(classes, counts, strict=True) if n < len(cuts)]
    if not small:
        return
    listed = ", ".join(f"class '{name}' has {_count(n)}" for name, n in small[:5])
    more = f" and {len(small) - 5} more classes likewise" if len(small) > 5 else ""
    kind = " outside val and test" if TEST in own else ""
    parts = [PARTS[p] for p in sorted(cuts)]
    each = f"one each for {', '.join(parts[:-1])} and {parts[-1]}" if len(parts) > 1 else "to train"
    raise DataError(
        f"{listed}{more}{kind}; at least {len(cuts)} different ones are needed: {each}. "
        "Add pictures, or take the class out"
    )


def _count(n: int) -> str:
    return "1 picture" if n == 1 else f"{n} pictures"
