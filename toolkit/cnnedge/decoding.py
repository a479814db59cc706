"""A model's raw outputs to one score for each class.

What the outputs mean and what a person says of them enter; a Decoder leaves, with what neither
said and was taken for granted. Scores are probabilities 0..1, or the model is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from .bundle import Guest, ModelFile, TensorInfo
from .bundle.inputs import real_range
from .bundle.outputs import (
    EMBEDDING,
    INDEX,
    LOG_SOFTMAX,
    LOGITS,
    SHARES,
    SIGMOID,
    SOFTMAX,
    TOP_INDICES,
    TOP_SCORES,
    UNKNOWN,
    OutputMeaning,
)
from .errors import ModelError

Values = npt.NDArray[Any]
Scores = npt.NDArray[np.float32]

# How far a quantised or rounded probability may be outside 0..1.
_SLACK = 0.05
# How far the sum of probabilities may be from 1 if exactly one class is true.
_SUM_SLACK = 0.1
# What a graph does to its outputs itself, so that nobody repeats it.
_COMPUTED = frozenset({SOFTMAX, LOG_SOFTMAX, SIGMOID, INDEX})
_RAW = "--raw shows the outputs unchanged"


class Decoder:
    """Turns the first output, or all of a list of the best, into scores.

    classes: how many scores there are. independent: each class is judged by itself, so that several
    or none may be there. graded: whether the model says how sure it is; otherwise its class has
    the score 1. outputs: how many output tensors it takes. listed: how many classes it scores at
    most, None for all. steps: what becomes of the output's real values, for who writes it in
    another language: of `softmax`, `sigmoid` and `exp`, then `within` (cut to 0..1), `checked`
    (and refused if it is far outside) or `whole` (and if it does not sum up to 1), then
    `pair`; None for an index or a list. assumptions: what nobody said.
    """

    def __init__(self, model: ModelFile, guest: Guest) -> None:
        """Raises ModelError for a model that is not a classifier."""
        self._place = str(model.path)
        self._labels = model.labels
        # Our own files hold probabilities, and are trusted.
        self._own = model.provenance is not None and guest.activation is None
        self.assumptions: list[str] = []
        self.classes = 0
        self.independent, self.graded = False, True
        self.outputs = 1
        self.listed: int | None = None
        self.steps: tuple[str, ...] | None = None
        meanings = model.outputs
        kinds = {meaning.kind for meaning in meanings}
        if len(meanings) == 2 and kinds == {TOP_SCORES, TOP_INDICES}:
            self._decode = self._of_list(meanings, guest)
        elif len(meanings) == 1 and (meanings[0].classes or meanings[0].kind == INDEX):
            self._decode = self._of_one(meanings[0], guest, model)
        else:
            raise self._no_classifier(model)

    def __call__(self, raw: Values | Sequence[Values]) -> Scores:
        """float32 [classes] of one output tensor, or of all that `outputs` counts.

        NaN stays NaN.
        """
        scores = self._decode(raw)
        if scores.size != self.classes:
            raise ModelError(
                f"{self._place}: the model returned {scores.size} scores, but its file states "
                f"{self.classes}; the file is damaged"
            )
        return scores

    def _of_one(
        self, meaning: OutputMeaning, guest: Guest, model: ModelFile
    ) -> Callable[[Any], Scores]:
        tensor = meaning.tensor
        if self._own:
            self.classes, self.steps = meaning.classes or 0, ()
            if not _are_shares(meaning):
                self.assumptions.append(
                    "the file says that cnnedge made it, but its outputs may not be probabilities "
                    f"({meaning.because}): they are shown unchanged (change this with --activation)"
                )
            return lambda raw: real(raw, tensor)
        kind = self._kind(meaning, guest, model)
        if kind == INDEX:
            return self._of_index(meaning)
        finish = self._finish(kind, applied=kind == meaning.kind)
        self.steps = _steps(kind, applied=kind == meaning.kind)
        if meaning.classes == 1:
            self.classes, self.steps = 2, (*self.steps, "pair")
            if guest.activation is None and model.labels is None:
                self.assumptions.append(
                    "the one output is treated as the score of the second of two classes"
                )
            return lambda raw: _pair(finish(real(raw, tensor)))
        self.classes = meaning.classes or 0
        self.independent = kind == SIGMOID
        if self.independent:
            self.assumptions.append(
                "each class has an independent score (sigmoid): a picture may show several classes "
                "or none"
            )
        return lambda raw: finish(real(raw, tensor))

    def _finish(self, kind: str, *, applied: bool) -> Callable[[Scores], Scores]:
        """Values to probabilities. applied: whether the graph has done it already."""
        if kind == LOG_SOFTMAX:
            return lambda values: self._checked(_powers(values), sums_to_one=not applied)
        if kind == SOFTMAX and not applied:
            return softmax
        if kind == SIGMOID and not applied:
            return sigmoid
        if kind in (SOFTMAX, SIGMOID):
            return _within
        whole = kind == UNKNOWN
        return lambda values: self._checked(values, sums_to_one=whole)

    def _kind(self, meaning: OutputMeaning, guest: Guest, model: ModelFile) -> str:
        """What the scores finally are: by the person, the graph, or an assumption."""
        kind, asked, count = meaning.kind, guest.activation, meaning.classes or 0
        if asked is not None:
            return self._asked(asked, meaning)
        if kind == EMBEDDING or (count == 1 and kind in (UNKNOWN, SOFTMAX, LOG_SOFTMAX)):
            raise self._no_classifier(model)
        if kind == LOGITS and count == 1:
            return self._one_logit(meaning)
        if kind == LOGITS:
            self.assumptions.append(
                f"the outputs are not probabilities ({meaning.because}): softmax is applied "
                "(change this with --activation sigmoid or none; --raw shows them unchanged)"
            )
            return SOFTMAX
        if kind == UNKNOWN and meaning.tensor.dtype in ("int32", "int64", "bool", "string"):
            raise self._no_classifier(model)
        if kind in (UNKNOWN, SHARES):
            self.assumptions.append(
                f"the outputs are treated as probabilities ({meaning.because}; change this with "
                "--activation)"
            )
        return kind

    def _one_logit(self, meaning: OutputMeaning) -> str:
        if len(self._labels or ()) != 2:
            raise ModelError(
                f"{self._place}: the one output has no activation ({meaning.because}), so it may "
                "be a score or a measurement. --activation sigmoid treats it as the score of the "
                f"second of two classes; {_RAW}"
            )
        self.assumptions.append(
            f"the one output is not a probability ({meaning.because}): because there are two "
            "labels, it is treated as the score of the second, and sigmoid is applied (change "
            "this with --activation)"
        )
        return SIGMOID

    def _asked(self, asked: str, meaning: OutputMeaning) -> str:
        wanted = SHARES if asked == "none" else asked
        if meaning.kind == INDEX and wanted == INDEX:
            return INDEX
        if meaning.classes != 1 and wanted == INDEX:
            raise ModelError(
                f"{self._place}: --activation index is for one output, but there are "
                f"{meaning.classes}; softmax, sigmoid, log_softmax and none are for several"
            )
        if meaning.classes == 1 and wanted in (SOFTMAX, LOG_SOFTMAX):
            raise ModelError(
                f"{self._place}: --activation {asked} is for several outputs, but there is one; "
                "sigmoid, none and index are for one"
            )
        # Its own probabilities may be taken as they are; an index is none.
        allowed = {meaning.kind} if meaning.kind == INDEX else {meaning.kind, SHARES}
        if meaning.kind in _COMPUTED and wanted not in allowed:
            raise ModelError(
                f"{self._place}: --activation {asked}: the graph computes {meaning.kind} itself "
                f"({meaning.because}). Remove the option; {_RAW}"
            )
        return wanted

    def _of_index(self, meaning: OutputMeaning) -> Callable[[Any], Scores]:
        labels = len(self._labels) if self._labels else None
        traced = meaning.classes if meaning.kind == INDEX else None
        count = traced or labels
        if count is None:
            raise ModelError(
                f"{self._place}: the output is the index of a class, but the number of classes is "
                f"unknown: name them with --labels FILE; {_RAW}"
            )
        self.classes, self.graded, self.listed = count, False, 1
        self.assumptions.append("the model returns only its best class, without a score")

        def decode(raw: Any) -> Scores:
            return self._one_hot(np.asarray(raw).reshape(-1)[:1])

        return decode

    def _one_hot(self, index: Values) -> Scores:
        scores = np.zeros(self.classes, np.float32)
        scores[self._indices(index)] = 1
        return scores

    def _indices(self, found: Values) -> npt.NDArray[np.int64]:
        indices = found.astype(np.int64)
        if indices.size == 0 or indices.min() < 0 or indices.max() >= self.classes:
            raise ModelError(
                f"{self._place}: the model returned class {indices.tolist()}, but it has "
                f"{self.classes} classes, counted from 0. {_RAW}"
            )
        return indices

    def _of_list(self, meanings: Sequence[OutputMeaning], guest: Guest) -> Callable[[Any], Scores]:
        at = {meaning.kind: place for place, meaning in enumerate(meanings)}
        scores = meanings[at[TOP_SCORES]]
        if scores.of in (LOGITS, EMBEDDING) or scores.classes is None:
            raise ModelError(
                f"{self._place}: the outputs list the best classes by {scores.of}: without the "
                f"values of the others, these are not probabilities. {_RAW}"
            )
        kind = guest.activation or scores.of
        if scores.of in _COMPUTED and kind not in (scores.of, "none"):
            raise ModelError(
                f"{self._place}: --activation {kind}: the graph itself computes the listed scores "
                f"as {scores.of}. Remove the option; {_RAW}"
            )
        self.classes, self.outputs = scores.classes, 2
        self.listed = max(abs(d) for d in scores.tensor.shape) if scores.tensor.shape else 1
        self.independent = kind == SIGMOID
        self.assumptions.append(
            f"the model scores only its best {self.listed} of {self.classes} classes"
        )
        # The best of many need not add up to 1.
        finish = self._finish(SHARES if kind in (UNKNOWN, "none") else kind, applied=True)
        tensor, order = scores.tensor, (at[TOP_SCORES], at[TOP_INDICES])

        def decode(raw: Any) -> Scores:
            values, indices = (np.asarray(part).reshape(-1) for part in _parts(raw, order))
            found = np.zeros(self.classes, np.float32)
            found[self._indices(indices)] = finish(real(values, tensor))
            return found

        return decode

    def _checked(self, values: Scores, *, sums_to_one: bool) -> Scores:
        if not np.isfinite(values).all():
            return values
        low, high, total = (float(v) for v in (values.min(), values.max(), values.sum()))
        strange = low < -_SLACK or high > 1 + _SLACK
        if strange or (sums_to_one and values.size > 1 and abs(total - 1) > _SUM_SLACK):
            raise ModelError(
                f"{self._place}: the outputs range from {low:.4g} to {high:.4g} and add up to "
                f"{total:.4g}, so they are not probabilities. Say what they are with --activation "
                f"softmax, sigmoid or none; {_RAW}"
            )
        return _within(values)

    def _no_classifier(self, model: ModelFile) -> ModelError:
        if model.picture_answer is not None:
            return ModelError(
                f"{self._place}: this model answers a picture and no labels. 'cnnedge run' shows "
                "and saves its pictures; 'cnnedge verify', 'inspect' and 'bench' work with it"
            )
        shapes = [list(meaning.tensor.shape) for meaning in model.outputs]
        why = f" ({model.outputs[0].because})" if len(model.outputs) == 1 else ""
        return ModelError(
            f"{self._place}: this is not a classifier: expected one output with one score per "
            f"class, found {shapes}{why}. 'cnnedge run --raw' prints its outputs; 'cnnedge "
            "inspect' and 'cnnedge bench' work with it"
        )


def _are_shares(meaning: OutputMeaning) -> bool:
    """Whether the graph's last operator and its quantisation leave nothing outside 0..1."""
    found = real_range(meaning.tensor)
    return meaning.kind in (SOFTMAX, SIGMOID) and (found is None or found[1] <= 1 + _SLACK)


def _steps(kind: str, *, applied: bool) -> tuple[str, ...]:
    """What `Decoder._finish` does, by name."""
    if kind == LOG_SOFTMAX:
        return ("exp", "checked" if applied else "whole")
    if kind in (SOFTMAX, SIGMOID):
        return ("within",) if applied else (kind,)
    return ("whole" if kind == UNKNOWN else "checked",)


def real(raw: Any, tensor: TensorInfo) -> Scores:
    """A tensor's values in a row, as real numbers: (value - zero point) * scale, float32."""
    values = np.asarray(raw).reshape(-1)
    found = values.astype(np.float32)
    if tensor.scales and values.dtype.kind in "iu":
        zero = tensor.zero_points[0] if tensor.zero_points else 0
        found = (found - np.float32(zero)) * np.float32(tensor.scales[0])
    return found


def softmax(values: Scores) -> Scores:
    """exp(x) / sum(exp(x)), float32 [n]; NaN where a value is none."""
    wide = values.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        powers = np.exp(wide - wide.max(initial=-np.inf))
        shares: Scores = (powers / powers.sum()).astype(np.float32)
    return shares


def sigmoid(values: Scores) -> Scores:
    """1 / (1 + exp(-x)), float32 [n]."""
    with np.errstate(over="ignore"):
        return (1 / (1 + np.exp(-values.astype(np.float64)))).astype(np.float32)


def _powers(values: Scores) -> Scores:
    with np.errstate(over="ignore"):
        powers: Scores = np.exp(values.astype(np.float64)).astype(np.float32)
    return powers


def _pair(values: Scores) -> Scores:
    """One probability p: of the second class, and 1 - p of the first."""
    return np.array([1 - values[0], values[0]], np.float32)


def _within(values: Any) -> Scores:
    """Without what rounding adds at the ends: a quantised share may be 1.004."""
    clipped: Scores = np.clip(values, 0, 1).astype(np.float32, copy=False)
    return clipped


def _parts(raw: Any, order: tuple[int, int]) -> tuple[Any, Any]:
    """Scores and indices, of a list of tensors or of one row that holds both."""
    if isinstance(raw, np.ndarray):
        raw = np.split(raw.reshape(-1), 2)
    return raw[order[0]], raw[order[1]]
