"""The words of `cnnedge inspect`: an Inspection enters, lines for its tables leave."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator

from rich.text import Text

from ... import figures
from ...bundle import TensorInfo
from ...bundle.answers import PictureAnswer
from ...bundle.description import TensorDescription
from ...bundle.inputs import FLAT, SIGNAL
from ...bundle.provenance import Provenance
from ...bundle.special import special_needs
from ...inspection import Forecast, Inspection
from ...inspection.report import entry_text, operator_counts, quantization
from ...specs.signals import SignalSize

_EIGHTHS = " ▏▎▍▌▋▊▉"
# More would push everything else off the screen; the JSON has all.
_MOST_LABELS = 24
_MOST_LEFT = 4
_MOST_TEXT = 300
# Of one line, and of lines of one kind: a file may hold a million of anything.
_MOST_SHOWN, _MOST_ROWS = 4_000, 24
_MOST_NAMED = 100
_SHOWN_SEPARATELY = ("TFLITE_METADATA",)


def facts(found: Inspection) -> Iterator[tuple[str, Text]]:
    """Name and value of each line about the file, in order; long lists are cut."""
    counts: Counter[str] = Counter()
    for name, text in _facts(found):
        counts[name] += 1
        if counts[name] <= _MOST_ROWS:
            text.truncate(_MOST_SHOWN, overflow="ellipsis")
            yield name, text
    for name, count in counts.items():
        if count > _MOST_ROWS:
            yield name, Text(f"and {count - _MOST_ROWS:,} more; --json FILE has all")


def _facts(found: Inspection) -> Iterator[tuple[str, Text]]:
    file, graph = found.file, found.file.graph
    yield "size", Text(f"{figures.size(file.size_bytes)}, sha256 {file.sha256[:16]}…")
    if found.described and (found.described.name or found.described.description):
        parts = (found.described.name, found.described.description)
        yield "about", Text(_short(": ".join(one_line(p) for p in parts if p)))
    inputs = found.described.inputs if found.described else ()
    outputs = found.described.outputs if found.described else ()
    for kind, indices, said in (
        ("input", graph.inputs, inputs),
        ("output", graph.outputs, outputs),
    ):
        for place, index in enumerate(indices):
            about = said[place] if place < len(said) else None
            yield kind, _tensor(graph.tensors[index], about)
    yield from _meanings(found)
    for signature in graph.signatures:
        yield (
            "signature",
            Text(
                f"{one_line(signature.key)}({_listed(signature.inputs)}) → "
                f"{_listed(signature.outputs)}"
            ),
        )
    kinds = operator_counts(graph.operators)
    counts = [
        f"{operator_label(name)} v{version}" + (f" ×{count}" if count > 1 else "")
        for (name, version), count in kinds[:_MOST_NAMED]
    ]
    yield "operators", Text(f"{len(graph.operators)}: {', '.join(counts) or 'none'}")
    for subgraph in graph.subgraphs[1:]:
        line = f"{one_line(subgraph.name) or 'unnamed'}: {len(subgraph.operators)} operators"
        yield "subgraph", Text(line)
    yield from _numbers(found)
    yield from _said(found)


def delegate_name(forecast: Forecast) -> str:
    """XNNPACK, or NNAPI with its API levels."""
    if not forecast.levels:
        return forecast.delegate
    first, last = forecast.levels[0], forecast.levels[-1]
    return f"{forecast.delegate}, API {first}" + (f"–{last}" if last > first else "")


def left_behind(forecast: Forecast) -> Text:
    """What stays and why, grouped by reason, the most frequent first."""
    by_reason: dict[str, list[str]] = {}
    counts: Counter[str] = Counter()
    for left in forecast.left:
        times = f" ×{left.count}" if left.count > 1 else ""
        by_reason.setdefault(left.reason, []).append(f"{operator_label(left.operator)}{times}")
        counts[left.reason] += left.count
    text = Text()
    shown = counts.most_common(_MOST_LEFT)
    for reason, count in shown:
        names = by_reason[reason]
        listed = ", ".join(names[:_MOST_LEFT])
        if len(names) > _MOST_LEFT:
            listed += f" and {len(names) - _MOST_LEFT} more kinds, {count} in total"
        text.append("\n" if text else "").append(listed).append(f": {reason}", style="dim")
    if len(counts) > len(shown):
        text.append(f"\nand {len(counts) - len(shown)} more reasons", style="dim")
    if not text:
        text.append("nothing", style="green")
    elif not forecast.taken:
        text = Text("everything:\n") + text
    if forecast.note:
        text.append(f"\n{forecast.note}", style="dim")
    return text


def operator_label(name: str) -> str:
    """An operator's name; a custom one's as its own."""
    return one_line(name.removeprefix("CUSTOM ")) + (
        " (custom)" if name.startswith("CUSTOM ") else ""
    )


def bar(value: int, most: int, length: int) -> Text:
    """A bar of `length` characters at most, in eighths."""
    eighths = round(8 * length * value / most) if most else 0
    eighths = max(eighths, 1 if value else 0)
    text = "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
    return Text(text.ljust(length), style="blue")


def one_line(text: str, most: int = _MOST_TEXT) -> str:
    """A file's text, made safe for a terminal: nothing that moves the cursor, not too long."""
    return "".join(c if c.isprintable() else "�" for c in _short(text, most))


def _short(text: str, most: int = _MOST_TEXT) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"


def _tensor(tensor: TensorInfo, about: TensorDescription | None) -> Text:
    shape = [s if s >= 0 else "any" for s in (tensor.shape_signature or tensor.shape)]
    shown = f"[{', '.join(map(str, shape))}]"
    parts = []
    if tensor.scales:
        more = f", and {len(tensor.scales) - 1} more" if len(tensor.scales) > 1 else ""
        zero = tensor.zero_points[0] if tensor.zero_points else 0
        parts.append(f"scale {tensor.scales[0]:.6g}, zero point {zero}{more}")
    if about:
        parts += [x for x in _about(about) if x != tensor.name]
    text = Text(f"{tensor.dtype} {shown} {_short(one_line(tensor.name))}")
    if parts:
        text.append(f" ({'; '.join(parts)})", style="dim")
    return text


def _meanings(found: Inspection) -> Iterator[tuple[str, Text]]:
    """How the input and the output are interpreted."""
    file = found.file
    first = file.inputs[0]
    if len(file.inputs) == 1 and first.layout:
        sides = "x".join("any" if s is None else str(s) for s in (first.height, first.width))
        if first.layout == SIGNAL:
            channels = "one channel" if first.channels == 1 else f"{first.channels} channels"
            shown = f"one signal, {first.width} values of {channels}, {SIGNAL}"
        elif first.layout == FLAT:
            shown = "a row of values: --input HxW states the size of the picture in it"
        else:
            colour = "grey" if first.channels == 1 else "colour"
            shown = f"one picture, {sides} {colour}, {first.layout}"
        if first.open:
            shown += "; the caller chooses its size: --input HxW" + (
                f", or {first.default[0]}x{first.default[1]} from its metadata"
                if first.default
                else ""
            )
        if first.batch is not None and first.batch > 1:
            shown += f"; {first.batch} at once, set to one"
        yield "takes", Text(shown)
    answers = [
        f"{output_.kind.replace('_', ' ')}"
        + (f" of {output_.classes:,}" if output_.classes else "")
        + f" ({one_line(output_.because)})"
        for output_ in file.outputs[:_MOST_NAMED]
    ]
    if (drawn := file.picture_answer) is not None:
        answers = [_picture(drawn)]
    yield "gives", Text(_short("; ".join(answers)))
    for need in special_needs(file.graph):
        yield "needs", Text(one_line(need, _MOST_SHOWN))


def _picture(answer: PictureAnswer) -> str:
    """An answer that is a picture, in words."""
    colour = "colour" if answer.channels == 3 else "grey"
    size = f", {answer.height}x{answer.width}" if answer.height else ", of the input's size"
    said = f"one picture{size} {colour}"
    if answer.low is None or answer.high is None:
        return f"{said}, its black and white unknown"
    return f"{said}, {answer.low:g} to {answer.high:g} ({one_line(answer.because)})"


def _about(said: TensorDescription) -> Iterator[str]:
    if said.name:
        yield _short(one_line(said.name))
    if said.content not in ("", "feature"):
        yield said.content
    if said.mean:
        means, stds = (
            ", ".join(f"{v:g}" for v in dict.fromkeys(x[:_MOST_NAMED]))
            for x in (said.mean, said.std)
        )
        yield f"mean {means}, std {stds}"


def _numbers(found: Inspection) -> Iterator[tuple[str, Text]]:
    scales = quantization(found.file.graph.tensors)
    kinds = [
        f"{kind.replace('_', ' ')}: {', '.join(f'{dtype} ×{n}' for dtype, n in counts.items())}"
        for kind, counts in scales.items()
        if counts
    ]
    yield "quantised", Text("; ".join(kinds) or "nothing")
    total = max(1, sum(found.weights.values()))
    weights = ", ".join(
        f"{dtype} {figures.size(count)}" + (f" ({count / total:.0%})" if count < total else "")
        for dtype, count in found.weights.items()
        if count >= total / 200
    )
    yield "weights", Text(weights or "none")
    yield (
        "cost",
        Text(
            f"{found.parameters:,} parameters ({found.sparsity:.1%} of weights zero), "
            f"{found.macs:,} multiply-accumulates"
        ),
    )
    yield "memory", Text(_memory(found))


def _memory(found: Inspection) -> str:
    arena = found.arena
    if arena.arena_bytes is None:
        text = f"at least {figures.size(arena.peak_bytes)} for values"
    else:
        text = f"arena {figures.size(arena.arena_bytes)} for values"
    text += f", largest operator {figures.size(arena.working_set_bytes)}"
    if arena.unpacked_bytes:
        text += f"; {figures.size(arena.unpacked_bytes)} of weights unpacked when it loads"
    return text + " (calculated from shapes and lifetimes)"


def _said(found: Inspection) -> Iterator[tuple[str, Text]]:
    file = found.file
    labels = file.labels
    if labels:
        shown = " · ".join(one_line(x) for x in labels[:_MOST_LABELS])
        more = f" · and {len(labels) - _MOST_LABELS:,} more" if len(labels) > _MOST_LABELS else ""
        yield "labels", Text(f"{len(labels):,}: {shown}{more}")
    else:
        yield "labels", Text("none in the file")
    for assumption in file.assumptions:
        yield "note", Text(assumption)
    if file.associated:
        packed = list(file.associated.items())[:_MOST_NAMED]
        files = (f"{one_line(n)} {figures.size(s)}" for n, s in packed)
        yield "files inside", Text(", ".join(files))
    entries = {n: c for n, c in file.graph.metadata.items() if n not in _SHOWN_SEPARATELY}
    if entries:
        shown_entries = sorted(entries.items())[:_MOST_NAMED]
        yield "metadata", Text(", ".join(_entry(n, c) for n, c in shown_entries))
    for name, text in _provenance(file.provenance):
        yield name, Text(one_line(text))
    said = "; ".join(map(one_line, found.not_runnable[:3]))
    yield "tflite-runtime", Text(f"cannot run it: {said}" if said else "2.14.0 has every operator")


def _entry(name: str, content: bytes) -> str:
    said = entry_text(content)
    return f"{_short(one_line(name))} {said or f'({figures.size(len(content))})'}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(one_line(name) for name in itertools.islice(names, _MOST_NAMED))


def _provenance(about: Provenance | None) -> Iterator[tuple[str, str]]:
    if about is None:
        yield "provenance", "none: not made by cnnedge"
        return
    version, recipe = about.cnnedge or "without a version", about.recipe or "not named"
    yield "made by", f"cnnedge {version}, recipe {recipe}"
    if isinstance(about.input, SignalSize):
        yield "values", "as they were measured; the graph scales them"
    else:
        rule = about.preprocess
        color = about.input.color if about.input else "pixels"
        shown = f"{rule.resize} ({rule.interpolation})" if rule else "no rule in the file"
        yield "pixels", f"{color} 0..255, resized by {shown}"
    accuracy = about.accuracy
    if accuracy:
        yield (
            "accuracy",
            f"{figures.percent(accuracy.accuracy)} of {accuracy.count:,} test pictures (95 % "
            f"interval {figures.interval(list(accuracy.ci95))}), as the file states",
        )
