"""Do two runs of the same agree, with each other and with `litert-benchmark`; is `compare` right?

    python benchmarks/bench_repeat.py [--variant int8|float32 | --model FILE] [--threads 1]
                                      [--seconds 60] [--processes 8]
    python benchmarks/bench_repeat.py --compare 20 [--processes 12] [--seconds 8]

Without --compare: two `standard` runs of one model, their processes taking turns, and a run of
Google's own tool after each pair of them; both sides in one table. Claimed: the runs agree within
2 % at the median and 5 % at the 90th percentile, or the results say that the machine was unstable
and why; both are within 3 % of theirs.

With --compare: so many times a model twice and a variant of it that is about 10 % slower, the
processes of the three taking turns, and `cnnedge compare` on their files. Claimed: no difference
between the equal ones (exit code 0) and a regression of the slower (exit code 3), every time.

Models are made once into --model-dir, which needs the train extra. Exits 1 when a claim is not met.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from bench_vs_litert import mobilenet, theirs

from cnnedge.benchmark import Case, LocalDevice, Protocol, get_protocol
from cnnedge.benchmark.answer import Answer
from cnnedge.benchmark.request import Request
from cnnedge.benchmark.rounds import run_rounds
from cnnedge.engines import Runtime
from cnnedge.errors import CnnedgeError
from cnnedge.specs import plain

MEDIAN, P90, THEIRS = 0.02, 0.05, 0.03
SLOWER = 1.10
# Blocks of the slower variant that are tried, beside so many of the base.
BASE_BLOCKS, TRIED = 10, (11, 12, 13)


class WithTheirs(LocalDevice):
    """This machine; after each second process of ours, one of theirs."""

    def __init__(self, model: Path, threads: int) -> None:
        super().__init__()
        self._model, self._threads = model, threads
        self._asked = 0
        self.theirs_ms: list[float] = []

    def measure(self, request: Request) -> Answer:
        """Ours; the median of theirs joins `theirs_ms`. As many inferences and warm-ups."""
        answer = super().measure(request)
        self._asked += 1
        if self._asked % 2 == 0:
            runs, warmups = len(answer.samples_ms), max(1, answer.warmup_count)
            told, _ = theirs(self._model, self._threads, runs, warmups)
            self.theirs_ms.append(told["latency"]["median_ms"])
        return answer


def measured(device: LocalDevice, cases: list[Case], protocol: Protocol) -> list[dict[str, Any]]:
    outcome = run_rounds(device, cases, protocol)
    if outcome.failures:
        raise outcome.failures[0].error
    return plain(outcome.results)


def repeat(model: Path, threads: int, seconds: float, processes: int) -> bool:
    """Prints both runs beside theirs, and the claims; returns whether all are met."""
    standard = get_protocol("standard")
    protocol = dataclasses.replace(
        standard,
        seconds=seconds,
        processes=processes,
        warmup_seconds=min(seconds, standard.warmup_seconds),
    )
    device = WithTheirs(model, threads)
    case = Case(model=model, runtime=Runtime(delegate="cpu", threads=threads, engine="litert"))
    runs = measured(device, [case, case], protocol)
    about = runs[0]["conditions"]
    print(
        f"{model.name}, threads: {threads}; {runs[0]['engine']} {runs[0]['engine_version']}; "
        f"{about['cpu']}, {about['cores']} cores; {protocol.processes} processes a run, ms\n"
    )
    print("              median     p90     p99   count   A/A floor")
    for name, r in zip(("first run", "second run"), runs, strict=True):
        ms, floor = r["latency_ms"], r["noise_floor"]["median"]
        print(
            f"{name:<12}{ms['median']:>8.3f}{ms['p90']:>8.3f}{ms['p99']:>8.3f}{ms['count']:>8,}"
            f"{floor:>11.1%}"
        )
    other = statistics.median(device.theirs_ms)
    print(f"{'theirs':<12}{other:>8.3f}  (processes: {min(device.theirs_ms)} to ", end="")
    print(f"{max(device.theirs_ms)})\n")
    return judge(runs, other)


def judge(runs: list[dict[str, Any]], other: float) -> bool:
    first, second = (r["latency_ms"] for r in runs)
    apart = {name: abs(second[name] / first[name] - 1) for name in ("median", "p90")}
    agree = apart["median"] <= MEDIAN and apart["p90"] <= P90
    said = [reason for r in runs for reason in r["unstable"]]
    print(
        f"the runs differ by {apart['median']:.1%} at the median (claimed {MEDIAN:.0%}) and by "
        f"{apart['p90']:.1%} at p90 (claimed {P90:.0%}): {_word(agree)}"
    )
    for r, name in zip(runs, ("first", "second"), strict=True):
        print(f"  {name}: {'; '.join(r['unstable']) or 'stable'}")
    if not agree and said:
        print("  the results say that the machine was unstable, and why: met in that way")
    ratio = statistics.median(r["latency_ms"]["median"] for r in runs) / other
    near = abs(ratio - 1) <= THEIRS
    print(f"ours / theirs: {ratio:.3f}, claimed within {THEIRS:.0%}: {_word(near)}")
    return (agree or bool(said)) and near


def blocks(folder: Path, count: int) -> Path:
    """A float32 network of so many equal blocks; made where it is missing."""
    path = folder / f"blocks_{count}.tflite"
    if path.exists():
        return path
    import tf_keras

    from cnnedge.converter import convert

    print(f"making {path}", file=sys.stderr)
    layers = tf_keras.layers
    image = tf_keras.Input((64, 64, 3))
    x = layers.Conv2D(64, 3, strides=2, padding="same", activation="relu")(image)
    for _ in range(count):
        x = layers.Conv2D(64, 3, padding="same", activation="relu")(x)
    x = layers.Dense(10)(layers.GlobalAveragePooling2D()(x))
    pictures = np.zeros((4, 64, 64, 3), np.uint8)
    flatbuffer = convert(tf_keras.Model(image, x), "float32", pictures)
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(flatbuffer)
    return path


def slower_variant(folder: Path, threads: int) -> tuple[Path, Path, float]:
    """The base, the variant nearest to 10 % slower, and how much slower it is here."""
    base = blocks(folder, BASE_BLOCKS)
    tried = [blocks(folder, count) for count in TRIED]
    cases = [
        Case(model=m, runtime=Runtime(delegate="cpu", threads=threads)) for m in (base, *tried)
    ]
    protocol = Protocol(
        name="choice", processes=5, warmup_seconds=0.3, runs=50, seconds=4.0, headline="median"
    )
    results = measured(LocalDevice(), cases, protocol)
    first, *others = (r["latency_ms"]["median"] for r in results)
    ratios = dict(zip(tried, (o / first for o in others), strict=True))
    chosen = min(ratios, key=lambda m: abs(ratios[m] - SLOWER))
    return base, chosen, ratios[chosen]


def compare(folder: Path, threads: int, rounds: int, protocol: Protocol) -> bool:
    """Prints a line for each round; returns whether `compare` was right every time."""
    base, slower, ratio = slower_variant(folder, threads)
    print(
        f"{slower.name} takes {ratio:.3f} times as long as {base.name}; {protocol.processes} "
        f"processes of {protocol.seconds / protocol.processes:.1f} s a run, taking turns\n"
    )
    print("round   A/A                                     slower")
    right = {"A/A": 0, "slower": 0}
    cases = [
        Case(model=m, runtime=Runtime(delegate="cpu", threads=threads))
        for m in (base, base, slower)
    ]
    for number in range(1, rounds + 1):
        results = measured(LocalDevice(), cases, protocol)
        with tempfile.TemporaryDirectory() as place:
            files = [_written(Path(place) / f"{i}.json", r) for i, r in enumerate(results)]
            same, same_code = _compared(files[0], files[1])
            other, other_code = _compared(files[0], files[2])
        right["A/A"] += (same["verdict"], same_code) == ("no difference", 0)
        right["slower"] += (other["verdict"], other_code) == ("regression", 3)
        print(f"{number:>5}   {_line(same)}   {_line(other)}", flush=True)
    print()
    for name, count in right.items():
        print(f"{name}: right {count} of {rounds} times: {_word(count == rounds)}")
    return all(count == rounds for count in right.values())


def _written(path: Path, result: dict[str, Any]) -> Path:
    path.write_text(json.dumps({"results": [result]}))
    return path


def _compared(base: Path, new: Path) -> tuple[dict[str, Any], int]:
    """What `cnnedge compare` says of two files, and its exit code."""
    done = subprocess.run(
        [sys.executable, "-m", "cnnedge", "compare", str(base), str(new), "--json", "-"],
        capture_output=True,
        text=True,
    )
    if not done.stdout:
        sys.exit(f"cnnedge compare: {done.stderr[-500:]}")
    return json.loads(done.stdout)["compared"][0], done.returncode


def _line(c: dict[str, Any]) -> str:
    low, high = c["ci95"]
    interval = f"{c['ratio']:.3f} ({low:.3f}..{high:.3f})"
    return f"{interval} floor {c['noise_floor']:.3f} {c['verdict']:<13}"


def _word(met: bool) -> str:
    return "met" if met else "NOT met"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", type=Path, help="any .tflite with a picture as input")
    parser.add_argument("--variant", choices=["int8", "float32"], default="int8")
    parser.add_argument("--model-dir", type=Path, default=Path("build"), help="default: build/")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compare", type=int, metavar="N", help="rounds of comparisons")
    parser.add_argument("--processes", type=int, help="of each run; default: 8, compared 12")
    parser.add_argument("--seconds", type=float, help="of each run; default: 60, compared 8")
    options = parser.parse_args()
    try:
        if options.compare is None:
            model = options.model or mobilenet(options.model_dir, options.variant)
            met = repeat(model, options.threads, options.seconds or 60.0, options.processes or 8)
        else:
            protocol = Protocol(
                name="shortened",
                processes=options.processes or 12,
                warmup_seconds=0.3,
                runs=50 * (options.processes or 12),
                seconds=options.seconds or 8.0,
                headline="median",
            )
            met = compare(options.model_dir, options.threads, options.compare, protocol)
    except CnnedgeError as error:
        sys.exit(f"Error: {error}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
