"""A command of cnnedge on a device: `python -m cnnedge.cli.there`.

{"words": [...]} as JSON enters on standard input; what `cnnedge WORDS` writes leaves.
"""

from __future__ import annotations

import json
import sys

from . import group


def main() -> None:
    """Runs the command; its exit code is the process's."""
    words = json.load(sys.stdin)["words"]
    group(args=[str(word) for word in words], prog_name="cnnedge")


if __name__ == "__main__":
    main()
