"""A .tflite as one file that travels: graph, labels, resize rule and provenance.

A path enters, a ModelFile leaves (`read_model`); or a converted flatbuffer with what is known
about it enters and a file is written (`write_model`), to a temporary name first.
"""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import given_files
from ..errors import ModelError
from ..files import json_text, write_bytes
from ..harmless import harmless
from ..specs.pixels import InputSize, Preprocess
from ..specs.signals import Sample, SignalSize
from ..specs.values import plain
from . import metadata
from .answers import PictureAnswer, picture_answer
from .foreign import foreign_model
from .graph import Graph, TensorInfo, read_graph
from .inputs import InputMeaning, as_signal, describe_inputs, picture_size
from .labels import Labels, parsed_lines
from .outputs import OutputMeaning, describe_outputs
from .provenance import PROVENANCE_FILE, Provenance, read_provenance
from .soundness import refuse_unsound
from .tables import refusing_damage

LABELS_FILE = "labels.txt"
# A label list is small; a larger archive is not unpacked.
_MOST_UNPACKED = 16 * 2**20
# Offsets in a flatbuffer reach this far; weights and files packed after it are extra.
_MOST_BYTES = 2**32


@dataclass(frozen=True, kw_only=True)
class ModelFile:
    """A model file, read once.

    labels: None if the file has none. associated: sizes in bytes of the files packed behind the
    flatbuffer, by name. provenance: cnnedge.json, None for a third party's.
    preprocess: the resize rule, None if the file does not say. normalization: the standard
    metadata's mean and std, None if it has none. inputs, outputs: what each means, in the
    graph's order. size: height and width that the input was brought to (`fitted`), None if it is
    as the file has it. assumptions: what was taken for granted on the way.
    """

    path: Path
    data: bytes
    sha256: str
    graph: Graph
    labels: Labels | None
    associated: dict[str, int]
    provenance: Provenance | None
    preprocess: Preprocess | None
    normalization: metadata.Normalization | None
    inputs: tuple[InputMeaning, ...]
    outputs: tuple[OutputMeaning, ...]
    assumptions: tuple[str, ...] = ()
    size: tuple[int, int] | None = None

    @property
    def size_bytes(self) -> int:
        return len(self.data)

    @property
    def input(self) -> TensorInfo:
        return self.graph.tensors[self.graph.inputs[0]]

    @property
    def output(self) -> TensorInfo:
        return self.graph.tensors[self.graph.outputs[0]]

    def picture_size(self, given: tuple[int, int] | None = None) -> InputSize:
        """The input as a picture. given: height and width, where the file leaves them open.

        Raises ModelError if it is not one.
        """
        return picture_size(self.inputs, given, str(self.path))

    @property
    def signal_size(self) -> SignalSize | None:
        """The input as a signal; None if it is none."""
        stated = self.provenance.input if self.provenance else None
        return stated if isinstance(stated, SignalSize) else None

    @property
    def picture_answer(self) -> PictureAnswer | None:
        """What it answers, where that is a picture; None of labels and anything else."""
        return picture_answer(self.inputs, self.outputs)

    def sample_size(self) -> Sample:
        """One sample: a picture or a signal. Raises ModelError if the input is neither."""
        return self.signal_size or self.picture_size()


def read_model(path: str | Path) -> ModelFile:
    """Reads a .tflite with everything in it. Raises ModelError."""
    path = Path(path)
    if other := foreign_model(path):
        raise ModelError(other)
    try:
        data = given_files.read(path, at_most=_MOST_BYTES)
    except FileNotFoundError:
        raise ModelError(
            f"{path}: there is no such file. 'cnnedge convert RUN' writes models to RUN/export/"
        ) from None
    except IsADirectoryError:
        raise ModelError(
            f"{path}: this is a folder; expected a .tflite file, such as "
            f"{path / 'export' / 'int8.tflite'}"
        ) from None
    except OSError as error:
        raise ModelError(f"{path}: cannot read the model: {error.strerror}") from None
    graph = read_graph(data, str(path))
    refuse_unsound(graph, str(path))
    files = _associated_files(data)
    described = graph.metadata.get(metadata.METADATA_NAME)
    told = files.get(PROVENANCE_FILE)
    provenance = None if told is None else read_provenance(told, str(path))
    _check_unchanged(data, provenance, path)
    with refusing_damage(str(path)):
        labels, said = _labels(files, described)
        inputs, outputs = meanings(graph)
    inputs = _checked_inputs(inputs, provenance, path)
    return ModelFile(
        path=path,
        data=data,
        sha256=hashlib.sha256(data).hexdigest(),
        graph=graph,
        labels=labels,
        associated={name: len(content) for name, content in files.items()},
        provenance=provenance,
        preprocess=provenance.preprocess if provenance else None,
        normalization=inputs[0].normalization,
        inputs=inputs,
        outputs=outputs,
        assumptions=said,
    )


def meanings(graph: Graph) -> tuple[tuple[InputMeaning, ...], tuple[OutputMeaning, ...]]:
    """What the inputs and outputs of a graph are, as the file states."""
    described = graph.metadata.get(metadata.METADATA_NAME)
    inputs = describe_inputs(graph, described)
    return inputs, describe_outputs(graph, described, batch=inputs[0].batch)


def write_model(
    path: Path,
    flatbuffer: bytes,
    *,
    labels: Sequence[str] | None,
    size: Sample,
    provenance: Mapping[str, Any],
) -> None:
    """Writes the flatbuffer with standard metadata, labels and cnnedge.json inside.

    labels: None of a model that answers a picture of its input's size.
    """
    write_bytes(path, pack_model(flatbuffer, labels=labels, size=size, provenance=provenance))


def pack_model(
    flatbuffer: bytes,
    *,
    labels: Sequence[str] | None,
    size: Sample,
    provenance: Mapping[str, Any],
) -> bytes:
    """The bytes that `write_model` writes; a checksum of the flatbuffer joins the provenance."""
    described = metadata.describe(
        name=f"{provenance.get('recipe', 'model')} ({provenance.get('variant', 'float32')})",
        description=str(provenance.get("description", "")),
        size=size,
        labels_file=LABELS_FILE if labels is not None else None,
        other_files=(PROVENANCE_FILE,),
    )
    embedded = metadata.embed(_without_archive(flatbuffer), described)
    if isinstance(size, SignalSize):
        # By this a reader knows that it takes signals.
        provenance = {**provenance, "input": plain(size)}
    provenance = {**provenance, "flatbuffer_sha256": hashlib.sha256(embedded).hexdigest()}
    buffer = io.BytesIO()
    buffer.write(embedded)
    # Readers expect the files stored, not deflated, in a zip at the end of the flatbuffer.
    told = {PROVENANCE_FILE: json_text(provenance, separators=(",", ":"))}
    if labels is not None:
        told = {LABELS_FILE: "\n".join(labels) + "\n", **told}
    with zipfile.ZipFile(buffer, "a", zipfile.ZIP_STORED) as archive:
        for name, content in told.items():
            # A fixed date, so that equal models are equal files.
            archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()


def _associated_files(data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            files: dict[str, bytes] = {}
            left = _MOST_UNPACKED
            for info in archive.infolist():
                if info.file_size <= left:
                    files[harmless(info.filename)] = archive.read(info)
                    left -= info.file_size
            return files
    except Exception:
        # Each way of packing raises its own errors for damaged files.
        return {}


def _without_archive(data: bytes) -> bytes:
    """The flatbuffer alone, of a file that may have been packed before."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return data[: min((i.header_offset for i in archive.infolist()), default=len(data))]
    except (zipfile.BadZipFile, ValueError, OSError):
        return data


def _labels(
    files: dict[str, bytes], described: bytes | None
) -> tuple[Labels | None, tuple[str, ...]]:
    """The file's own list, and notes about it."""
    name = metadata.label_file(described) if described else None
    if name is None or name not in files:
        return None, ()
    return parsed_lines(files[name].decode("utf-8", "replace"))


def _check_unchanged(data: bytes, provenance: Provenance | None, path: Path) -> None:
    """A file's stated accuracy applies only to the weights that were measured, bit for bit."""
    expected = provenance.flatbuffer_sha256 if provenance else ""
    if expected and hashlib.sha256(_without_archive(data)).hexdigest() != expected:
        raise ModelError(
            f"{path}: the model file is damaged or was changed after it was made: its checksum "
            "does not match. Copy or convert it again"
        )


def _checked_inputs(
    inputs: tuple[InputMeaning, ...], provenance: Provenance | None, path: Path
) -> tuple[InputMeaning, ...]:
    """The inputs of our own file, of the size that the file states."""
    meaning, said = inputs[0], provenance.input if provenance else None
    if isinstance(said, SignalSize):
        if tuple(meaning.tensor.shape) != (1, *said.shape) or len(inputs) != 1:
            raise ModelError(
                f"{path}: its {PROVENANCE_FILE} says that it takes signals of "
                f"{'x'.join(map(str, said.shape))}, but the model's input is "
                f"{list(meaning.tensor.shape)}; convert the model again"
            )
        return (as_signal(meaning, said),)
    if said is None or meaning.layout != "NHWC":
        return inputs
    found = (meaning.height, meaning.width, meaning.channels)
    if found != (said.height, said.width, said.channels):
        raise ModelError(
            f"{path}: its {PROVENANCE_FILE} says that its input is "
            f"{said.height}x{said.width}x{said.channels}, but the model's input is "
            f"{list(meaning.tensor.shape)}; convert the model again"
        )
    return inputs
