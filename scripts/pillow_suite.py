"""Compares read_picture with Pillow on every picture of Pillow's own test suite.

    python scripts/pillow_suite.py [FOLDER]

FOLDER is an unpacked source distribution of Pillow. Without it, pip fetches the sources of the
installed Pillow. Every file is read twice, in processes that may die or hang: by cnnedge, and by
Pillow alone (opened by all formats, rotated by ImageOps.exif_transpose, placed on white, converted
to RGB; 16-bit grey and floating-point values by an independent implementation of the rule that
`read_picture` states). Prints a table with, for each format, the number of files, those that are
equal to the pixel, those that both refuse, and the others, each with what happened. Exits with 1
if there are others than those that are meant to differ.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tarfile
import tempfile
import threading
from collections import Counter, defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_SECONDS = 120.0
# Formats that are refused though Pillow reads them.
_MEANT = {
    "EPS": "drawn by Ghostscript, which is never run",
    "WMF": "drawn by Windows alone",
    "IPTC": "opens whatever lies inside it, by all formats",
    "MIC": "needs a further package",
    "FPX": "needs a further package",
}


def main() -> int:
    """Reads the command line; the exit code leaves."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("folder", nargs="?", type=Path, help="an unpacked Pillow")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--jobs", type=int, default=2, help="files at a time (2)")
    asked = parser.parse_args()
    if asked.worker:
        for line in sys.stdin:
            judge(Path(line.rstrip("\n")))
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.folder or fetched(Path(scratch))
        files = sorted(p for p in (folder / "Tests" / "images").rglob("*") if p.is_file())
        if not files:
            print(f"{folder}: found no Tests/images in it", file=sys.stderr)
            return 1
        with ThreadPoolExecutor(asked.jobs) as pool:
            shares = [files[start :: asked.jobs] for start in range(asked.jobs)]
            found = {
                file: said
                for share in pool.map(in_processes, shares)
                for file, said in share.items()
            }
    return report(files, found)


def fetched(folder: Path) -> Path:
    """Pillow's sources in the version that is installed, unpacked."""
    import PIL

    words = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary=:all:"]
    words += ["--no-build-isolation", f"--dest={folder}", f"pillow=={PIL.__version__}"]
    subprocess.run(words, check=True)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    return folder / archive.name.removesuffix(".tar.gz")


def in_processes(files: Sequence[Path]) -> dict[Path, tuple[str, str, str]]:
    """{file: (format, verdict, detail)}; a crash or a hang is a verdict, and costs a process."""
    found = {}
    worker = Worker()
    for file in files:
        found[file] = worker.judged(file)
        if found[file][0] == "?":
            worker.kill()
            worker = Worker()
    worker.kill()
    return found


class Worker:
    """A process that judges one file after the other."""

    def __init__(self) -> None:
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 (lives as long as the process)
        self.process = subprocess.Popen(
            [sys.executable, __file__, "--worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            errors="replace",
        )

    def judged(self, file: Path) -> tuple[str, str, str]:
        """(format, verdict, detail); format "?" where no answer came."""
        assert self.process.stdin is not None and self.process.stdout is not None
        killer = threading.Timer(_SECONDS, self.process.kill)
        killer.start()
        try:
            print(file, file=self.process.stdin, flush=True)
            parts = self.process.stdout.readline().rstrip("\n").split("\t")
        except BrokenPipeError:
            parts = []
        slow = not killer.is_alive()
        killer.cancel()
        self.errors.seek(0)
        said = " ".join(self.errors.read().decode("utf-8", "replace").split())
        self.errors.seek(0)
        self.errors.truncate()
        if len(parts) != 3:
            what = f"no answer within {_SECONDS:.0f} s" if slow else "the process died"
            return "?", "other", f"{what} {said[-200:]}"
        noise = f"; the libraries wrote to the terminal: {said[-200:]}" if said else ""
        return parts[0], parts[1], (parts[2] + noise).removeprefix("; ")

    def kill(self) -> None:
        """Ends the process."""
        self.process.kill()
        self.process.communicate()
        self.errors.close()


def judge(file: Path) -> None:
    """Prints format, verdict and detail of one file, with tabs between."""
    import numpy as np

    from cnnedge.errors import DataError
    from cnnedge.pictures import read_picture

    ours: object
    try:
        ours = read_picture(file)
    except DataError as error:
        ours = str(error).removeprefix(f"{file}: ")
    theirs, fmt = by_pillow(file)
    if isinstance(ours, str):
        verdict = "refused" if isinstance(theirs, str) else "other"
        detail = ours if verdict == "other" else ""
    elif isinstance(theirs, str):
        verdict, detail = "other", f"read, where Pillow says: {theirs}"
    elif ours.shape == theirs.shape and np.array_equal(ours, theirs):  # type: ignore[attr-defined]
        verdict, detail = "equal", ""
    else:
        apart = ours.shape != theirs.shape or int(np.abs(ours.astype(int) - theirs).max())  # type: ignore[attr-defined]
        verdict, detail = "other", f"pixels differ ({apart})"
    print(fmt, verdict, " ".join(detail.split()), sep="\t", flush=True)


def by_pillow(file: Path) -> tuple[object, str]:
    """uint8 [h, w, 3] BGR as Pillow shows a file, or why it does not; and its format."""
    import warnings

    import numpy as np
    from PIL import EpsImagePlugin, Image, ImageOps

    warnings.simplefilter("ignore")
    EpsImagePlugin.gs_binary = False
    try:
        import pillow_heif

        pillow_heif.register_heif_opener()
    except ImportError:
        pass
    fmt = "none"
    try:
        with Image.open(file) as image:
            fmt = image.format or "none"
            image = ImageOps.exif_transpose(image)
            if image.mode == "F":
                values = np.asarray(image)
                if not np.all((values >= 0) & (values <= 1)):
                    return "floating point out of range", fmt
                grey = np.floor(values.astype(np.float64) * 255 + 0.5).astype(np.uint8)
                return np.stack([grey] * 3, axis=2), fmt
            if image.mode == "I" or image.mode.startswith("I;16"):
                values = np.asarray(image).astype(np.int64)
                if values.min() < 0 or values.max() > 65535:
                    return "whole numbers out of range", fmt
                grey = ((values + 128) // 257).astype(np.uint8)
                if "transparency" in image.info:
                    grey[values == image.info["transparency"]] = 255
                return np.stack([grey] * 3, axis=2), fmt
            if image.has_transparency_data:
                image = image.convert("LA") if image.mode == "La" else image
                clear = np.asarray(image.convert("RGBA")).astype(np.int64)
                alpha = clear[:, :, 3:]
                mixed = clear[:, :, :3] * alpha + 255 * (255 - alpha)
                # Pillow's own division by 255: exact rounding.
                rgb = ((mixed * 2 + 255) // 510).astype(np.uint8)
            else:
                rgb = np.asarray(image.convert("RGB"))
            return rgb[:, :, ::-1], fmt
    except Exception as error:
        return f"{type(error).__name__}: {error}", fmt


def report(files: Sequence[Path], found: dict[Path, tuple[str, str, str]]) -> int:
    """Prints the table and names the others; the exit code leaves."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    unmeant = 0
    lines = []
    for file in files:
        fmt, verdict, detail = found[file]
        counts[fmt][verdict] += 1
        if verdict == "other":
            unmeant += fmt not in _MEANT
        if verdict == "other" or detail:
            lines.append(f"{file.name} ({fmt}, {verdict}): {_MEANT.get(fmt) or detail}")
    print("| format | files | equal | refused by both | other |\n|---|---|---|---|---|")
    total: Counter[str] = Counter()
    for fmt in sorted(counts, key=lambda f: (f in ("none", "?"), f)):
        print(row(fmt if fmt != "none" else "what Pillow does not open", counts[fmt]))
        total += counts[fmt]
    print(row("all", total))
    print(*lines, sep="\n")
    return int(unmeant > 0)


def row(name: str, count: Counter[str]) -> str:
    """One line of the table."""
    cells = (sum(count.values()), count["equal"], count["refused"], count["other"])
    return f"| {name} | {' | '.join(map(str, cells))} |"


if __name__ == "__main__":
    sys.exit(main())
