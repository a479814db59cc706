"""What a board said, as it comes.

Bytes enter; no more of them than anyone needs leave, and whole lines, free of what a terminal would
obey.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable

from .base import one_line

_LONGEST_LINE = 20_000


class Collected:
    """Output and errors of a command, at most so many bytes of each. line: gets whole lines."""

    def __init__(self, most: int, line: Callable[[str], None] | None) -> None:
        self.output, self.errors = bytearray(), bytearray()
        self._most, self._line = most, line
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = ""

    def __call__(self, kind: bytes, content: bytes) -> None:
        """One part, as the guard sends it; nothing stands for the end."""
        into = self.errors if kind == b"R" else self.output
        into += content[: max(0, self._most - len(into))]
        if self._line and kind == b"O":
            *lines, self._begun = (self._begun + self._decoder.decode(content)).split("\n")
            for text in lines:
                self._line(one_line(text, _LONGEST_LINE))
            self._begun = self._begun[:_LONGEST_LINE]

    def end(self) -> None:
        """A last line without its newline."""
        if self._line and self._begun:
            self._line(one_line(self._begun, _LONGEST_LINE))
            self._begun = ""
