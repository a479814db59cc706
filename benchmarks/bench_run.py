"""Is labelling a video nearly as fast as the bare interpreter, and faster than what others ship?

    python benchmarks/bench_run.py [--rounds 7] [--frames 600] [--side 224] [--model-dir build]

MobileNetV2 int8 of --side pixels with random weights, one inference thread. Two tables.

Sizes: videos of 640x480, 1280x720 and 1920x1080, as MPEG-4 and as JPEGs, by the default resize rule
(area) and by OpenCV's bilinear. In each round, in turn: the bare interpreter, `cnnedge` with either
rule, and the plain loop of tutorials. The claims are about the default rule and MPEG-4.

Others: the 640x480 MPEG-4 video, and OpenCV's bilinear to the whole input for everybody, as
MediaPipe resizes: the same work. In each round, in turn, each over the whole video but the first:

    bare         300 invocations with nothing around them, in three parts between the others;
                 the rate is 1000 / their median in ms
    ours         label_frames: capture, preprocessing, inference, postprocessing on their threads
    workers      the same with --workers interpreters side by side
    loop         what tutorials write: read, cv2.resize, BGR to RGB, set_tensor, invoke, argmax
    loops        as many of these loops as workers, in processes of their own, each over the whole
                 video: what the cores have to give, not in one order
    mediapipe    MediaPipe's ImageClassifier in video mode, in an environment of its own

The clock runs from the first frame asked for to the last label; loading and opening are not in it,
the first inference after loading is done before it. A ratio is one of neighbours, of the same
round; claims are about medians over the rounds. Preprocessing (`prepare` into given memory) is
compared with cv2.resize and cv2.cvtColor of the same frame, alternating.

The first run makes the model (train extra) and MediaPipe's environment under .venvs/ (network).
--no-mediapipe leaves that part out, --only sizes or others one of the tables. Exits 1 when a claim
is not met.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from bench_vs_litert import busy_elsewhere, moment
from run_parts import CODECS, VGA, bare, film, loop, ours, packed

from cnnedge.classifier import Classifier, load
from cnnedge.engines import Runtime
from cnnedge.errors import CnnedgeError
from cnnedge.preprocess import prepare

MEDIAPIPE = "mediapipe==1.2.2"
ENVIRONMENT = Path(__file__).resolve().parents[1] / ".venvs" / "bench-mediapipe-1.2.2"
PREPARATIONS = 400
# Of the bare rate; of MediaPipe's; of cv2's time.
OURS, WORKERS, OVER_MEDIAPIPE, PREPROCESSING = 0.97, 1.6, 1.4, 1.15
# Sizes, and what of the bare rate the default rule is claimed to reach.
SIZES = {VGA: 0.96, (1280, 720): 0.93, (1920, 1080): 0.85}

# For each line on stdin labels the video once and prints "frames seconds".
MEDIAPIPE_LOOP = """\
import sys, time
import cv2
import numpy as np
import mediapipe as mp
from mediapipe.tasks.python import BaseOptions, vision

model, video = sys.argv[1:]
Options, Mode = vision.ImageClassifierOptions, vision.RunningMode
for line in sys.stdin:
    base = BaseOptions(model_asset_path=model)
    options = Options(base_options=base, running_mode=Mode.VIDEO, max_results=1)
    with vision.ImageClassifier.create_from_options(options) as classifier:
        first = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.zeros((480, 640, 3), np.uint8))
        classifier.classify_for_video(first, 0)
        capture = cv2.VideoCapture(video)
        count, started = 0, time.perf_counter()
        while True:
            ok, frame = capture.read()
            if not ok:
                break
            count += 1
            rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            image = mp.Image(image_format=mp.ImageFormat.SRGB, data=rgb)
            classifier.classify_for_video(image, count * 33)
        seconds = time.perf_counter() - started
    print(count, seconds, flush=True)
"""


class Loops:
    """Plain loops in processes of their own that wait for their turns."""

    def __init__(self, model: Path, video: Path, count: int) -> None:
        # Started anew: a forked interpreter shares threads that do not exist in the child.
        context = multiprocessing.get_context("spawn")
        self._pool = context.Pool(count)
        self._turns = [(model, video)] * count

    def rate(self) -> float:
        """Frames per second of all together, over the time in which all are at work."""
        return sum(self._pool.starmap(lone_loop, self._turns, chunksize=1))

    def close(self) -> None:
        self._pool.terminate()
        self._pool.join()


def lone_loop(model: Path, video: Path) -> float:
    return loop(model, video, [])


def mediapipe_python() -> Path:
    """The Python of an environment with MediaPipe; made where it is missing."""
    python = ENVIRONMENT / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if not (ENVIRONMENT / ".complete").exists():
        print(f"making {ENVIRONMENT}", file=sys.stderr)
        venv.create(ENVIRONMENT, with_pip=True, clear=True)
        clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
        subprocess.run([python, "-m", "pip", "install", "-q", MEDIAPIPE], check=True, env=clean)
        (ENVIRONMENT / ".complete").touch()
    return python


class MediaPipe:
    """MediaPipe in a process of its own that waits for its turns."""

    def __init__(self, model: Path, video: Path) -> None:
        self._process = subprocess.Popen(
            [mediapipe_python(), "-c", MEDIAPIPE_LOOP, model, video],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={k: v for k, v in os.environ.items() if k != "PYTHONPATH"},
        )

    def rate(self) -> float:
        """Labels the video once; frames per second."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().split()
        if len(answer) != 2:
            sys.exit("MediaPipe's process ended without an answer")
        return float(answer[0]) / float(answer[1])

    def close(self) -> None:
        self._process.kill()
        self._process.wait()


def preprocessing(model: Classifier, video: Path) -> tuple[float, float]:
    """(ours, cv2 alone): medians in ms."""
    capture = cv2.VideoCapture(str(video))
    frame = capture.read()[1]
    out = np.empty(model.size.shape, np.uint8)

    side = (model.size.width, model.size.height)

    def alone() -> object:
        return cv2.cvtColor(cv2.resize(frame, side), cv2.COLOR_BGR2RGB)

    assert (prepare(frame, model.size, model.rule, out) == alone()).all()
    both: tuple[Callable[[], object], ...] = (
        lambda: prepare(frame, model.size, model.rule, out),
        alone,
    )
    samples: list[list[float]] = [[], []]
    for _ in range(PREPARATIONS):
        for function, kept in zip(both, samples, strict=True):
            begin = time.perf_counter()
            function()
            kept.append((time.perf_counter() - begin) * 1000)
    return float(np.median(samples[0])), float(np.median(samples[1]))


def play(
    model: Path, video: Path, workers: int, rounds: int, others: MediaPipe | None
) -> dict[str, list[float]]:
    """Rates in frames/s by name, one for each round."""
    models = [load(model, Runtime(delegate="cpu", engine="litert")) for _ in range(workers)]
    for each in models:
        each.infer()
    rates: dict[str, list[float]] = {}
    side_by_side = Loops(model, video, workers)
    names = ["bare", "ours", "workers", "loop", "loops", *(["mediapipe"] if others else [])]
    print("round" + "".join(f"{name:>11}" for name in names) + "   frames/s")
    answers: dict[str, list[int]] = {"ours": [], "workers": [], "loop": []}
    for number in range(1, rounds + 1):
        samples = bare(models[0])
        got = {"ours": ours(models[:1], video, answers["ours"])[0]}
        got["workers"] = ours(models, video, answers["workers"])[0]
        samples += bare(models[0])
        got["loop"] = loop(model, video, answers["loop"])
        got["loops"] = side_by_side.rate()
        if others:
            got["mediapipe"] = others.rate()
        samples += bare(models[0])
        got["bare"] = 1000 / float(np.median(samples))
        if not answers["ours"] == answers["workers"] == answers["loop"]:
            sys.exit("the ways do not give the same labels: nothing to compare")
        for name in names:
            rates.setdefault(name, []).append(got[name])
        print(f"{number:>5}" + "".join(f"{got[name]:>11.1f}" for name in names), flush=True)
    side_by_side.close()
    for each in models:
        each.close()
    return rates


def where_time_goes(model: Path, video: Path, workers: int) -> None:
    """A table of the stages of one more run of each kind."""
    for count in (1, workers):
        models = [load(model, Runtime(delegate="cpu", engine="litert")) for _ in range(count)]
        timings = ours(models, video, [])[1]
        rows = {n: s.statistics() for n, s in timings.stages.items()}
        rows["age"] = timings.age.statistics()
        print(
            f"\n{timings.fps:.1f} frames/s with {count} at work; ms  median     p90     p99     max"
        )
        for name, found in rows.items():
            figures = "".join(f"{found[k]:>8.3f}" for k in ("median", "p90", "p99", "max"))
            print(f"{name:>38}{figures}")


def judge(name: str, ratios: list[float], claim: float, *, at_least: bool = True) -> bool:
    """Prints one claim about the median of ratios as met or not."""
    median = float(np.median(ratios))
    met = median >= claim if at_least else median <= claim
    print(
        f"{name:<34}{median:>7.3f}  ({min(ratios):.3f}..{max(ratios):.3f}, {len(ratios)} rounds)  "
        f"claimed {'at least' if at_least else 'at most'} {claim:g}: {'met' if met else 'NOT met'}"
    )
    return met


def over(rates: dict[str, list[float]], name: str, base: str) -> list[float]:
    return [a / b for a, b in zip(rates[name], rates[base], strict=True)]


def sizes(options: argparse.Namespace) -> bool:
    """Prints the table of sizes and its claims; returns whether all are met."""
    paths = {r: packed(options.model_dir, options.side, r) for r in ("area", "opencv_bilinear")}
    models = {r: load(path, Runtime(delegate="cpu", engine="litert")) for r, path in paths.items()}
    print(
        "frames of    codec     bare/s    area/s  of bare   preprocess   opencv_bilinear/s  of bare"
        "    loop/s  of bare"
    )
    claims = []
    for size, claim in SIZES.items():
        for codec in CODECS:
            video = film(options.model_dir, options.frames, size, codec)
            rates: dict[str, list[float]] = {}
            spent: list[float] = []
            for _ in range(options.rounds):
                samples = bare(models["area"])
                for rule, model in models.items():
                    rate, timings = ours([model], video, [])
                    rates.setdefault(rule, []).append(rate)
                    samples += bare(models["area"])
                    if rule == "area":
                        spent.append(timings.stages["preprocess"].statistics()["median"])
                rates.setdefault("loop", []).append(loop(paths["opencv_bilinear"], video, []))
                samples += bare(models["area"])
                rates.setdefault("bare", []).append(1000 / float(np.median(samples)))
            share = {name: over(rates, name, "bare") for name in rates}
            told = {n: (float(np.median(rates[n])), float(np.median(share[n]))) for n in rates}
            print(
                f"{size[0]}x{size[1]:<8}{codec:<8}{told['bare'][0]:>7.1f}"
                f"{told['area'][0]:>10.1f}{told['area'][1]:>9.3f}{np.median(spent):>10.3f} ms"
                f"{told['opencv_bilinear'][0]:>20.1f}{told['opencv_bilinear'][1]:>9.3f}"
                f"{told['loop'][0]:>10.1f}{told['loop'][1]:>9.3f}",
                flush=True,
            )
            if codec == "mpeg4":
                claims.append((f"area / bare, {size[0]}x{size[1]}", share["area"], claim))
    print()
    met = [judge(*claim) for claim in claims]
    return all(met)


def others(options: argparse.Namespace) -> bool:
    """Prints rounds and claims beside other ways; returns whether all claims are met."""
    model = packed(options.model_dir, options.side, "opencv_bilinear")
    video = film(options.model_dir, options.frames)
    mediapipe = MediaPipe(model, video) if options.mediapipe else None
    print(
        f"{options.frames} frames of 640x480, MobileNetV2 {options.side} int8, 1 thread, OpenCV "
        f"{cv2.__version__}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
    )
    before = moment()
    try:
        rates = play(model, video, options.workers, options.rounds, mediapipe)
    finally:
        if mediapipe:
            mediapipe.close()
    where_time_goes(model, video, options.workers)
    first = load(model, Runtime(delegate="cpu", engine="litert"))
    mine, alone = zip(*(preprocessing(first, video) for _ in range(5)), strict=True)
    print(
        f"\npreprocessing: prepare {np.median(mine):.4f} ms, cv2.resize and cv2.cvtColor "
        f"{np.median(alone):.4f} ms, medians of {PREPARATIONS} a round"
    )
    median = {name: float(np.median(found)) for name, found in rates.items()}
    print("medians: " + ", ".join(f"{name} {rate:.1f}" for name, rate in median.items()) + "\n")
    shares = [m / a for m, a in zip(mine, alone, strict=True)]
    met = [
        judge("ours / bare", over(rates, "ours", "bare"), OURS),
        judge(f"{options.workers} workers / bare", over(rates, "workers", "bare"), WORKERS),
        judge("preprocessing / cv2 alone", shares, PREPROCESSING, at_least=False),
    ]
    print(f"{'plain loop / bare':<34}{np.median(over(rates, 'loop', 'bare')):>7.3f}")
    loops = f"{options.workers} plain loops side by side / bare"
    print(f"{loops:<34}{np.median(over(rates, 'loops', 'bare')):>7.3f}")
    if mediapipe:
        print(f"{'MediaPipe / bare':<34}{np.median(over(rates, 'mediapipe', 'bare')):>7.3f}")
        met.append(judge("ours / MediaPipe", over(rates, "ours", "mediapipe"), OVER_MEDIAPIPE))
    busy = busy_elsewhere(before, moment())
    if busy is not None and busy > 0.15:
        print(f"other programs (MediaPipe's turns among them) kept {busy:.1f} cores busy meanwhile")
    return all(met)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--model-dir", type=Path, default=Path("build"), help="default: build/")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--frames", type=int, default=600)
    parser.add_argument("--side", type=int, default=224, help="of the model's input, in pixels")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--no-mediapipe", dest="mediapipe", action="store_false")
    parser.add_argument("--only", choices=("sizes", "others"), help="one of the two tables")
    options = parser.parse_args()
    options.model_dir.mkdir(parents=True, exist_ok=True)
    tables = {"sizes": sizes, "others": others}
    try:
        met = [f(options) for name, f in tables.items() if options.only in (None, name)]
        return 0 if all(met) else 1
    except CnnedgeError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    sys.exit(main())
