"""A program exported from PyTorch (.pt2), written again without what its loader would execute.

A path enters; a copy leaves that has ATen's operators, plain tensors and sizes alone, or the reason
why there is more in it. PyTorch's own loader would unpickle constants, evaluate sizes as Python,
load compiled libraries and compile guards.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ModelError
from ..files import explained

_MOST_BYTES = 4 << 30
_MOST_JSON = 64 << 20
_MOST_ENTRIES = 20_000
_ENTRY = re.compile(
    r"archive_format|archive_version|byteorder|\.data/(version|serialization_id)|models/model\.json"
    r"|data/sample_inputs/model\.pt|data/weights/(weight_\d+|model_weights_config\.json)"
    r"|data/constants/(tensor_\d+|model_constants_config\.json)"
)
# All that compute; from_file reads and writes files, and set_ leads a tensor to other memory.
_TARGET = re.compile(
    r"torch\.ops\.aten\.(?!from_file|set_|_print)\w+\.\w+|_operator\.(add|sub|mul|floordiv|getitem)"
)
_SIZE = re.compile(r"(Symbol\('[su]\d+'(, (positive|integer|nonnegative)=True)*\)|[su]?\d+)")
_SPEC_TYPE = re.compile(r'"type": ("(?!builtins\.(tuple|list|dict)")[^"]*")')
_PLACE = re.compile(r"(weight|tensor)_\d+")
_DAMAGED = (*(zipfile.BadZipFile, KeyError, TypeError, AttributeError, ValueError, RecursionError),)
_TRUST = "Export the program again from the plain network, with torch.export, for one fixed size"


def cleaned(path: Path, copy: Path) -> None:
    """Writes the copy. Raises ModelError."""
    try:
        with explained(path), zipfile.ZipFile(path) as old, zipfile.ZipFile(copy, "w") as new:
            _copy(path, old, new)
    except _DAMAGED as error:
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise ModelError(
            f"{path}: the exported program is damaged ({reason}); export it again"
        ) from None


def _copy(path: Path, old: zipfile.ZipFile, new: zipfile.ZipFile) -> None:
    entries = old.infolist()
    if len(entries) > _MOST_ENTRIES or sum(e.file_size for e in entries) > _MOST_BYTES:
        raise _more(path, f"more than {_MOST_BYTES >> 30} GiB, or {_MOST_ENTRIES:,} parts")
    for entry in entries:
        root, _, name = entry.filename.partition("/")
        if not root or not _ENTRY.fullmatch(name):
            raise _more(path, f"the part {entry.filename[:80]!r}")
        if entry.compress_type != zipfile.ZIP_STORED:
            raise _more(path, f"the compressed part {entry.filename[:80]!r}")
        if name.endswith(".json") and entry.file_size > _MOST_JSON:
            raise _more(path, f"{entry.file_size >> 20} MiB in {entry.filename[:80]!r}")
        content = old.read(entry)
        if name == "data/sample_inputs/model.pt":
            # A pickle, and nobody needs it.
            content = b""
        elif name.endswith("_config.json"):
            _check_tensors(path, json.loads(content))
        elif name.endswith(".json"):
            content = json.dumps(_program(path, json.loads(content))).encode()
        new.writestr(entry.filename, content)


def _check_tensors(path: Path, config: Any) -> None:
    for name, said in config["config"].items():
        if said.get("use_pickle") is not False or not _PLACE.fullmatch(said["path_name"]):
            raise _more(path, f"the pickled weights {name[:60]!r}")
    _check_values(path, config)


def _program(path: Path, program: Any) -> Any:
    """Without what is for debugging and for guards."""
    program["guards_code"] = []
    graph = program["graph_module"]["graph"]
    for node in graph["nodes"]:
        if not _TARGET.fullmatch(node["target"]):
            raise _more(path, f"the operator {node['target'][:80]!r}")
        node["metadata"] = {}
    if graph.get("custom_obj_values") or program["graph_module"].get("treespec_namedtuple_fields"):
        raise _more(path, "objects of other classes")
    _check_values(path, program)
    return program


def _check_values(path: Path, value: Any) -> None:
    """Sizes are evaluated as Python, and structures name classes."""
    for key, text in _texts(value):
        if key == "expr_str" and not _SIZE.fullmatch(text):
            raise _more(path, f"the size {text[:80]!r}")
        if key in ("in_spec", "out_spec") and (_SPEC_TYPE.search(text) or "__" in text):
            raise _more(path, f"the structure {text[:80]!r}")
        if key == "as_graph":
            raise _more(path, "a graph within the graph")


def _texts(value: Any) -> Iterator[tuple[str, str]]:
    """Every text with the key that it stands under; every graph within the graph."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if isinstance(inner, str):
                yield key, inner
            elif key == "as_graph":
                yield key, ""
            else:
                yield from _texts(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _texts(inner)


def _more(path: Path, what: str) -> ModelError:
    return ModelError(
        f"{path}: the exported program has {what}, which is none of a network for pictures, or "
        f"which PyTorch would execute to read it; it was not loaded. {_TRUST}"
    )
