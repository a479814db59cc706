"""What phones say of themselves, read strictly, and a row for each of them.

The text of a message enters; a frozen Hello or Report leaves, or None for what is neither. Anybody
who has the address may send what he likes: texts are cut, numbers bounded, phones counted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

_LONGEST_TEXT = 80
_MOST_FRAMES = 10**9
_MOST_MS = 10.0**7
STAGES = ("capture", "preprocess", "inference", "postprocess")
STATISTICS = ("median", "p90", "p99")


@dataclass(frozen=True, kw_only=True)
class Hello:
    """The first word of a page. name: of the phone and its browser."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """How far a phone has come since it opened the page.

    model, engine: names; frames, pictures: labelled; fps: of the last second; stages_ms: median,
    p90 and p99 by stage; agreement: with WebAssembly, in words, empty where nothing was compared.
    """

    model: str
    engine: str
    frames: int
    pictures: int
    fps: float
    stages_ms: Mapping[str, Mapping[str, float]]
    agreement: str


@dataclass(kw_only=True)
class Phone:
    """One page that is or was open. report: its last one."""

    name: str
    report: Report | None = None
    here: bool = True

    def as_json(self) -> dict[str, Any]:
        said = self.report
        return {
            "name": self.name,
            "model": said.model if said else None,
            "engine": said.engine if said else None,
            "frames": said.frames if said else 0,
            "pictures": said.pictures if said else 0,
            "fps": said.fps if said else None,
            "stages_ms": {k: dict(v) for k, v in said.stages_ms.items()} if said else {},
            "agreement": said.agreement if said else "",
        }


@dataclass(kw_only=True)
class Phones:
    """All that came. Each has a name of its own."""

    most: int = 256
    all: list[Phone] = field(default_factory=list)

    def join(self, hello: Hello) -> Phone | None:
        """A new row; None where there are too many."""
        if len(self.all) >= self.most:
            # Those that left without labelling anything are worth no row.
            self.all = [p for p in self.all if p.here or (p.report and p.report.frames)]
            if len(self.all) >= self.most:
                return None
        taken = {phone.name for phone in self.all}
        name, number = hello.name, 2
        while name in taken:
            name, number = f"{hello.name} ({number})", number + 1
        phone = Phone(name=name)
        self.all.append(phone)
        return phone


def read_message(text: str) -> Hello | Report | None:
    """A page's message. None for what is no message that is known here."""
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(said, dict):
        return None
    if said.get("type") == "hello":
        return Hello(name=_text(said.get("name")) or "a phone")
    if said.get("type") == "report":
        return _report(said)
    return None


def _report(said: dict[str, Any]) -> Report:
    stages = said.get("stages_ms")
    stages = stages if isinstance(stages, dict) else {}
    return Report(
        model=_text(said.get("model")),
        engine=_text(said.get("engine")),
        frames=int(_number(said.get("frames"), _MOST_FRAMES)),
        pictures=int(_number(said.get("pictures"), _MOST_FRAMES)),
        fps=_number(said.get("fps"), 10_000),
        stages_ms={
            stage: {each: _number(stages[stage].get(each), _MOST_MS) for each in STATISTICS}
            for stage in STAGES
            if isinstance(stages.get(stage), dict)
        },
        agreement=_text(said.get("agreement"), 2 * _LONGEST_TEXT),
    )


def _text(value: Any, most: int = _LONGEST_TEXT) -> str:
    """One short line of what may be anything."""
    if not isinstance(value, str):
        return ""
    shown = "".join(c if c.isprintable() else " " for c in value[: 4 * most])
    return " ".join(shown.split())[:most]


def _number(value: Any, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return 0.0
    # An integer may be too large to be a float at all.
    value = float(min(max(value, 0), most)) if value == value else 0.0
    return value if math.isfinite(value) else 0.0
