"""Which result of one run belongs to which of another.

Two runs enter; pairs leave, beside what has no partner.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import CnnedgeError
from .reading import Measured, Run

Key = Callable[[Measured], Any]


@dataclass(frozen=True, kw_only=True)
class Matches:
    """pairs: base and new. only_base, only_new: what has no partner."""

    pairs: tuple[tuple[Measured, Measured], ...]
    only_base: tuple[Measured, ...]
    only_new: tuple[Measured, ...]


def match(base: Run, new: Run) -> Matches:
    """Pairs by model and settings, as surely as can be.

    The model: by its file's name, else by its content, else the only one of either run. The
    settings: device, engine, threads, delegate, precision; where a model has one result left on
    either side, these two belong together, however they were measured. Raises CnnedgeError where
    two results of a run cannot be told apart, or none has a partner.
    """
    for run in (base, new):
        _tell_apart(run)
    left, right = list(base.results), list(new.results)
    pairs: list[tuple[Measured, Measured]] = []
    for model in (_name, _content, _only(base, new)):
        for key in (lambda m, of=model: (of(m), *_settings(m)), model):
            _take(pairs, left, right, key)
    if not pairs:
        raise CnnedgeError(
            f"{base.path} and {new.path} have no model in common: {_names(base.results)} and "
            f"{_names(new.results)}. Compare runs of the same model, or of one model each"
        )
    order = {id(m): at for at, m in enumerate(base.results)}
    pairs.sort(key=lambda pair: order[id(pair[0])])
    return Matches(pairs=tuple(pairs), only_base=tuple(left), only_new=tuple(right))


def _take(
    pairs: list[tuple[Measured, Measured]], left: list[Measured], right: list[Measured], key: Key
) -> None:
    """Moves into pairs what has a key that is once on either side."""
    ours, theirs = _groups(left, key), _groups(right, key)
    for found, group in ours.items():
        partners = theirs.get(found, [])
        if found is not None and len(group) == len(partners) == 1:
            pairs.append((group[0], partners[0]))
            left.remove(group[0])
            right.remove(partners[0])


def _groups(results: Iterable[Measured], key: Key) -> dict[Hashable, list[Measured]]:
    groups: dict[Hashable, list[Measured]] = {}
    for measured in results:
        groups.setdefault(key(measured), []).append(measured)
    return groups


def _name(measured: Measured) -> Hashable:
    return measured.name


def _content(measured: Measured) -> Any:
    return measured.result.sha256


def _only(base: Run, new: Run) -> Key:
    single = all(len({m.result.model for m in run.results}) == 1 for run in (base, new))
    return lambda m: "" if single else m.result.model


def _settings(measured: Measured) -> tuple[Hashable, ...]:
    found = measured.result
    settings = (found.device, found.engine, found.threads, found.precision)
    return (*settings, found.delegate.requested)


def _tell_apart(run: Run) -> None:
    seen = _groups(run.results, lambda m: (m.name, m.result.sha256, *_settings(m)))
    twice = next((group for group in seen.values() if len(group) > 1), None)
    if twice:
        first = twice[0]
        raise CnnedgeError(
            f"{run.path}: {len(twice)} results of {first.name} with the same settings (device "
            f"{first.result.device}, {first.result.engine}, --threads "
            f"{first.result.threads}); wanted: one. Compare files of one run each"
        )


def _names(results: Sequence[Measured]) -> str:
    return ", ".join(dict.fromkeys(m.name for m in results))
