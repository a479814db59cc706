"""How the report's figures were measured: the report enters; sentences leave.

A note on something that no variant of the report has is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ... import figures
from ...pages.text import Row, digits, format_percent

SPLITS = {"val": "validation", "train": "training"}


def notes(report: Row) -> list[str]:
    return [*_always(report), *_of_compression(report), *_of_the_data(report)]


def _always(report: Row) -> Iterator[str]:
    known, threads = report.get("reference") or {}, report.get("threads")
    if known.get("accuracy") is not None:
        places, ends = digits(report), known.get("ci95")
        between = f" ({' to '.join(format_percent(end, places) for end in ends)})" if ends else ""
        name = known.get("name", "the Keras model")
        yield f"Reference: {name}, {format_percent(known['accuracy'], places)} %{between}."
    yield from _of_pictures(report) if report.get("min_psnr") is not None else _of_labels()
    yield (
        "Latency: from input to readable output, warm-up left out, batch 1"
        + (f", {figures.threads(threads)}" if threads else "")
        + (f", on {report['device']}" if report.get("device") else "")
        + f"{_runs(report)}. All variants were timed in one session, taking turns, so that what "
        "slows the machine down slows all of them. Other devices differ: measure yours."
    )
    yield "Sizes: 1 KB is 1,000 bytes; gzip is what a download would weigh."


def _of_labels() -> Iterator[str]:
    yield (
        "Accuracy: each variant's file on the test split, run by the runtime that ships; "
        "95 % intervals are Wilson's."
    )
    yield (
        "Drop: against the Keras model on the same pictures, p from McNemar's test on the "
        "pictures that only one of the two gets right. Labels changed counts every picture whose "
        "label differs, also where both are wrong."
    )


def _of_pictures(report: Row) -> Iterator[str]:
    count = report.get("test_pictures")
    yield (
        "PSNR: 10 log10(255² / mean squared difference) of each variant's file and the Keras "
        f"model, over all pixels of {count or 'the'} pictures that training never saw, drawn by "
        "the runtime that ships. From 40 dB on nobody sees a difference; below 30 dB everybody "
        "does who looks."
    )


def _runs(report: Row) -> str:
    counts = [(v.get("latency_ms") or {}).get("count") for v in report["variants"]]
    known = sorted(count for count in counts if count)
    if not known:
        return ""
    low, high = known[0], known[-1]
    return f", {low:,} runs each" if low == high else f", {low:,} to {high:,} runs each"


def _of_compression(report: Row) -> Iterator[str]:
    variants = report["variants"]
    if any(v.get("control") for v in variants):
        yield (
            "Against control: a technique that trains on might gain by the training alone. Its "
            "control is the same model trained on for as long without the technique, in the same "
            "format; the difference is variant minus control, in points of accuracy, so above "
            "zero the technique helps, and p is McNemar's between the two."
        )
    if any(v.get("sparsity") for v in variants):
        yield (
            "Zeros: weights stored as exactly zero in the file itself, biases left out; rounding "
            "to few bits makes some as well."
        )
        yield (
            "Where zeros can be felt: XNNPACK's sparse kernels are not used on x86 CPUs with AVX; "
            "zeros make a download smaller (gzip), not an inference faster, except float models "
            "with sparse encoding on Arm."
        )
    if any(v.get("macs") for v in variants):
        yield (
            "MACs: multiply-accumulates of one inference in convolutions and dense layers; zeros "
            "count as any weight."
        )
    if any((v.get("tflite_runtime") or {}).get("runs") is False for v in variants):
        yield (
            "Not in tflite-runtime: its last release lacks an operator of the file or that version "
            "of it, or computes it wrong; the file needs LiteRT or a newer TensorFlow Lite."
        )
    yield from _of_biases(variants)
    if (report.get("sensitivity") or {}).get("layers"):
        yield (
            "Sensitivity: of what a layer alone adds, the ratio is taken at the model's logits, "
            "where noise counts as much as the layers behind make of it; the dot is the layer's "
            "own output in the whole int8 model."
        )


def _of_biases(variants: Sequence[Row]) -> Iterator[str]:
    for variant in variants:
        if by := variant.get("chosen_on"):
            yield (
                f"Layers in float of {variant['name']}: chosen on {by['pictures']:,} "
                f"{SPLITS[by['part']]} pictures, none of them a test picture."
            )
        done = variant.get("ptq") or {}
        if done.get("corrected"):
            yield (
                f"Biases of {variant['name']}: corrected, so that every layer's output has the "
                f"mean that it has in float. Of {done['pictures']:,} {SPLITS[done['part']]} "
                f"pictures, {done['changed']:,} change their label, and {done['changed_before']:,} "
                "without it; no test picture was looked at for this."
            )


def _of_the_data(report: Row) -> Iterator[str]:
    data, calibration = report.get("data") or {}, report.get("calibration") or {}
    if calibration.get("count"):
        seed = calibration.get("seed")
        yield (
            f"Calibration: {calibration['count']:,} training pictures"
            + ("" if seed is None else f", drawn with seed {seed}")
            + f"{_per_class(calibration)}, where a variant does not say otherwise; no test picture "
            "is among them."
        )
    if data:
        print_of = f", fingerprint {data['fingerprint']}" if data.get("fingerprint") else ""
        yield f"Data: {data.get('source', 'not named')}{print_of}."


def _per_class(calibration: Row) -> str:
    counts = (calibration.get("per_class") or {}).values()
    if not counts:
        return ""
    low, high, classes = min(counts), max(counts), len(counts)
    each = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    return f", {each} of each of {classes} classes" if classes > 1 else ""
