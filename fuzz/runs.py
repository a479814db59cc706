"""Run folders with one file damaged, retyped, linked elsewhere or forged."""

from __future__ import annotations

import json
import os
import random
import shutil
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

_VALUES: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**63, 10**400, 1e308, "", "x" * 100_000, "\x1b[31m", "\x00"),
    *([], {}, [[]], {"": {}}, "../../etc/passwd", "os.system", [None] * 1000),
)
_CLASSES = ("Lambda", "TimeDistributed", "function", "__lambda__", "Popen", "TFOpLambda", "Policy")


def mutants(seed: int, run: Path, folder: Path) -> Iterator[Path]:
    """Copies of `run`, each with one thing wrong, for ever; to be deleted by who takes them."""
    rng = random.Random(f"runs {seed}")
    number = 0
    while True:
        copy = folder / f"run-{number}"
        shutil.copytree(run, copy, symlinks=True)
        files = sorted(p for p in copy.rglob("*") if p.is_file())
        victim = rng.choice(files)
        try:
            rng.choice((_cut, _flip, _retype, _link, _replace))(rng, victim)
        except (ValueError, KeyError, zipfile.BadZipFile):
            _flip(rng, victim)
        number += 1
        yield copy


def _cut(rng: random.Random, path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: rng.randrange(len(content) + 1)])


def _flip(rng: random.Random, path: Path) -> None:
    content = bytearray(path.read_bytes())
    for _ in range(rng.choice((1, 4, 64)) if content else 0):
        content[rng.randrange(len(content))] = rng.randrange(256)
    path.write_bytes(content)


def _replace(rng: random.Random, path: Path) -> None:
    path.write_bytes(rng.choice((b"", b"\x00" * 64, b"[" * 100_000, b"\xff" * 999, b"\n" * 10_000)))


def _link(rng: random.Random, path: Path) -> None:
    path.unlink()
    kind = rng.randrange(4)
    if kind == 0:
        path.symlink_to(path)
    elif kind == 1:
        path.symlink_to("/dev/zero")
    elif kind == 2:
        os.mkfifo(path)
    else:
        path.mkdir()


def _retype(rng: random.Random, path: Path) -> None:
    """One value of JSON, in a file or in a .keras archive, becomes another."""
    if path.suffix == ".json":
        path.write_text(json.dumps(_changed(rng, json.loads(path.read_text()))))
    elif path.suffix == ".keras":
        with zipfile.ZipFile(path) as old:
            members = {name: old.read(name) for name in old.namelist()}
        config = _changed(rng, json.loads(members["config.json"]))
        members["config.json"] = json.dumps(config).encode()
        with zipfile.ZipFile(path, "w") as new:
            for name, content in members.items():
                new.writestr(name, content)
    else:
        lines = path.read_bytes().split(b"\n")
        place = rng.randrange(len(lines))
        head, colon, _ = lines[place].partition(b":")
        lines[place] = head + colon + b" " + json.dumps(rng.choice(_VALUES)).encode()
        path.write_bytes(b"\n".join(lines))


def _changed(rng: random.Random, value: Any) -> Any:
    places = list(_places(value))
    if not places:
        return rng.choice(_VALUES)
    holder, key = rng.choice(places)
    named = isinstance(key, str) and key == "class_name"
    holder[key] = rng.choice(_CLASSES) if named else rng.choice(_VALUES)
    return value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, child in list(items):
        yield value, key
        if isinstance(child, (dict, list)):
            yield from _places(child)
