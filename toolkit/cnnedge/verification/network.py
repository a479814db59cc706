"""The network itself: the run's model in float32, in the file's format, and the file.

A Keras model, golden pixels and the file's answers enter; the rows of the stage leave, each with
how far its answers move and how far they may.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..bundle import Graph, ModelFile, pack_model
from ..bundle.layer_names import known_layer
from ..classifier import Classifier, load
from ..conversion import biases
from ..conversion.entries import Entry
from ..conversion.pieces import PACKING
from ..conversion.sensitivity import for_errors, layer_errors, worst_layers
from ..converter import convert, layer_names
from ..engines import CPU
from ..errors import CnnedgeError
from ..results import mcnemar
from ..training.learnt_scale import sample_size
from . import evidence
from .verdict import Scores, Stage, flips, moved, snr_db

Targets = npt.NDArray[np.int64]

# Rounding in another order: what a float32 network may differ by, far above what is seen (1e-7 to
# 1e-5) and far below what any mistake makes.
FLOAT32 = 1e-4
# One step of the weights' storage, below which no peer's deviation means anything.
_STEPS = {"float32": FLOAT32, "float16": 2.0**-11, "int4": 2.0**-4}
_STEP = 2.0**-8
# A format's own noise varies with the calibration pictures, measured by up to 1.25 times (25 to
# 500 pictures, four samples each, on two small networks and an EfficientNet-Lite0).
FACTOR = 2.0
# Calibrated on the golden pictures themselves, a peer has less noise than any file of the run.
FACTOR_UNCALIBRATED = 4.0
# MLPerf Mobile asks of a classifier 98 % of its float accuracy (Reddi et al. 2022).
MOST_LOST = 0.02
# Answers below it are as much noise as signal: int8 networks that work have 15 to 50 dB.
LEAST_DB = 10.0
_CHANCE = 0.05
# Of a larger model every layer run with all behind it takes minutes.
_MOST_BYTES = 8_000_000
_NAMED = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Peer:
    """The run's own model, converted here. scores: float32 [n, classes], to the golden pixels.

    own: how far its answers lie from the Keras model's; allowed: how far a file of the same format
    may lie from it. factor: between the two.
    """

    format: str
    flatbuffer: bytes
    scores: Scores
    own: float
    factor: float = FACTOR

    @property
    def allowed(self) -> float:
        return max(_STEPS.get(self.format, _STEP), self.factor * self.own)

    @property
    def because(self) -> str:
        if self.allowed > self.factor * self.own:
            return "float32 rounding" if self.format == "float32" else f"one step of {self.format}"
        return f"{self.factor:g} x what {self.format} made here moves"


def format_of(model: ModelFile) -> str:
    """The conversion format of a file, by its tensors: third parties state none."""
    if model.input.dtype in ("uint8", "int8"):
        return "int8"
    constants = {t.dtype for t in model.graph.tensors if t.constant_bytes}
    activations = _activations(model.graph)
    if "int16" in activations:
        return "int16x8"
    if "int4" in constants:
        return "int4"
    if "int8" in constants:
        return "int8-float-io" if "int8" in activations else "dynamic"
    return "float16" if "float16" in constants else "float32"


def float_layers(model: ModelFile, keras: Any) -> tuple[str, ...]:
    """The Keras layers that an int8 file computes in float, by what its tensors are called."""
    if format_of(model) not in ("int8", "int8-float-io"):
        return ()
    tensors = model.graph.tensors
    outputs = [
        tensors[op.outputs[0]]
        for op in model.graph.operators
        if op.name not in PACKING and tensors[op.outputs[0]].dtype == "float32"
    ]
    names = layer_names(keras)
    found = (known_layer(tensor.name, names) for tensor in outputs)
    return tuple(dict.fromkeys(name for name in found if name))


def says_corrected(model: ModelFile) -> bool:
    """Whether an int8 file states that its biases were corrected."""
    told = model.provenance.raw.get("ptq") if model.provenance else None
    return isinstance(told, dict) and told.get("corrected") is True


def make_peer(
    keras: Any,
    form: str,
    calibration: npt.NDArray[Any],
    pixels: npt.NDArray[Any],
    exact: Scores,
    *,
    factor: float = FACTOR,
    float_layers: Sequence[str] = (),
    corrected: bool = False,
) -> Peer:
    """The Keras model in a format, and its answers. exact: the Keras model's.

    float_layers: of an int8 model, those that stay in float. corrected: its biases are.

    Raises ModelError, MissingExtraError.
    """
    flatbuffer = convert(keras, form, calibration, float_layers=float_layers)
    if corrected:
        float32 = convert(keras, "float32", calibration)
        flatbuffer = biases.corrected(flatbuffer, float32, biases.measured_on(calibration))
    size = sample_size(pixels.shape)
    labels = [str(i) for i in range(exact.shape[1])]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{form}.tflite"
        # Provenance, even if empty: what takes raw pixels is ours.
        path.write_bytes(pack_model(flatbuffer, labels=labels, size=size, provenance={}))
        with load(path, CPU, known=True) as classifier:
            scores = answers(classifier, pixels)
    return Peer(
        format=form, flatbuffer=flatbuffer, scores=scores, own=moved(scores, exact), factor=factor
    )


def answers(
    classifier: Classifier,
    pixels: npt.NDArray[Any],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Scores:
    """float32 [n, classes] for input pixels [n, h, w, c], by the model as it runs."""
    found = []
    for number, picture in enumerate(pixels, start=1):
        found.append(classifier.predict(picture).scores)
        progress(number, len(pixels))
    return np.stack(found)


def float32_stage(peer: Peer, exact: Scores) -> Stage:
    """Whether conversion itself keeps the run's answers."""
    good = peer.own <= FLOAT32
    return Stage(
        stage="network",
        part="float32",
        agrees=good,
        deviation=peer.own,
        allowed=FLOAT32,
        because="float32 rounding",
        flips=flips(peer.scores, exact),
        found="model.keras, converted here",
        cause="" if good else "TensorFlow's converter or LiteRT computes something different",
        remedy="" if good else "please report this with the run's model.yaml",
    )


def format_stage(
    keras: Any,
    peer: Peer,
    exact: Scores,
    targets: Targets | None,
    calibration: npt.NDArray[Any],
    recorded: Entry | None,
) -> Stage:
    """Whether the run's network bears the file's format.

    Noise is expected, so it is judged by the accuracy lost and, where few pictures cannot show
    that, by the noise itself. recorded: what report.json says of the file.
    """
    row = Stage(stage="network", part=peer.format, agrees=True)
    row = _by_labels(row, peer.scores, exact, targets, recorded)
    ratio = round(snr_db(peer.scores, exact))
    made = f"model.keras, converted here: {100 * peer.own:.2g} % moves"
    row = replace(row, found=f"accuracy lost by {made}, {ratio} dB")
    if row.agrees and ratio < LEAST_DB:
        row = replace(
            row,
            agrees=False,
            unit="snr_db",
            deviation=float(ratio),
            allowed=LEAST_DB,
            because="noise of a tenth of the signal",
            found=f"signal to noise of {made}",
        )
    if row.agrees:
        return row
    guilty = _worst(keras, peer, calibration)
    named = f": worst in {' and '.join(guilty)}" if guilty else ""
    return replace(
        row,
        cause=f"the network does not bear {peer.format}{named}",
        remedy="'cnnedge convert RUN --variant selective' leaves the worst layers in float, "
        "--variant qat trains them for it"
        if peer.format in ("int8", "int8-float-io")
        else "use a variant with more bits: 'cnnedge convert RUN' lists what each loses",
    )


def file_stage(model: ModelFile, given: Scores, expected: Scores, peer: Peer, keras: Any) -> Stage:
    """Whether the file computes what the run does.

    given: the file's answers on the CPU; expected: the reference's, with the mistakes of the
    stages before made.
    """
    away = moved(given, expected)
    row = Stage(
        stage="network",
        part="file",
        agrees=away <= peer.allowed,
        deviation=away,
        allowed=peer.allowed,
        because=peer.because,
        flips=flips(given, expected),
    )
    if row.agrees:
        return replace(row, found="the run's weights and arithmetic")
    found, cause = _why(model, given, expected, peer, keras)
    remedy = "convert the run again, or verify the file against the run it was made from"
    return replace(row, found=found, cause=cause, remedy=remedy)


def trained_on_stage(
    given: Scores,
    exact: Scores,
    targets: Targets | None,
    techniques: list[str],
    recorded: Entry | None,
) -> Stage:
    """The same for a file whose network was trained further: it may answer otherwise."""
    row = Stage(stage="network", part="file", agrees=True)
    row = _by_labels(row, given, exact, targets, recorded)
    names = "-".join(techniques)
    return replace(
        row,
        found=f"accuracy lost; trained further ({names}), so judged by its labels alone: "
        f"{100 * moved(given, exact):.2g} % moves",
        cause="" if row.agrees else f"{names} cost more accuracy than allowed",
        remedy="" if row.agrees else "RUN/export/report.html compares it with other variants",
    )


def _by_labels(
    row: Stage, given: Scores, exact: Scores, targets: Targets | None, recorded: Entry | None
) -> Stage:
    """By the accuracy lost; where the right classes are unknown, the reference's are right."""
    allowed, because = _most_lost(recorded)
    reference = exact.argmax(axis=1)
    right = reference if targets is None else targets
    before, after = reference == right, given.argmax(axis=1) == right
    lost = (int(before.sum()) - int(after.sum())) / max(1, int(before.sum()))
    beyond_chance = mcnemar(before, after) < _CHANCE
    return replace(
        row,
        agrees=not (lost > allowed and beyond_chance),
        unit="lost",
        deviation=lost,
        allowed=allowed,
        because=f"{because}; beyond chance by McNemar",
        flips=flips(given, exact),
    )


def _most_lost(recorded: Entry | None) -> tuple[float, str]:
    """The fraction of the accuracy that may be lost, and who says so.

    More than usual where the file's own report states more, and its gate let it pass.
    """
    if recorded and recorded.drop_points and recorded.accuracy and recorded.status == "ok":
        lost = recorded.drop_points / (100 * recorded.accuracy + recorded.drop_points)
        if lost > MOST_LOST:
            return lost, f"as at conversion, on {recorded.count:,} pictures"
    return MOST_LOST, f"MLPerf Mobile: {1 - MOST_LOST:.0%} of float accuracy"


def _worst(keras: Any, peer: Peer, calibration: npt.NDArray[Any]) -> tuple[str, ...]:
    if peer.format not in ("int8", "int8-float-io") or len(peer.flatbuffer) > _MOST_BYTES:
        return ()
    try:
        errors = layer_errors(keras, peer.flatbuffer, for_errors(calibration))
    except CnnedgeError:
        return ()
    return worst_layers(errors, _NAMED)


def _why(
    model: ModelFile, given: Scores, expected: Scores, peer: Peer, keras: Any
) -> tuple[str, str]:
    """What was found, and its cause."""
    if moved(_softmax(given), expected) <= max(peer.allowed, 0.01):
        return (
            "answers as the reference does before its softmax",
            "the final softmax is not in the file",
        )
    said = evidence.difference(model.data, peer.flatbuffer, layer_names(keras))
    return (
        "no mistake in colour, scale or quantisation explains its answers",
        said or "it computes something different with the run's weights",
    )


def _softmax(scores: Scores) -> Scores:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    result: Scores = powers / powers.sum(axis=1, keepdims=True)
    return result


def _activations(graph: Graph) -> set[str]:
    made = {t for op in graph.operators for t in op.outputs}
    return {graph.tensors[t].dtype for t in made if not graph.tensors[t].constant_bytes}
