"""A few pictures with the answers that a source gave, as they stand in a table.

A CSV file enters, `picture,label` or `picture,label,score`, with commas, semicolons or tabs; the
pictures, the outputs they are of and their scores leave.
"""

from __future__ import annotations

import csv
import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from .. import given_files
from ..data.names import normalised
from ..data.tables import SEPARATORS, named_columns
from ..errors import ModelError
from ..pictures import read_picture
from ..preprocess import Pixels, prepare
from ..specs.pixels import InputSize, Preprocess

_MOST_BYTES = 1 << 20
_MOST_ROWS = 200
_FORM = "expected one picture a line: picture,label or picture,label,score, with scores from 0 to 1"


@dataclass(frozen=True, kw_only=True)
class Expected:
    """targets: int64 [n], the output with the highest score. scores: float64 [n], its probability,
    NaN where the table does not say it.
    """

    pictures: tuple[Path, ...]
    targets: npt.NDArray[np.int64]
    scores: npt.NDArray[np.float64]

    def pixels(self, size: InputSize, rule: Preprocess) -> Pixels:
        """uint8 [n, h, w, c]. Raises DataError for a picture that cannot be read."""
        return np.stack([prepare(read_picture(path), size, rule) for path in self.pictures])


def read_expected(path: Path, labels: tuple[str, ...]) -> Expected:
    """The rows of a table. Pictures are named from its folder. Raises ModelError."""
    try:
        text = given_files.read(path, at_most=_MOST_BYTES).decode("utf-8-sig")
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}; {_FORM}") from None
    except UnicodeDecodeError:
        raise ModelError(f"{path}: this is no text; {_FORM}") from None
    rows = _rows(path, text)
    if rows and {"path", "label"} <= named_columns(rows[0]).keys():
        rows = rows[1:]
    if not 1 <= len(rows) <= _MOST_ROWS:
        raise ModelError(f"{path}: it has {len(rows):,} pictures; from 1 to {_MOST_ROWS} are read")
    found = [_row(path, row, labels) for row in rows]
    return Expected(
        pictures=tuple(picture for picture, _, _ in found),
        targets=np.array([target for _, target, _ in found], np.int64),
        scores=np.array([score for _, _, score in found], np.float64),
    )


def _rows(path: Path, text: str) -> list[list[str]]:
    """The rows that hold anything, by the separator that gives each of them two or three cells.

    Between semicolons or tabs, a score may have a decimal comma: so commas are tried last.
    """
    found: list[list[str]] = []
    for separator in reversed(SEPARATORS):
        try:
            found = list(csv.reader(io.StringIO(text), delimiter=separator))
        except csv.Error as error:
            raise ModelError(f"{path}: {error}; {_FORM}") from None
        found = [row for row in found if any(cell.strip() for cell in row)]
        if all(len(row) in (2, 3) for row in found):
            if separator != ",":
                found = [[*row[:2], *(cell.replace(",", ".") for cell in row[2:])] for row in found]
            break
    return found


def _row(path: Path, row: list[str], labels: tuple[str, ...]) -> tuple[Path, int, float]:
    cells = [cell.strip() for cell in row]
    shown = ",".join(cells)[:80]
    if len(cells) not in (2, 3) or not cells[0]:
        raise ModelError(f"{path}: found {shown!r}; {_FORM}")
    picture = path.absolute().parent / cells[0]
    if not picture.is_file():
        raise ModelError(f"{path}: there is no picture {cells[0][:120]!r} in {path.parent}")
    name = normalised(cells[1])
    if name not in labels:
        raise ModelError(
            f"{path}: {cells[1][:80]!r} is none of the {len(labels)} labels of the model; write "
            "the labels as in --labels"
        )
    try:
        score = float(cells[2]) if len(cells) == 3 and cells[2] else math.nan
    except ValueError:
        score = 2.0
    if not (math.isnan(score) or 0 <= score <= 1):
        raise ModelError(f"{path}: found {shown!r}; {_FORM}")
    return picture, labels.index(name), score
