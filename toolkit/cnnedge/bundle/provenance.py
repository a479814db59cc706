"""cnnedge.json: what a file of our own states about its origin.

The bytes of that file enter, which a stranger may have written; a frozen Provenance leaves, every
field of its type and within its range, or a ModelError that names the field. Keys that this
version does not know are kept and not looked at: other versions write others.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from ..errors import ModelError, SpecError
from ..harmless import harmless
from ..results import Share
from ..specs.data import Splits
from ..specs.limits import Range
from ..specs.pixels import Preprocess
from ..specs.signals import SignalData, SignalSize
from ..specs.values import read

PROVENANCE_FILE = "cnnedge.json"
# Ours are a kilobyte or two, nested three deep.
_MOST_BYTES, _MOST_DEPTH, _MOST_TEXT = 2**20, 16, 10_000
_MOST_SAID = 300


@dataclass(frozen=True, kw_only=True)
class TrainingData:
    """The pictures that the model was trained on, and how they were split."""

    source: str = ""
    fingerprint: str = ""
    splits: Splits = Splits()
    seed: Annotated[int, Range(-(2**63), 2**63 - 1)] = 0
    max_unreadable: Share = 0.05
    # Files that do not say it were split before near duplicates were looked for.
    near_duplicates: Literal["together", "apart"] = "apart"
    # Of models that take signals.
    signals: SignalData | None = None


@dataclass(frozen=True, kw_only=True)
class StatedAccuracy:
    """What was measured of the file: a fraction, its 95 % interval, on how many pictures."""

    accuracy: Share
    ci95: tuple[Share, Share]
    count: Annotated[int, Range(1, 2**53)]
    drop_points: Annotated[float | None, Range(-100, 100)] = None


@dataclass(frozen=True, kw_only=True)
class StatedInput:
    """The input as its maker describes it."""

    height: Annotated[int, Range(1, 2**20)]
    width: Annotated[int, Range(1, 2**20)]
    channels: Annotated[int, Range(1, 4)] = 3
    color: Literal["RGB", "GRAY"] = "RGB"


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """cnnedge.json. raw: all of it as JSON has it, its texts harmless; the rest: what is used.

    Texts are empty, and objects None, if the file does not say.
    """

    cnnedge: str = ""
    recipe: str = ""
    variant: str = ""
    techniques: tuple[str, ...] = ()
    input: StatedInput | SignalSize | None = None
    preprocess: Preprocess | None = None
    data: TrainingData | None = None
    accuracy: StatedAccuracy | None = None
    model_sha256: str = ""
    flatbuffer_sha256: str = ""
    raw: Mapping[str, Any] = field(default_factory=dict)


# Read by themselves: one is refused in words of its own, the other is everything.
_APART = ("preprocess", "raw")


def read_provenance(content: bytes, place: str) -> Provenance:
    """The provenance in the bytes of cnnedge.json; `place` names the model in messages.

    Raises ModelError.
    """
    try:
        found = _parsed(content)
        known = {f.name for f in dataclasses.fields(Provenance)}.difference(_APART)
        said = {key: _known(key, found[key]) for key in known & found.keys()}
        said = {key: value for key, value in said.items() if value is not None}
        held = read(Provenance, said, PROVENANCE_FILE)
    except (SpecError, ValueError) as error:
        raise ModelError(
            f"{place}: its {PROVENANCE_FILE} is damaged, or cnnedge did not write it "
            f"({harmless(str(error), _MOST_SAID)}); convert the model again"
        ) from None
    return dataclasses.replace(held, preprocess=_preprocess(found, place), raw=found)


def _parsed(content: bytes) -> dict[str, Any]:
    """The JSON object, its texts harmless. Raises ValueError."""
    if len(content) > _MOST_BYTES:
        raise ValueError(f"it has {len(content):,} bytes; the limit is {_MOST_BYTES:,}")
    try:
        found = json.loads(content, parse_constant=_no_number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(found, dict):
        raise ValueError("expected an object at the top level")
    cleaned: dict[str, Any] = _cleaned(found, 0)
    return cleaned


def _no_number(text: str) -> float:
    raise ValueError(f"{text} is not a number in JSON")


def _cleaned(value: Any, depth: int) -> Any:
    """The same without what no file of ours holds. Raises ValueError."""
    if depth > _MOST_DEPTH:
        raise ValueError("it is nested too deeply")
    if isinstance(value, str):
        return harmless(value, _MOST_TEXT)
    if isinstance(value, dict):
        return {harmless(k, _MOST_SAID): _cleaned(v, depth + 1) for k, v in value.items()}
    if isinstance(value, list):
        return [_cleaned(v, depth + 1) for v in value]
    # JSON's 1e999 is read as infinity.
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("it contains a number that is too large")
    if isinstance(value, int) and abs(value) >= 2**64:
        raise ValueError("it contains a whole number of more than 64 bits")
    return value


def _known(key: str, value: Any) -> Any:
    """An object without the keys that other versions write; anything else as it is."""
    shapes: dict[str, Any] = {
        "input": SignalSize if _is_signal(value) else StatedInput,
        "data": TrainingData,
        "accuracy": StatedAccuracy,
    }
    if key not in shapes or not isinstance(value, dict):
        return value
    if key == "accuracy" and value.get("accuracy") is None:
        # Converted on pictures of none of the model's classes: nothing was measured.
        return None
    names = {f.name for f in dataclasses.fields(shapes[key])}
    return {name: each for name, each in value.items() if name in names}


def _is_signal(stated: Any) -> bool:
    return isinstance(stated, dict) and "length" in stated


def _preprocess(found: Mapping[str, Any], place: str) -> Preprocess | None:
    if "preprocess" not in found:
        return None
    try:
        return read(Preprocess, found["preprocess"], "preprocess")
    except SpecError as error:
        raise ModelError(
            f"{place}: this version of cnnedge does not know its resize rule "
            f"({harmless(str(error), _MOST_SAID)}); update cnnedge or convert the model again"
        ) from None
