"""The JSON that commands write, of a small model of our own.

`cd tests && python -m support.golden` writes what is kept in tests/golden/ anew. Kept files are
those of an older cnnedge: they show that what it wrote is still read, and still written.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from .command import cnnedge
from .pictures import shape_folder
from .recipes import write_recipe

KEPT = Path(__file__).resolve().parents[1] / "golden"
# A tiny model is timed a hundred thousand times; the first samples show their form.
_SAMPLES = 20


def outputs(run: Path, pictures: Path, folder: Path) -> dict[str, Any]:
    """What each command says of a finished, converted run; written to files below `folder`."""
    model = run / "export" / "int8.tflite"
    base, new = folder / "bench.json", folder / "bench_again.json"
    commands = {
        "bench.json": ("bench", model, "--json", base),
        "bench_again.json": ("bench", model, "--json", new),
        "compare.json": ("compare", base, new, "--json", folder / "compare.json", "--max-slower"),
        "eval.json": ("eval", model, "--json", folder / "eval.json"),
        "run.json": (
            *("run", model, "--source", pictures, "--json", folder / "run.json"),
            *("--jsonl", folder / "run.jsonl", "--frames", "4"),
        ),
        "verify.json": (
            *("verify", model, "--reference", run, "--pictures", "12"),
            *("--json", folder / "verify.json"),
        ),
    }
    commands["compare.json"] += ("900",)
    for name, words in commands.items():
        done = cnnedge(*words)
        assert done.returncode == 0, f"{name}: {done.stderr[-2000:]}"
    found = {name: json.loads((folder / name).read_text()) for name in commands}
    lines = (folder / "run.jsonl").read_text().splitlines()
    found["run.jsonl"] = [json.loads(line) for line in lines]
    for name in ("metrics.json", "export/report.json"):
        found[Path(name).name] = json.loads((run / name).read_text())
    return found


def shortened(value: Any) -> Any:
    """The same without most of the samples."""
    if isinstance(value, dict):
        return {k: v[:_SAMPLES] if k == "samples_ms" else shortened(v) for k, v in value.items()}
    return [shortened(v) for v in value] if isinstance(value, list) else value


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pictures = shape_folder(folder / "pictures")
        recipe = write_recipe(folder / "recipe", pictures)
        for words in (("train", recipe, "--out", "run"), ("convert", "run")):
            done = cnnedge(*words, cwd=folder)
            assert done.returncode == 0, done.stderr
        found = outputs(folder / "run", pictures, folder)
    KEPT.mkdir(exist_ok=True)
    for file, content in found.items():
        if file.endswith(".jsonl"):
            text = "".join(json.dumps(line) + "\n" for line in content)
        else:
            text = json.dumps(shortened(content), indent=1) + "\n"
        (KEPT / file).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
