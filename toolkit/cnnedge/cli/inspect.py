"""`cnnedge inspect`."""

from __future__ import annotations

from collections import Counter
from typing import Any

import click
from rich.text import Text

from ..bundle import ModelFile, TensorInfo, read_model
from ..bundle.cost import macs, parameters, sparsity
from . import output


@click.command()
@click.argument("model")
@click.option("--operators", is_flag=True, help="List every operator with its shapes.")
@output.json_option
@output.verbose_option
def command(model: str, operators: bool, json_file: str | None, verbose: bool) -> None:
    """Show inputs, outputs, operators, cost and metadata of MODEL; nothing is run."""
    file = read_model(model)
    found = describe(file)
    if json_file:
        output.write_json(json_file, found)
    if json_file != "-":
        _print(file, found, operators)


def describe(file: ModelFile) -> dict[str, Any]:
    """What is known of a model file, as JSON."""
    graph = file.graph
    return {
        "model": str(file.path),
        "sha256": file.sha256,
        "size_bytes": file.size_bytes,
        "description": graph.description,
        "subgraphs": graph.subgraph_count,
        "signatures": list(graph.signatures),
        "inputs": [_tensor(graph.tensors[i]) for i in graph.inputs],
        "outputs": [_tensor(graph.tensors[i]) for i in graph.outputs],
        "operators": [
            {
                "name": op.name,
                "inputs": [list(graph.tensors[i].shape) for i in op.inputs if i >= 0],
                "outputs": [list(graph.tensors[i].shape) for i in op.outputs if i >= 0],
            }
            for op in graph.operators
        ],
        "parameters": parameters(file),
        "macs": macs(graph),
        "sparsity": sparsity(file),
        "labels": list(file.labels) if file.labels is not None else None,
        "metadata": sorted(graph.metadata),
        "cnnedge": file.provenance,
    }


def _tensor(tensor: TensorInfo) -> dict[str, Any]:
    return {
        "name": tensor.name,
        "dtype": tensor.dtype,
        "shape": list(tensor.shape),
        "scales": list(tensor.scales),
        "zero_points": list(tensor.zero_points),
    }


def _print(file: ModelFile, found: dict[str, Any], operators: bool) -> None:
    console = output.results()
    table = output.table()
    table.add_column("model", style="bold")
    table.add_column(Text(str(file.path)), overflow="fold")
    table.add_row("size", f"{output.size(file.size_bytes)}, sha256 {file.sha256[:16]}…")
    for kind in ("inputs", "outputs"):
        for tensor in found[kind]:
            table.add_row(kind[:-1], Text(_tensor_line(tensor)))
    counts = Counter(op.name for op in file.graph.operators)
    line = ", ".join(f"{name} ×{n}" if n > 1 else name for name, n in counts.most_common())
    table.add_row("operators", f"{len(file.graph.operators)}: {line}")
    table.add_row(
        "cost",
        f"{found['parameters']:,} parameters ({found['sparsity']:.1%} of weights zero), "
        f"{found['macs']:,} multiply-accumulates",
    )
    labels = found["labels"]
    table.add_row(
        "labels", Text(f"{len(labels)}: {' · '.join(labels)}" if labels else "none in the file")
    )
    for name, text in _provenance_rows(found["cnnedge"]):
        table.add_row(name, Text(text))
    console.print(table)
    if operators:
        console.print()
        _print_operators(console, found)


def _tensor_line(tensor: dict[str, Any]) -> str:
    text = f"{tensor['dtype']} {tensor['shape']} {tensor['name']}"
    if tensor["scales"]:
        text += f" (scale {tensor['scales'][0]:.6g}, zero point {tensor['zero_points'][0]})"
    return text


def _provenance_rows(about: dict[str, Any] | None) -> list[tuple[str, str]]:
    if about is None:
        return [("provenance", "none: not made by cnnedge")]
    rule = about.get("preprocess", {})
    rows = [
        ("made by", f"cnnedge {about.get('cnnedge')}, recipe {about.get('recipe')}"),
        (
            "pixels",
            f"{about.get('input', {}).get('color')} 0..255, resized by "
            f"{rule.get('resize')} ({rule.get('interpolation')})",
        ),
    ]
    accuracy = about.get("accuracy")
    if accuracy:
        rows.append(
            (
                "accuracy",
                f"{output.percent(accuracy['accuracy'])} of {accuracy['count']:,} test pictures "
                f"(95 % interval {output.interval(accuracy['ci95'])})",
            )
        )
    return rows


def _print_operators(console: Any, found: dict[str, Any]) -> None:
    table = output.table()
    for name in ("#", "operator", "inputs", "outputs"):
        table.add_column(name, justify="right" if name == "#" else "left")
    for i, op in enumerate(found["operators"]):
        shapes = (" ".join(str(s) for s in op[k]) for k in ("inputs", "outputs"))
        table.add_row(str(i), op["name"], *(Text(s) for s in shapes))
    console.print(table)
