"""Does a delegate compute what the CPU computes? Encoded inputs enter, an Agreement leaves."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from ..bundle import ModelFile, TensorInfo
from ..errors import GateError
from ..results import picture_error
from .base import Engine, Values
from .report import Agreement
from .runtime import EXACT

# Of one output value. Quantised outputs, in steps: the CPU's own kernels differ by up to 3 among
# themselves. Float outputs, as a fraction of the largest magnitude in the CPU's answer: rounding
# of 2^-24, 2^-11 and 2^-8 a value, grown by a few dozen layers; measured 2e-6, 4e-3 and 7e-2.
STEPS = 4.0
OF_THE_RANGE = {"f32": 0.002, "f16": 0.02, "unknown": 0.02, "bf16": 0.15}


class AgreementCheck:
    """Compares the first inferences of an engine with the CPU's in f32, on the same inputs.

    Not thread-safe: call it where the engine is used. It does nothing for an engine that runs on
    the CPU in f32. The second engine lives until `frames` inferences were seen.
    """

    def __init__(
        self, model: ModelFile, engine: Engine, *, frames: int = 5, allow: bool = False
    ) -> None:
        """allow: report a disagreement, and go on."""
        self._model = model
        self._engine = engine
        self._allow = allow
        compares = not (engine.delegate.on_cpu and engine.precision == "f32")
        self._left = frames if compares else 0
        self._reference: Engine | None = None

    @property
    def done(self) -> bool:
        """Whether there is nothing more to compare."""
        return self._left == 0

    def see(self, values: Values | Sequence[Values], raw: Values | Sequence[Values]) -> None:
        """Compares one inference: the encoded input and what the engine gave for it.

        values: of the first input, or of all in the graph's order; raw: the first output, or all.
        Updates engine.delegate.agreement; GateError when a delegate disagrees, unless it is
        allowed. The CPU in a reduced precision, which was asked for or is stated, is reported.
        """
        if self._left == 0:
            return
        self._left -= 1
        inputs = [values] if isinstance(values, np.ndarray) else list(values)
        outputs = [raw] if isinstance(raw, np.ndarray) else list(raw)
        expected = self._expected(inputs)
        graph = self._model.graph
        tensors = [graph.tensors[i] for i in graph.outputs][: len(outputs)]
        found = [
            _compare(t, a, e, self._engine.precision)
            for t, a, e in zip(tensors, outputs, expected, strict=False)
        ]
        worst = max(found, key=lambda a: a.largest_difference / a.tolerance)
        same = int(np.argmax(outputs[0]) == np.argmax(expected[0]))
        now = dataclasses.replace(
            worst, labels_equal=same, psnr_db=self._psnr(outputs[0], expected[0])
        )
        report = self._engine.delegate
        merged = _merged(report.agreement, now)
        self._engine.delegate = dataclasses.replace(report, agreement=merged)
        if self._left == 0:
            self.close()
        if not (merged.agrees or report.on_cpu or self._allow):
            self.close()
            raise GateError(_disagreement(self._engine, merged))

    def close(self) -> None:
        """Frees the CPU's engine."""
        self._left = 0
        if self._reference is not None:
            self._reference.close()
            self._reference = None

    def _psnr(self, actual: Values, expected: Values) -> float | None:
        """How far two pictures lie apart; None of a model whose answer is none."""
        answer = self._model.picture_answer
        if answer is None:
            return None
        a, e = (v.astype(np.float64) for v in (actual, expected))
        if answer.low is None or answer.high is None:
            span = float(np.ptp(e)) or 1.0
        else:
            scales = self._model.output.scales
            span = (answer.high - answer.low) / (float(scales[0]) if scales else 1.0)
        level = 255 / span
        return picture_error([a * level], [e * level]).psnr_db

    def _expected(self, inputs: list[Values]) -> tuple[Values, ...]:
        if self._reference is None:
            from .loading import load_engine

            self._reference = load_engine(self._model, EXACT, known=True)
        for at, values in enumerate(inputs):
            self._reference.set_input(values, at)
        self._reference.invoke()
        return self._reference.outputs()


def _compare(tensor: TensorInfo, actual: Values, expected: Values, precision: str) -> Agreement:
    """One output of one inference; labels_equal is left to the caller."""
    a, e = actual.astype(np.float64).reshape(-1), expected.astype(np.float64).reshape(-1)
    difference = float(np.abs(a - e).max(initial=0.0))
    if tensor.dtype in ("float32", "float16"):
        # All zeros: any difference is one of the whole range.
        largest = float(np.abs(e).max(initial=0.0)) or 1.0
        difference, tolerance, unit = difference / largest, OF_THE_RANGE[precision], "of the range"
    else:
        # Integers that stand for themselves, such as the index of a class, are equal or wrong.
        tolerance, unit = STEPS if tensor.scales else 0.5, "steps"
    if not np.isfinite(difference):
        difference = float("inf")
    return Agreement(
        frames=1,
        agrees=difference <= tolerance,
        largest_difference=difference,
        tolerance=tolerance,
        unit=unit,
        labels_equal=0,
    )


def _merged(before: Agreement | None, now: Agreement) -> Agreement:
    """Two reports as one: the worse figures of the two."""
    if before is None:
        return now
    shares = [a.largest_difference / a.tolerance for a in (before, now)]
    worse = before if shares[0] >= shares[1] else now
    apart = [a.psnr_db for a in (before, now) if a.psnr_db is not None]
    return dataclasses.replace(
        worse,
        psnr_db=min(apart, default=None),
        frames=before.frames + now.frames,
        agrees=before.agrees and now.agrees,
        labels_equal=before.labels_equal + now.labels_equal,
    )


def _disagreement(engine: Engine, found: Agreement) -> str:
    report = engine.delegate
    return (
        f"--delegate {report.requested}: {report.used} does not compute what the CPU does: "
        f"answers differ by up to {found.largest_difference:.3g} {found.unit} "
        f"(allowed {found.tolerance:g}); {found.alike}. Use --delegate cpu or another variant of "
        "the model, or --allow-disagreement to go on all the same"
    )
