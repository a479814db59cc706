"""How long `cnnedge teach` takes from Train to a live model, and what its accuracy is worth.

Draws three things on grounds of their own, as bursts of frames. The first table is of a set made to
mislead: the things are small, and whoever knows the ground knows the answer; its accuracy by
frames (neighbours of what was learnt) stands beside that by bursts, both by the same classifier on
the same features. Then Chromium shoots three classes with a fake camera, presses Train, and the
clock runs until the new model has labelled a frame on the same page.

    python benchmarks/bench_teach.py [--no-browser] [--no-misleading]
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from cnnedge.data.ties import burst_name
from cnnedge.teaching.judging import Lesson, answers, measure
from cnnedge.training import backend
from support.things import THINGS, film_of, wait_for_ground

GROUNDS = {"mug": (1, 6), "leaf": (3, 12), "key": (7, 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--no-browser", action="store_true")
    parser.add_argument("--no-misleading", action="store_true")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if not arguments.no_misleading:
            misled(folder / "misleading")
        if not arguments.no_browser:
            timed(folder / "album", folder)


def misled(root: Path) -> None:
    for target, name in enumerate(THINGS):
        for b in range(4):
            frames = film_of(name, [100 * target + b], frames=12, side=0.1)
            for i, frame in enumerate(frames):
                path = root / name / burst_name(f"abcdefgh{target}{b}", i)
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), frame)
    backend.require("bench_teach")
    from cnnedge.teaching.recipe import linear_recipe
    from cnnedge.teaching.teacher import Teacher

    teacher = Teacher(linear_recipe("yoga_edge"), lambda *_: None)
    lesson: Lesson = teacher.lesson(root, lambda *_: None)
    frames = np.random.default_rng(0).permutation(len(lesson.rows)) % 4
    by_frames = float(np.mean(answers(lesson, frames) == lesson.classes))
    found = measure(lesson)
    low, high = found.ci95 or (0.0, 1.0)
    print(f"{found.pictures} pictures in {found.bursts} bursts, each on a ground of its own")
    print(f"  accuracy by frames  {100 * by_frames:6.1f} %")
    print(
        f"  accuracy by bursts  {100 * (found.accuracy or 0):6.1f} %  "
        f"(95 % interval {100 * low:.0f} to {100 * high:.0f} %)"
    )


def trainer_of(server: int) -> int:
    """The process that trains: the server's one child."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        if int(status.read_text().rpartition(")")[2].split()[1]) == server:
            return int(status.parent.name)
    raise SystemExit("nothing trains")


def cpu_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def timed(root: Path, folder: Path) -> None:
    from support.browser import chromium, driver, film, opened, until
    from support.demo import demo

    films = {
        name: film(folder / f"{name}.mjpeg", film_of(name, GROUNDS[name], still=5))
        for name in THINGS
    }
    with driver() as playwright, demo(root, cache=folder / "cache", command="teach") as served:
        for name in THINGS:
            with (
                chromium(playwright, film=films[name]) as browser,
                opened(browser, served.url) as page,
            ):
                until(page, "document.querySelector('video').videoWidth > 0")
                page.click("#make")
                page.fill("#naming-text", name)
                page.keyboard.press("Enter")
                until(page, f"document.querySelector('#class-name').textContent === '{name}'")
                for burst in range(2):
                    wait_for_ground(page, GROUNDS[name], burst)
                    page.hover("#shutter")
                    page.mouse.down()
                    page.wait_for_timeout(1800)
                    page.mouse.up()
                if name != THINGS[-1]:
                    continue
                until(page, "!document.querySelector('#train').disabled")
                # TensorFlow is there by the time that three classes are shot on a phone.
                until(page, "document.querySelector('#train').dataset.ready === 'yes'", 200)
                trainer = trainer_of(served.process.pid)
                started, spent = time.perf_counter(), cpu_seconds(trainer)
                page.click("#train")
                until(page, "document.querySelector('#answers .first .name')", 200)
                seconds = time.perf_counter() - started
                until(page, "document.querySelector('#teaching-text').innerText.includes('Live')")
                count = len(list(root.glob("*/*.jpg")))
                print(f"{count} pictures of {len(THINGS)} classes, shot with Chromium's camera")
                print(f"  from Train to the first label of the new model  {seconds:6.1f} s")
                spent = cpu_seconds(trainer) - spent
                print(f"  of these, the training process computed for     {spent:6.1f} s")
                print(f"  the machine: {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
                print(f"  the page: {page.inner_text('#teaching-text')}")


if __name__ == "__main__":
    main()
