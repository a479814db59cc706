"""What a recipe says of a style: the picture it is taken from, and how it is learnt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from .limits import Range

# The style picture that is drawn in code.
STROKES = "synthetic:strokes"


@dataclass(frozen=True, kw_only=True)
class Style:
    """Training of a network that redraws pictures in the style of one.

    picture: the path of the style picture; `synthetic:strokes` is one that is drawn in code.
    picture_side: pixels of its shorter side when it is looked at; smaller makes finer strokes.
    steps: of training, each with `batch_size` cuts, `side` by `side` pixels, out of the content
    pictures. content, style, smoothness: the weights of what is to stay of the content picture,
    of what is to come from the style picture, and of neighbouring pixels being alike.
    """

    picture: str = STROKES
    picture_side: Annotated[int, Range(64, 1024)] = 256
    steps: Annotated[int, Range(1, 1_000_000)] = 1000
    batch_size: Annotated[int, Range(1, 256)] = 4
    side: Annotated[int, Range(32, 1024)] = 160
    learning_rate: Annotated[float, Range(1e-8, 1)] = 2e-3
    content: Annotated[float, Range(0, 1e6)] = 1.0
    style: Annotated[float, Range(0, 1e6)] = 3.0
    smoothness: Annotated[float, Range(0, 1e6)] = 0.5

    def check(self) -> str | None:
        if self.side % 4:
            return f"side is {self.side}; the network needs a multiple of 4"
        return None
