"""One variant of a model: what is done to it, in order, and the format it is written in.

A word, a name or a list of words from a recipe enters; a Variant leaves. The name is also the
name of the file: `[channels: 0.5, distil, qat]` is `channels50-distil-qat`.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, ClassVar, Literal, get_args

import yaml

from ..errors import one_line
from .composing import SHOWN, compose_value, describe
from .limits import Range, closest
from .strict import build, pairs, problem

_LONGEST_NAME = 200
Format = Literal[
    "float32",
    "float16",
    "dynamic",
    "int8",
    "int8-float-io",
    "int16x8",
    "int4",
    "selective",
]
FORMATS: tuple[Format, ...] = get_args(Format)
Pattern = Literal["unstructured", "2:4", "xnnpack"]


@dataclass(frozen=True, kw_only=True)
class Channels:
    """Physical removal of channels: by one target.

    ratio: the fraction of channels that leaves. macs, latency: the fraction of the parent's
    multiply-accumulates, or of its measured latency, that remains at most.
    """

    word: ClassVar[str] = "channels"
    main: ClassVar[str] = "ratio"

    ratio: Annotated[float | None, Range(0.01, 0.95)] = None
    macs: Annotated[float | None, Range(0.01, 0.99)] = None
    latency: Annotated[float | None, Range(0.01, 0.99)] = None

    def check(self) -> str | None:
        given = [n for n in ("ratio", "macs", "latency") if getattr(self, n) is not None]
        if len(given) > 1:
            return f"{' and '.join(given)} are given; name only one target"
        return None

    @property
    def target(self) -> tuple[str, float]:
        """What is aimed at, and its value; half of the channels if nothing is said."""
        for name in ("macs", "latency"):
            value = getattr(self, name)
            if value is not None:
                return name, value
        return "ratio", 0.5 if self.ratio is None else self.ratio

    @property
    def name(self) -> str:
        kind, value = self.target
        return f"channels{_percent(value)}{'' if kind == 'ratio' else kind}"


@dataclass(frozen=True, kw_only=True)
class Prune:
    """Weights of least magnitude set to zero, to `sparsity`.

    pattern: unstructured; 2:4, two of each four neighbours (sparsity 0.5); xnnpack, only the
    layers that XNNPACK's sparse kernels run.
    """

    word: ClassVar[str] = "prune"
    main: ClassVar[str] = "sparsity"

    sparsity: Annotated[float | None, Range(0.05, 0.99)] = None
    pattern: Pattern = "unstructured"

    def check(self) -> str | None:
        if self.pattern == "2:4" and self.sparsity not in (None, 0.5):
            return f"sparsity is {self.sparsity:g}; the pattern 2:4 means 0.5, two of four"
        return None

    @property
    def amount(self) -> float:
        """The fraction of zeros to reach."""
        if self.pattern == "2:4":
            return 0.5
        return 0.8 if self.sparsity is None else self.sparsity

    @property
    def name(self) -> str:
        if self.pattern == "2:4":
            return "prune2of4"
        return f"prune{_percent(self.amount)}{'xnnpack' if self.pattern == 'xnnpack' else ''}"


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """The weights of each layer share `clusters` values: the file compresses."""

    word: ClassVar[str] = "cluster"
    main: ClassVar[str] = "clusters"

    clusters: Annotated[int, Range(2, 256)] = 16

    @property
    def name(self) -> str:
        return f"cluster{self.clusters}"


@dataclass(frozen=True, kw_only=True)
class Distil:
    """Training on a teacher's answers as well as the labels, from here to the variant's end.

    student: a model (a name, or a path to its YAML) that is trained from the beginning; the run's
    own model continues if none is named. teacher: the folder of another run; this one where none
    is named.
    """

    word: ClassVar[str] = "distil"
    main: ClassVar[str] = "student"

    student: str | None = None
    teacher: str | None = None

    @property
    def name(self) -> str:
        parts = [self.word]
        if self.student:
            parts.append(_safe(self.student))
        if self.teacher:
            parts.append("by_" + _safe(self.teacher))
        return "_".join(parts)


@dataclass(frozen=True, kw_only=True)
class Qat:
    """Quantisation-aware training: int8 is simulated while the weights are trained.

    After prune and cluster, zeros and centroids are kept.
    """

    word: ClassVar[str] = "qat"
    main: ClassVar[str] = ""

    @property
    def name(self) -> str:
        return self.word


Technique = Channels | Prune | Cluster | Distil | Qat
TECHNIQUES: Mapping[str, type[Any]] = {
    kind.word: kind for kind in (Channels, Prune, Cluster, Distil, Qat)
}
# What may come after what: zeros and centroids would not survive a later change of the network.
_RANK = {"channels": 1, "distil": 1, "prune": 2, "cluster": 3, "qat": 4}


@dataclass(frozen=True, kw_only=True)
class Variant:
    """techniques, in the order they are applied; then the format. sparse: zeros are not stored."""

    techniques: tuple[Technique, ...] = ()
    format: Format = "int8"
    sparse: bool = False

    @property
    def name(self) -> str:
        """Unique in a recipe, and the name of its file."""
        parts = [technique.name for technique in self.techniques]
        if self.sparse:
            parts.append("sparse")
        if self.format != "int8" or not parts:
            parts.append(self.format)
        return "-".join(parts)

    def has(self, word: str) -> bool:
        return any(technique.word == word for technique in self.techniques)

    def as_json(self) -> Any:
        """As it is written in YAML."""
        items = [_plain(technique) for technique in self.techniques]
        if self.sparse:
            items.append("sparse")
        if self.format != "int8" or not items:
            items.append(self.format)
        return items[0] if len(items) == 1 else items

    def check(self) -> str | None:
        """What cannot be combined, and why."""
        words = [technique.word for technique in self.techniques]
        twice = [w for w in dict.fromkeys(words) if words.count(w) > 1]
        if twice:
            return f"{twice[0]} is listed twice"
        return self._order(words) or self._format(words)

    def _order(self, words: list[str]) -> str | None:
        for technique in self.techniques[1:]:
            if isinstance(technique, Distil) and technique.student:
                return "distil with a student begins a new model: put it first"
        for first, second in itertools.pairwise(words):
            if _RANK[second] >= _RANK[first]:
                continue
            if second == "distil":
                return (
                    f"distil after {first} would undo its result; put distil first: the techniques "
                    "after it still learn from the teacher"
                )
            return f"{second} after {first} would undo it; write [{second}, {first}]"
        return None

    def _format(self, words: list[str]) -> str | None:
        if "qat" in words and self.format not in ("int8", "int8-float-io"):
            return f"qat trains for int8; {self.format} would discard what it learned"
        if self.sparse and "prune" not in words:
            return "sparse stores zeros in less space, and only prune creates zeros"
        if self.sparse and self.format not in ("float32", "float16"):
            return (
                f"sparse {self.format} has no kernels in LiteRT: such a file does not load or does "
                "not run. Use float32 or float16"
            )
        return None

    @classmethod
    def from_node(cls, node: yaml.Node, key: str) -> Variant:
        """Reads a word, a name or a list of them. Raises SpecError."""
        if isinstance(node, yaml.ScalarNode):
            words = _split(node, key)
        elif isinstance(node, yaml.SequenceNode):
            words = [_word(child, key) for child in node.value]
        else:
            words = [_word(node, key)]
        formats = [w for w in words if isinstance(w, str) and w != "sparse"]
        if len(formats) > 1:
            raise problem(
                node, key, f"found two formats, {' and '.join(formats)}; a file has only one"
            )
        techniques = tuple(w for w in words if not isinstance(w, str))
        form: Any = formats[0] if formats else "int8"
        variant = cls(techniques=techniques, format=form, sparse="sparse" in words)
        if not words:
            raise problem(node, key, "the list is empty; name a format or a technique")
        if complaint := variant.check():
            raise problem(node, key, complaint)
        return variant


def parse_variant(text: str, source: str) -> Variant:
    """A Variant from its name, or from what a recipe would say. Raises SpecError."""
    flow = text.strip()
    if ":" in flow and flow[:1] not in ("[", "{"):
        flow = f"{{{flow}}}"
    return Variant.from_node(compose_value(flow, source), "")


def _split(node: yaml.ScalarNode, key: str) -> list[Any]:
    """The words of a name such as channels50-distil-qat, int8-float-io or prune80-float16."""
    rest, words = node.value, []
    if len(rest) > _LONGEST_NAME:
        raise problem(node, key, f"{describe(node)} is too long for a variant's name")
    while rest:
        form = next((f for f in sorted(FORMATS, key=len, reverse=True) if _begins(rest, f)), None)
        word = form or rest.partition("-")[0]
        rest = rest[len(word) + 1 :]
        words.append(form or _named(word, node, key))
    return words


def _begins(text: str, word: str) -> bool:
    return text == word or text.startswith(word + "-")


def _named(word: str, node: yaml.Node, key: str) -> Any:
    """A technique from its word, with or without what its name adds."""
    if word == "sparse":
        return word
    if word in TECHNIQUES:
        return TECHNIQUES[word]()
    if word == "prune2of4":
        return Prune(pattern="2:4")
    if found := re.fullmatch(r"channels(\d{1,3})(macs|latency|)", word):
        return _numbered(Channels, {found[2] or "ratio": int(found[1]) / 100}, node, key)
    if found := re.fullmatch(r"prune(\d{1,3})(xnnpack|)", word):
        pattern = found[2] or "unstructured"
        return _numbered(Prune, {"sparsity": int(found[1]) / 100, "pattern": pattern}, node, key)
    if found := re.fullmatch(r"cluster(\d{1,9})", word):
        return _numbered(Cluster, {"clusters": int(found[1])}, node, key)
    if (found := re.fullmatch(r"distil_(\w+)", word)) and not found[1].startswith("by_"):
        return Distil(student=found[1])
    raise problem(node, key, _unknown(word))


def _numbered(kind: Any, values: Mapping[str, Any], node: yaml.Node, key: str) -> Any:
    """A technique whose numbers stand in its name: the same limits as in its long form."""
    long_form = _mapping([(n, _scalar(v, node)) for n, v in values.items()], node)
    return build(kind, long_form, f"{key}.{kind.word}" if key else kind.word)


def _mapping(items: Sequence[tuple[str, yaml.Node]], like: yaml.Node) -> yaml.MappingNode:
    """Keys and values that stand, for messages, where `like` does."""
    named = [(_scalar(name, like), value) for name, value in items]
    return yaml.MappingNode("tag:yaml.org,2002:map", named, like.start_mark, like.end_mark)


def _scalar(value: float | str, like: yaml.Node) -> yaml.ScalarNode:
    tag = f"tag:yaml.org,2002:{type(value).__name__}"
    return yaml.ScalarNode(tag, str(value), like.start_mark, like.end_mark)


def _word(node: yaml.Node, key: str) -> Any:
    if isinstance(node, yaml.ScalarNode):
        if node.value in FORMATS:
            return node.value
        return _named(node.value, node, key)
    if not isinstance(node, yaml.MappingNode) or len(node.value) != 1:
        raise problem(node, key, f"expected a word or 'technique: value', found {describe(node)}")
    name, value = pairs(node, key)[0]
    kind = TECHNIQUES.get(name.value)
    if kind is None:
        raise problem(name, key, _unknown(name.value))
    where = f"{key}.{name.value}" if key else name.value
    if isinstance(value, yaml.MappingNode) or not kind.main:
        return build(kind, value, where)
    if kind is Prune and isinstance(value, yaml.ScalarNode) and value.value == "2:4":
        return Prune(pattern="2:4")
    return build(kind, _mapping([(kind.main, value)], value), where)


def _unknown(word: str) -> str:
    allowed = [*FORMATS, *TECHNIQUES]
    return (
        f"'{one_line(word, SHOWN)}' is neither a format nor a technique.{closest(word, allowed)} "
        f"Formats: {', '.join(FORMATS)}. Techniques: {', '.join(TECHNIQUES)}"
    )


def _plain(technique: Technique) -> Any:
    given = {
        f.name: getattr(technique, f.name)
        for f in fields(technique)
        if getattr(technique, f.name) != f.default
    }
    if not given:
        return technique.word
    if list(given) == [technique.main]:
        return {technique.word: given[technique.main]}
    return {technique.word: given}


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.0f}"


def _safe(name: str) -> str:
    """A path or name as part of a file's name."""
    stem = re.split(r"[/\\]", name.rstrip("/\\"))[-1].removesuffix(".yaml")
    return re.sub(r"\W+", "_", stem) or "model"


def check_names(variants: tuple[Variant, ...]) -> str | None:
    """Two variants with one name would be one file."""
    counts = Counter(v.name for v in variants)
    name, count = max(counts.items(), key=lambda item: item[1], default=("", 0))
    return f"variants lists {name} twice" if count > 1 else None
