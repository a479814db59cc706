"""JSON that an older cnnedge wrote is read, and what is written now has its keys and types."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cnnedge.benchmark import read_results
from cnnedge.comparison import compare, read_run
from cnnedge.specs import plain
from support.golden import KEPT, outputs

# What a machine tells of itself differs from the next one.
_MACHINES_OWN = ("conditions",)
# By class, by layer, by file: their keys are names.
_BY_NAME = ("counts", "unstable", "noise_floor")
# What came since: of the pictures, those that lie on one side of the split; of a layer in int8, the
# labels that it changes and what it costs in float.
_ADDED = {"tied", "changed", "pictures", "float_bytes", "float_ms", "ptq", "chosen_on"}


@pytest.fixture(scope="module")
def written(
    trained_run: Path, shapes: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    return outputs(trained_run, shapes, tmp_path_factory.mktemp("now"))


def kept(name: str) -> Any:
    text = (KEPT / name).read_text(encoding="utf-8")
    return [json.loads(x) for x in text.splitlines()] if name.endswith("l") else json.loads(text)


def kind(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(type(value).__name__)
    return "number" if isinstance(value, (int, float)) else type(value).__name__


def differences(old: Any, new: Any, place: str = "") -> list[str]:
    """Where two values are of other keys or types. None stands for any."""
    if old is None or new is None:
        return []
    if kind(old) != kind(new):
        return [f"{place}: {kind(old)} then, {kind(new)} now"]
    if isinstance(old, list):
        # All of a kind: the first of either tells.
        return differences(old[0], new[0], f"{place}[]") if old and new else []
    if not isinstance(old, dict):
        return []
    own = any(f".{name}" in place for name in _MACHINES_OWN)
    named = any(place.endswith(name) for name in _BY_NAME)
    found = [] if own or named else [f"{place}.{key}" for key in (old.keys() ^ new.keys()) - _ADDED]
    for key in old.keys() & new.keys():
        found += differences(old[key], new[key], f"{place}.{key}")
    return found


@pytest.mark.parametrize("name", sorted(path.name for path in KEPT.glob("*.json*")))
def test_what_is_written_has_the_keys_and_types_of_before(
    name: str, written: dict[str, Any]
) -> None:
    assert differences(kept(name), written[name], name) == []


@pytest.mark.parametrize("name", ["bench.json", "bench_again.json"])
def test_results_of_before_are_read_and_written_as_they_were(name: str) -> None:
    found = kept(name)["results"]
    assert plain(read_results(found)) == found


def test_runs_of_before_are_compared() -> None:
    base, new = (read_run(KEPT / f"{name}.json") for name in ("bench", "bench_again"))
    found = plain(compare(base, new, max_slower=9.0))
    assert found["verdict"] == kept("compare.json")["verdict"]
    assert found["compared"][0]["ratio"] == kept("compare.json")["compared"][0]["ratio"]
