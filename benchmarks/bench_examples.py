"""The table of the shipped models: float32 and int8, one thread, interleaved.

    python benchmarks/bench_examples.py [--device NAME]... [--only MODEL,MODEL] [--write FILE]

Makes every model of models/ with random weights (train extra; latency does not depend on them)
into --model-dir, once, measures all on every device by the quick protocol in rounds, and prints
the table; --write puts it between the marks of a page such as docs/benchmarks.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from cnnedge.benchmark import bench
from cnnedge.cli.output import progress_console
from cnnedge.errors import CnnedgeError
from cnnedge.figures import milliseconds, size
from cnnedge.files import write_text
from cnnedge.specs import parse_model, shipped
from cnnedge.specs.arithmetic import trace
from cnnedge.targets import open_device

FORMATS = ("float32", "int8")
BEGIN, END = "<!-- models: begin -->", "<!-- models: end -->"
CLASSES = 10


def example(name: str, folder: Path) -> dict[str, Path]:
    """The model's files by format; made where they are missing."""
    files = {f: folder / f"{name}_{f}.tflite" for f in FORMATS}
    if all(path.exists() for path in files.values()):
        return files
    from cnnedge.training import backend

    backend.require("benchmark")
    from cnnedge.architectures import build_model
    from cnnedge.converter import convert
    from cnnedge.files import write_bytes

    # Of signals, any scale is as fast as a learnt one.
    spec = parse_model(*shipped.read("models", name)).scaled((1 / 255,), (0.0,))
    model = build_model(spec, spec.input, CLASSES)
    pictures = np.random.default_rng(0).integers(0, 256, (8, *spec.input.shape))
    for variant, path in files.items():
        write_bytes(path, convert(model, variant, pictures.astype(spec.input.dtype)))
    return files


def table(models: dict[str, dict[str, Path]], results: list[dict[str, Any]]) -> str:
    """Markdown: a row for each model, the formats side by side for each device."""
    found = {(r["device"], r["model"]): r for r in results}
    devices = list(dict.fromkeys(r["device"] for r in results))
    on = {d: f" on {d}" if len(devices) > 1 else "" for d in devices}
    head = ["model", "input", "parameters", *(f"{f} file" for f in FORMATS)]
    for device in devices:
        head += [f"{f}{on[device]}, median (p90)" for f in FORMATS] + [
            f"int8 is faster{on[device]}"
        ]
    rows = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, files in models.items():
        spec = parse_model(*shipped.read("models", name))
        side = f"{spec.input.height}x{spec.input.width}x{spec.input.channels}"
        cells = [
            f"`{name}`",
            side,
            parameters(name),
            *(size(p.stat().st_size) for p in files.values()),
        ]
        for device in devices:
            of = [found.get((device, str(path))) for path in files.values()]
            cells += [shown(r) for r in of]
            whole = all(r and not r.get("emulated") for r in of)
            medians = [r["latency_ms"]["median"] for r in of if r]
            cells.append(f"{medians[0] / medians[1]:.1f}x" if whole else "")
        rows.append("| " + " | ".join(cells) + " |")
    return "\n".join(rows)


def shown(result: dict[str, Any] | None) -> str:
    if result is None:
        return "failed"
    if result.get("emulated"):
        return "emulated"
    latency = result["latency_ms"]
    return f"{milliseconds(latency['median'])} ({milliseconds(latency['p90'])})"


def parameters(name: str) -> str:
    spec = parse_model(*shipped.read("models", name))
    return f"{sum(row.parameters for row in trace(spec, spec.input, CLASSES)):,}"


def measured(models: dict[str, dict[str, Path]], names: list[str]) -> dict[str, Any]:
    devices = [open_device(name, say=lambda text: print(text, file=sys.stderr)) for name in names]
    try:
        with Progress(console=progress_console(), transient=True) as progress:
            task = progress.add_task("timing", total=None)
            return bench(
                [path for files in models.values() for path in files.values()],
                devices=devices,
                progress=lambda done, total, what: progress.update(
                    task, completed=done, total=total, description=f"timing {what}"
                ),
            )
    finally:
        for device in devices:
            device.close()


def note(results: list[dict[str, Any]]) -> str:
    about = results[0]["conditions"]
    unstable = sum(bool(r["unstable"]) for r in results)
    doubt = f"; {unstable} of {len(results)} results call themselves unstable" if unstable else ""
    return (
        f"{results[0]['engine']} {results[0]['engine_version']} on {about['cpu']}, one thread, "
        f"{about['processes']} fresh processes each, interleaved, "
        f"{min(r['latency_ms']['count'] for r in results):,} inferences or more{doubt}. Random "
        "weights, ten classes: `python benchmarks/bench_examples.py --write docs/benchmarks.md`."
    )


def put(path: Path, text: str) -> None:
    """Replaces what is between the marks."""
    before, begin, rest = path.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"{path}: no place for the table: the lines {BEGIN} and {END} are missing")
    write_text(path, f"{before}{BEGIN}\n{text}\n{END}{after}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", action="append", metavar="NAME")
    parser.add_argument("--only", metavar="MODEL,MODEL")
    parser.add_argument("--model-dir", type=Path, default=Path("build"), help="default: build/")
    parser.add_argument("--write", type=Path, metavar="FILE")
    options = parser.parse_args()
    names = options.only.split(",") if options.only else shipped.names("models")
    options.model_dir.mkdir(parents=True, exist_ok=True)
    try:
        models = {name: example(name, options.model_dir) for name in names}
        outcome = measured(models, options.device or ["local"])
    except CnnedgeError as error:
        sys.exit(f"Error: {error}")
    text = f"{table(models, outcome['results'])}\n\n{note(outcome['results'])}"
    print(text)
    for failure in outcome.get("failed", []):
        print(f"{failure['device']}: {failure['error']}", file=sys.stderr)
    if options.write:
        put(options.write, text)


if __name__ == "__main__":
    main()
