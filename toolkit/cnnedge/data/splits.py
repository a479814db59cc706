"""Who learns and who judges: pictures to train, val and test by their content.

Content hashes enter, the part of each picture leaves. u = a number in [0, 1) drawn from the hash
and the seed; a picture is test below the test fraction, val below test + val, train above. So
adding, removing, renaming or moving pictures moves none of the others, and every class is cut by
the same law. Fractions come out near the asked ones, never exact: exact ones would need each
picture to know how many others there are. Pictures that are tied (`ties`) are drawn by one number.

The one exception is a class so small that the law leaves it without a train, val or test picture:
the missing part borrows the picture of that class whose u lies nearest to the part's range, or the
smallest group of tied ones. A class with pictures enough, but tied into fewer groups than there are
parts, is learnt first, then judged: with one group it stands in train alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..specs.data import Splits
from .store import PARTS, TEST, TRAIN, VAL, Hashes, Indices
from .ties import Ties

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
    ties: Ties,
    targets: Indices,
    part: npt.NDArray[np.int8],
    own: frozenset[int],
    classes: tuple[str, ...],
    splits: Splits,
    seed: int,
) -> tuple[npt.NDArray[np.int8], tuple[str, ...]]:
    """The part of each picture, int8 [N], and warnings that name the classes that borrowed.

    ties: which pictures lie in one part, and what that is drawn from. targets: int64 [N]. part:
    int8 [N], the preset parts; pictures that lie in none of `own` are cut. Raises DataError when a
    class is too small for every part.
    """
    cuts = ranges(splits, own)
    pool = ~np.isin(part, list(own))
    _check_sizes(np.bincount(targets[pool], minlength=len(classes)), cuts, classes, own)
    u = uniform(ties.keys, seed, "split")
    result = part.copy()
    for number, (low, high) in cuts.items():
        result[pool & (u >= low) & (u < high)] = number
    warnings = []
    for target, name in enumerate(classes):
        members = np.flatnonzero(pool & (targets == target))
        # One picture stands for each group.
        _, first = np.unique(ties.groups[members], return_index=True)
        single = members[np.sort(first)]
        single = single[np.lexsort((single, u[single]))]
        count = _count(len(members))
        if len(single) < len(cuts):
            absent = _share_out(result, single, ties, cuts)
            if absent:
                warnings.append(_in_too_few_groups(name, count, len(single), absent))
            continue
        borrowed = _borrow(result, single, ties, u, cuts)
        if borrowed:
            warnings.append(
                f"class '{name}' is small ({count}): its "
                f"{' and '.join(PARTS[b] for b in borrowed)} picture was borrowed from another "
                "part, and may change when pictures are added"
            )
    return result, tuple(warnings)


def _borrow(
    result: npt.NDArray[np.int8],
    single: npt.NDArray[np.intp],
    ties: Ties,
    u: npt.NDArray[np.float64],
    cuts: Ranges,
) -> list[int]:
    """Fills the empty parts of one class in place; returns which. single: one picture of each
    group, sorted by u."""
    borrowed = []
    for number, (low, high) in cuts.items():
        held = np.bincount(result[single], minlength=len(PARTS))
        if held[number]:
            continue
        spare = single[held[result[single]] > 1]
        distance = np.maximum(low - u[spare], u[spare] - high)
        # Of groups the smallest: most pictures are for learning.
        nearest = np.lexsort((distance, ties.sizes[spare]))[0]
        result[ties.groups == ties.groups[spare[nearest]]] = number
        borrowed.append(number)
    return borrowed


def _share_out(
    result: npt.NDArray[np.int8], single: npt.NDArray[np.intp], ties: Ties, cuts: Ranges
) -> list[int]:
    """Gives the few groups of one class to train, test and val, in this order; returns the parts
    that got none."""
    wanted = [part for part in (TRAIN, TEST, VAL) if part in cuts]
    largest_first = single[np.argsort(-ties.sizes[single], kind="stable")]
    for number, index in zip(wanted, largest_first, strict=False):
        result[ties.groups == ties.groups[index]] = number
    return wanted[len(single) :]


def _in_too_few_groups(name: str, count: str, groups: int, absent: list[int]) -> str:
    lacking = " and ".join(PARTS[part] for part in absent)
    held = "all belong together" if groups == 1 else f"belong to {groups} groups"
    return (
        f"class '{name}' has {count} that {held} (one burst, or near duplicates), so there is none "
        f"for {lacking}: it is {'not judged' if TEST in absent else 'judged on few'}. Add pictures "
        "from other places and times"
    )


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
