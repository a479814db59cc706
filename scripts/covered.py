"""How much of each room the tests run: a Markdown table, from the data that `make coverage` left.

    python scripts/covered.py [--least PERCENT]

A room is a package or a module of toolkit/cnnedge. --least: exits 1 where all together is below.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

import coverage

SOURCE = Path(__file__).resolve().parents[1] / "toolkit" / "cnnedge"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--least", type=float, default=0.0, metavar="PERCENT")
    options = parser.parse_args()
    data = coverage.Coverage()
    data.load()
    statements, missed = Counter[str](), Counter[str]()
    for path in sorted(SOURCE.rglob("*.py")):
        _, lines, _, left, _ = data.analysis2(str(path))
        room = path.relative_to(SOURCE).parts[0].removesuffix(".py")
        statements[room] += len(lines)
        missed[room] += len(left)
    print("| room | statements | run |\n|---|---|---|")
    for room, count in sorted(statements.items()):
        if count:
            print(f"| {room} | {count:,} | {1 - missed[room] / count:.0%} |")
    whole = 100 * (1 - missed.total() / statements.total())
    print(f"| all | {statements.total():,} | {whole:.1f} % |")
    return 0 if whole >= options.least else 1


if __name__ == "__main__":
    sys.exit(main())
