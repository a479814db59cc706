"""A labelled set of pictures, checked and split.

What a loader listed enters; a `Dataset` leaves: unreadable files set aside and counted, copies of
a picture removed so that none is on two sides, bursts and near duplicates kept together, the rest
in train, val and test.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from ..errors import DataError
from ..specs.data import Splits
from .likeness import look
from .names import alike
from .splits import assign, uniform
from .store import PARTS, TEST, Frame, Hashes, Indices, Listing, Progress, Scan, Skipped, Store
from .ties import Ties, across, find_ties, untied

Part = Literal["train", "val", "test", "all"]
_SHOWN = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Pictures with one class each, in three parts.

    source: resolved absolute path, or a name like 'keras:mnist'. targets: int64 [N], index into
    `classes`. split: int8 [N], 0 train, 1 val, 2 test. hashes: uint8 [N, 32], content hashes.
    skipped: files that are not in it, and why. warnings: what a person should know, one text each.
    own_test: the source brought its own test pictures. fingerprint: sha256, hex, of all content
    hashes and class names, whatever the paths and their order. ties: which pictures lie on one side
    of the split; None where they were not looked for.
    """

    source: str
    classes: tuple[str, ...]
    targets: Indices
    split: npt.NDArray[np.int8]
    hashes: Hashes = field(repr=False)
    store: Store = field(repr=False)
    skipped: tuple[Skipped, ...] = ()
    warnings: tuple[str, ...] = ()
    own_test: bool = False
    fingerprint: str
    ties: Ties | None = field(default=None, repr=False)

    def __len__(self) -> int:
        return len(self.targets)

    @property
    def noun(self) -> str:
        """What one of its samples is called: a picture, or a signal."""
        return self.store.noun

    @property
    def identities(self) -> tuple[str, ...]:
        """The content hash of each picture, hex; made anew at each call."""
        return tuple(h.tobytes().hex() for h in self.hashes)

    def indices(self, split: Part = "all") -> Indices:
        """int64 indices of one part, ascending. Raises ValueError for another part's name."""
        if split == "all":
            return np.arange(len(self), dtype=np.int64)
        return np.flatnonzero(self.split == PARTS.index(split)).astype(np.int64)

    def frame(self, index: int) -> Frame:
        """uint8 [h, w, 3] BGR, or [h, w] grey. Raises DataError when its file has gone bad."""
        return self.store.frame(index)

    def name(self, index: int) -> str:
        """The picture's file path, or its place in the source, like 'train[123]'."""
        return self.store.name(index)

    def counts(self) -> dict[str, dict[str, int]]:
        """How many pictures of each class: {part: {class: n}}."""
        return {
            part: dict(
                zip(
                    self.classes,
                    np.bincount(
                        self.targets[self.split == number], minlength=len(self.classes)
                    ).tolist(),
                    strict=True,
                )
            )
            for number, part in enumerate(PARTS)
        }


def assemble(
    listing: Listing,
    *,
    splits: Splits | None,
    seed: int,
    max_unreadable: float,
    together: bool,
    progress: Progress | None = None,
) -> Dataset:
    """Reads every picture once, sets bad ones and copies aside, and splits the rest.

    splits: None leaves the pictures unsplit, for judging alone: then one class, and one picture
    of it, is enough. max_unreadable: the fraction of pictures that may be unreadable. together:
    bursts and near duplicates are found, and lie on one side of the split. Raises DataError when
    too many are unreadable, or when a class has too few pictures.
    """
    if splits is not None and listing.labelled:
        _check_classes(listing)
    scan = listing.store.scan(progress, look if together else None)
    unreadable = _unreadable(listing, scan.failures, max_unreadable)
    keep, copies = _without_copies(listing, scan.hashes, scan.failures)
    ties = _ties(listing, scan, keep)
    if ties is not None and splits is not None:
        keep, ties, crossing = _without_crossing(listing, keep, ties)
        copies += crossing
    hashes, targets = scan.hashes[keep], listing.targets[keep]
    lost = _unreadable_said(unreadable) + copies
    split = listing.part[keep]
    borrowed: tuple[str, ...] = ()
    if splits is not None:
        try:
            split, borrowed = assign(
                ties or untied(hashes), targets, split, listing.own, listing.classes, splits, seed
            )
        except DataError as error:
            why = "".join(f" ({text})" for text in lost)
            raise DataError(f"{listing.source}: {error}{why}") from None
        if splits.test and not (split == TEST).any() and TEST not in listing.own:
            raise DataError(
                f"{listing.source}: nothing could be measured: the pictures of each class all "
                "belong together (one burst, or near duplicates), so none is left to judge by. Add "
                "pictures of every class from another place or time, or say --set "
                "data.near_duplicates=apart"
            )
    return Dataset(
        source=listing.source,
        classes=listing.classes,
        targets=targets,
        split=split,
        hashes=hashes,
        store=listing.store.select(keep),
        skipped=(*unreadable, *listing.skipped),
        warnings=(
            *alike(listing.classes),
            *lost,
            *listing.warnings,
            *borrowed,
            *_untested(listing, targets, split),
        ),
        own_test=TEST in listing.own,
        fingerprint=_fingerprint(hashes, targets, listing.classes),
        ties=ties,
    )


def calibration_indices(dataset: Dataset, count: int, seed: int, part: Part = "train") -> Indices:
    """int64 indices of `count` pictures of a part, the classes in turn; all if there are fewer.

    The same pictures give the same choice, in whatever order they are listed.
    """
    order = uniform(dataset.hashes, seed, "calibration")
    there = dataset.indices(part)
    turn = np.empty(len(there), np.int64)
    for target in range(len(dataset.classes)):
        members = np.flatnonzero(dataset.targets[there] == target)
        turn[members[np.argsort(order[there[members]])]] = np.arange(len(members))
    first = np.lexsort((dataset.targets[there], turn))
    return there[first[: max(0, count)]]


def _check_classes(listing: Listing) -> None:
    if len(listing.classes) < 2:
        names = "', '".join(listing.classes) or "none"
        raise DataError(
            f"{listing.source}: found {len(listing.classes)} class ('{names}'); at least 2 are "
            "needed. Give one folder (or label) for each thing to tell apart"
        )


def _unreadable(
    listing: Listing, failures: dict[int, str], max_unreadable: float
) -> tuple[Skipped, ...]:
    bad = tuple(
        Skipped(path=listing.store.name(index), reason=failures[index])
        for index in sorted(failures)
    )
    total = len(listing.targets)
    if len(bad) > max_unreadable * total or (total and len(bad) == total):
        listed = [f"{item.path}: {item.reason}" for item in bad[:_SHOWN]]
        listed += [f"and {len(bad) - _SHOWN} more"] if len(bad) > _SHOWN else []
        share = min(1.0, np.ceil(100 * len(bad) / total) / 100)
        advice = "Mend or remove them" + (
            f", or allow them with --set data.max_unreadable={share:g}" if len(bad) < total else ""
        )
        raise DataError(
            f"{listing.source}: {len(bad)} of {_files(total)} could not be read, more than the "
            f"allowed {max_unreadable:.3g} of all. {advice}. They are: " + "; ".join(listed)
        )
    return bad


def _without_copies(
    listing: Listing, hashes: Hashes, failures: dict[int, str]
) -> tuple[Indices, list[str]]:
    """Indices to keep, ascending, and what to say of the others.

    Of copies with one label the one in the judging part stays (test, then val, then train). Of
    copies with different labels none does: a label that contradicts itself teaches nothing.
    """
    first: dict[bytes, list[int]] = {}
    for index in range(len(hashes)):
        if index not in failures:
            first.setdefault(hashes[index].tobytes(), []).append(index)
    groups = [group for group in first.values() if len(group) > 1]
    drop = set(failures)
    contradictions: list[list[int]] = []
    moved = repeated = 0
    for group in groups:
        if len({int(listing.targets[i]) for i in group}) > 1:
            contradictions.append(group)
            drop.update(group)
            continue
        kept = max(group, key=lambda i: (listing.part[i], -i))
        drop.update(i for i in group if i != kept)
        across = sum(listing.part[i] != listing.part[kept] for i in group)
        moved, repeated = moved + across, repeated + len(group) - 1 - across
    keep = np.array([i for i in range(len(hashes)) if i not in drop], np.int64)
    return keep, _copies_said(listing, contradictions, moved, repeated)


def _ties(listing: Listing, scan: Scan, keep: Indices) -> Ties | None:
    """Of the pictures that are kept; None where there are no looks to compare."""
    own: Ties | None = getattr(listing.store, "ties", lambda scan, keep: None)(scan, keep)
    if own is not None or scan.looks is None:
        return own
    names = [listing.store.name(i) for i in keep.tolist()]
    return find_ties(names, scan.hashes[keep], listing.targets[keep], scan.looks.select(keep))


def _without_crossing(
    listing: Listing, keep: Indices, ties: Ties
) -> tuple[Indices, Ties, list[str]]:
    """Without pictures to learn that belong to some of the source's own val or test pictures."""
    drop = across(ties.groups, listing.part[keep], listing.own)
    if not drop:
        return keep, ties, []
    stay = np.setdiff1d(np.arange(len(keep)), drop)
    said = (
        f"{_files(len(drop))} of one burst with, or nearly the same as, others in test or val were "
        "left out of the other part, so that no picture is both learnt and judged"
    )
    return keep[stay], ties.select(stay), [said]


def _copies_said(
    listing: Listing, contradictions: list[list[int]], moved: int, repeated: int
) -> list[str]:
    said = []
    if repeated:
        said.append(f"{_files(repeated)} repeated another of the same class and were left out")
    if moved:
        said.append(
            f"{_files(moved)} also in test or val were left out of the other part, so that no "
            "picture is both learnt and judged"
        )
    if contradictions:
        shown = "; ".join(
            " and ".join(
                f"{listing.store.name(i)} ('{listing.classes[listing.targets[i]]}')"
                for i in group[:_SHOWN]
            )
            for group in contradictions[:_SHOWN]
        )
        more = f"; and {len(contradictions) - _SHOWN} more" * (len(contradictions) > _SHOWN)
        said.append(
            f"{_files(len(contradictions))} carried different labels, and all "
            f"{sum(map(len, contradictions))} copies were left out: {shown}{more}"
        )
    return said


def _unreadable_said(bad: Sequence[Skipped]) -> list[str]:
    if not bad:
        return []
    return [f"{_files(len(bad))} could not be read, like {bad[0].path}: {bad[0].reason}"]


def _untested(listing: Listing, targets: Indices, split: npt.NDArray[np.int8]) -> list[str]:
    if TEST not in listing.own:
        return []
    counts = np.bincount(targets[split == TEST], minlength=len(listing.classes))
    absent = [name for name, n in zip(listing.classes, counts, strict=True) if n == 0]
    if len(absent) == len(listing.classes):
        raise DataError(f"{listing.source}: the test part holds no picture that can be used")
    names = "', '".join(absent)
    return [f"the test part holds no picture of '{names}': not judged"] if absent else []


def _fingerprint(hashes: Hashes, targets: Indices, classes: tuple[str, ...]) -> str:
    names = [name.encode() for name in classes]
    items = sorted(h.tobytes() + names[t] for h, t in zip(hashes, targets.tolist(), strict=True))
    digest = hashlib.sha256()
    for item in items:
        digest.update(len(item).to_bytes(4, "big") + item)
    return digest.hexdigest()


def _files(n: int) -> str:
    return "1 picture" if n == 1 else f"{n} pictures"
