"""Removing channels beside zeroing weights: latency and accuracy, cross-validated.

Takes the folds of bench_folds.py (run it with --folder FOLDS first: a trained parent for each
fold), compresses each parent, and prints for every variant the accuracy of all pictures pooled,
points lost against its own parent in the same format, and how many times faster it is. Latencies
of one fold are interleaved in one run; ratios are within folds, their median is printed.

    python benchmarks/bench_folds.py --data DIR --folder FOLDS
    python benchmarks/bench_channels.py FOLDS
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from cnnedge.results import wilson

# Each beside the parent in its own format.
VARIANTS = {
    "int8": "int8",
    "distil-channels41macs": "int8",
    "float32": "float32",
    "distil-prune60-float32": "float32",
    "distil-prune60-sparse-float32": "float32",
}
# A removal this deep takes long to heal; the control of each variant would take as long again.
SETTINGS = (
    "compress.control=false",
    "compress.channels={epochs: 32, steps: 2, rate: 1.0, multiple: 16}",
    "compress.prune={epochs: 8, rate: 1.0}",
    "compress.distil={epochs: 1, rate: 0.2}",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folds", type=Path, help="the folder that bench_folds.py kept")
    parser.add_argument("--only", type=int, help="run this many of the folds")
    parser.add_argument("--set", action="append", metavar="KEY=VALUE", help="instead of SETTINGS")
    parser.add_argument("--json", type=Path, help="write all figures here")
    arguments = parser.parse_args()
    reports = []
    for fold in sorted(arguments.folds.glob("fold*"))[: arguments.only]:
        reports.append(one_fold(fold / "all", arguments.set or SETTINGS))
        table(reports)
    if arguments.json:
        arguments.json.write_text(json.dumps(reports, indent=2) + "\n")


def one_fold(run: Path, overrides: Sequence[str]) -> dict:
    """The report's variants by name; what a fold was measured as before is found again."""
    words = [word for name in VARIANTS for word in ("--variant", name)]
    words += [word for value in overrides for word in ("--set", value)]
    command = [sys.executable, "-m", "cnnedge", "convert", run, *words]
    subprocess.run(list(map(str, command)), check=True, stdout=subprocess.DEVNULL)
    report = json.loads((run / "export/report.json").read_text())
    kept = ("accuracy", "count", "size_bytes", "gzip_bytes", "sparsity", "macs", "latency_ms")
    return {
        v["name"]: {key: v[key] for key in kept} | {"train_seconds": v["train_seconds"]}
        for v in report["variants"]
    }


def table(reports: list[dict]) -> None:
    print(f"\n{len(reports)} folds, {sum(r['int8']['count'] for r in reports)} pictures judged")
    print(
        f"{'variant':32}{'accuracy':>10}{'95 % interval':>18}{'lost':>8}{'faster':>9}"
        f"{'median':>10}{'size':>10}{'gzip':>10}{'zeros':>7}{'training':>10}"
    )
    for name, parent in VARIANTS.items():
        right, count = pooled(reports, name)
        before, _ = pooled(reports, parent)
        low, high = wilson(right, count)
        ratios = [median(r, parent) / median(r, name) for r in reports]
        rows = [report[name] for report in reports]
        middle = {
            key: statistics.median(row[key] for row in rows)
            for key in rows[0]
            if key != "latency_ms"
        }
        print(
            f"{name:32}{100 * right / count:9.2f}%{100 * low:10.1f}-{100 * high:.1f}%"
            f"{100 * (before - right) / count:8.2f}{statistics.median(ratios):8.2f}x"
            f"{statistics.median(median(r, name) for r in reports):7.2f} ms"
            f"{middle['size_bytes'] / 1e6:7.2f} MB{middle['gzip_bytes'] / 1e6:7.2f} MB"
            f"{100 * middle['sparsity']:6.0f}%{middle['train_seconds']:8.0f} s",
            flush=True,
        )


def pooled(reports: list[dict], name: str) -> tuple[int, int]:
    """Right answers and pictures of all folds."""
    count = sum(report[name]["count"] for report in reports)
    right = sum(round(report[name]["accuracy"] * report[name]["count"]) for report in reports)
    return right, count


def median(report: dict, name: str) -> float:
    return report[name]["latency_ms"]["median"]


if __name__ == "__main__":
    main()
