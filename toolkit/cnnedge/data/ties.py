"""Pictures that belong on one side of a split: of one burst, or near duplicates of each other.

Names, looks and classes of pictures enter; `Ties` leave: a group for each picture. What stands for
itself is a group of one, and is split exactly as it would be without any ties.

`cnnedge teach` names a picture burst-ID-NUMBER.jpg. The pictures of a burst differ by a moment: a
model that learnt one of them has as good as seen the others.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .likeness import near_duplicates
from .store import Hashes, Indices, Looks

_NAME = re.compile(r"burst-([0-9a-z]{8,32})-[0-9]{1,6}\.[A-Za-z]{3,5}")
ID = re.compile(r"[0-9a-z]{8,32}")


@dataclass(frozen=True, kw_only=True, eq=False)
class Ties:
    """groups: int64 [N], for each picture the index of the first one of its group. keys: uint8
    [N, 32], what the part of a picture is drawn from: its content, or its group's. by_burst,
    by_look: how many pictures share a group for that reason."""

    groups: Indices
    keys: Hashes
    by_burst: int = 0
    by_look: int = 0

    @property
    def sizes(self) -> Indices:
        """int64 [N], how many pictures the group of each has."""
        sizes: Indices = np.bincount(self.groups, minlength=len(self.groups))[self.groups]
        return sizes

    @property
    def tied(self) -> int:
        """How many pictures are in a group of several."""
        return int(np.sum(self.sizes > 1))

    @property
    def several(self) -> int:
        """How many groups of several pictures there are."""
        return int(np.sum(np.bincount(self.groups, minlength=len(self.groups)) > 1))

    def select(self, keep: Indices) -> Ties:
        """Of these pictures alone, `keep` ascending; their keys stay."""
        first: dict[int, int] = {}
        groups = [first.setdefault(g, i) for i, g in enumerate(self.groups[keep].tolist())]
        return Ties(
            groups=np.array(groups, np.int64),
            keys=self.keys[keep],
            by_burst=self.by_burst,
            by_look=self.by_look,
        )

    def as_json(self) -> dict[str, int]:
        """For data.json and metrics.json."""
        return {
            "pictures": self.tied,
            "groups": self.several,
            "by_burst": self.by_burst,
            "by_look": self.by_look,
        }

    def said(self) -> str:
        """One line for people; empty where nothing is tied."""
        if not self.tied:
            return ""
        reasons = [f"{self.by_burst} by burst"] * bool(self.by_burst)
        reasons += [f"{self.by_look} as near duplicates"] * bool(self.by_look)
        groups = "1 group" if self.several == 1 else f"{self.several} groups"
        return (
            f"{self.tied} pictures are tied together in {groups} ({', '.join(reasons)}): the "
            "pictures of a group lie on one side of the split"
        )


def untied(hashes: Hashes) -> Ties:
    """Every picture by itself."""
    return Ties(groups=np.arange(len(hashes), dtype=np.int64), keys=hashes)


def find_ties(names: Sequence[str], hashes: Hashes, targets: Indices, looks: Looks) -> Ties:
    """Groups of pictures by the bursts in their names, and by their looks within a class.

    names: of files. hashes: uint8 [N, 32], content. targets: int64 [N].
    """
    groups = _Groups(len(hashes))
    bursts: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        if (burst := burst_of(name)) is not None:
            bursts.setdefault(burst, []).append(index)
    for members in bursts.values():
        groups.join(itertools.pairwise(members))
    alike: set[int] = set()
    for pair in near_duplicates(looks, targets):
        alike.update(pair)
        groups.join([pair])
    found = groups.firsts()
    return Ties(
        groups=found,
        keys=_keys(found, hashes, bursts),
        by_burst=sum(len(members) for members in bursts.values() if len(members) > 1),
        by_look=len(alike),
    )


def _keys(groups: Indices, hashes: Hashes, bursts: dict[str, list[int]]) -> Hashes:
    """The least key of each group's pictures; a burst's is of its name, so that a picture more or
    less does not move it."""
    keys: Hashes = hashes.copy()
    for burst, members in bursts.items():
        digest = hashlib.sha256(f"burst:{burst}".encode()).digest()
        keys[members] = np.frombuffer(digest, np.uint8)
    least: dict[int, bytes] = {}
    several = np.bincount(groups, minlength=len(groups))[groups] > 1
    for index in np.flatnonzero(several).tolist():
        group, key = int(groups[index]), keys[index].tobytes()
        least[group] = min(key, least.get(group, key))
    for index in np.flatnonzero(several).tolist():
        keys[index] = np.frombuffer(least[int(groups[index])], np.uint8)
    return keys


class _Groups:
    """Sets that are joined (union-find); the least index stands for each."""

    def __init__(self, count: int) -> None:
        self._above = list(range(count))

    def join(self, pairs: Iterable[tuple[int, int]]) -> None:
        for a, b in pairs:
            a, b = self._first(a), self._first(b)
            self._above[max(a, b)] = min(a, b)

    def firsts(self) -> Indices:
        return np.array([self._first(i) for i in range(len(self._above))], np.int64)

    def _first(self, index: int) -> int:
        above = self._above
        while above[index] != index:
            above[index] = above[above[index]]
            index = above[index]
        return index


def across(groups: Indices, part: npt.NDArray[np.int8], own: frozenset[int]) -> list[int]:
    """Pictures whose group has another in a later part (test, then val) that the source brought.

    part: int8 [N], the preset parts; own: those that the source brought. They may not be learnt.
    """
    place = np.where(np.isin(part, list(own)), part, -1).astype(np.int8)
    highest = np.full(len(groups), -1, np.int8)
    np.maximum.at(highest, groups, place)
    found: list[int] = np.flatnonzero(place < highest[groups]).tolist()
    return found


def burst_of(path: str) -> str | None:
    """The ID in a picture's name; None for a picture of no burst."""
    found = _NAME.fullmatch(os.path.basename(path))
    return found[1] if found else None


def burst_name(burst: str, number: int) -> str:
    """The file name of picture `number`, from 0, of the burst of that ID (see `ID`)."""
    return f"burst-{burst}-{number:04d}.jpg"
