"""The values behind each step of a network, written where another process reads them.

Arrays of one picture after the other enter; files NUMBER.npy and a list in JSON leave.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from .loop import Refusal


class Written:
    """begin, then add for each step, once for each picture; end writes. folder: is there."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder)
        self._told: list[dict[str, Any]] = []
        self._rows: list[list[Any]] = []
        self._of: dict[Hashable, tuple[int, ...]] = {}
        self._number = 0

    def begin(self, pictures: Iterable[Hashable]) -> None:
        """Another picture, known by these keys."""
        self._of = dict.fromkeys(pictures, ())
        self._number = 0

    def add(
        self, named: tuple[str, str], values: Any, given: Iterable[Hashable], key: Hashable
    ) -> None:
        """What a step made. named: its name and kind. given: the keys of what entered it; what is
        made of no picture is left out. key: of what it made. Values that are no float32, or a row
        of numbers and no tensor, are not written, but known as made of what entered.
        """
        entered = [self._of[each] for each in given if each in self._of]
        if not entered:
            return
        inputs = tuple(dict.fromkeys(number for each in entered for number in each))
        values = np.asarray(values)
        if values.dtype != np.float32 or values.ndim < 2:
            self._of[key] = inputs
            return
        number, self._number = self._number, self._number + 1
        if number == len(self._told):
            self._told.append({"name": named[0], "kind": named[1], "inputs": list(inputs)})
            self._rows.append([])
        self._rows[number].append(values)
        self._of[key] = (number,)

    def end(self) -> str:
        """The list of steps in JSON."""
        if len({len(rows) for rows in self._rows}) != 1:
            raise Refusal("it computes other layers for other pictures")
        for number, rows in enumerate(self._rows):
            if len({row.shape for row in rows}) != 1:
                raise Refusal("it computes other shapes for other pictures")
            np.save(self._folder / f"{number}.npy", np.stack(rows))
        return json.dumps(self._told)
