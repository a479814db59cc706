"""Which delegate would take which operator of a model, found before it runs.

A ModelFile enters; one forecast for each delegate leaves, with the pieces that the graph falls
into, and what stays on the CPU and why. A forecast follows published rules, named in `source`;
what a run reports (`DelegateReport`) is the truth.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from ..bundle import ModelFile
from . import edge_tpu, gpu, nnapi, xnnpack
from .nodes import Node, Rule, nodes_of

Verdicts = Mapping[int, str | None]

_AFTER = "supported, but after operators that stay on the CPU: the Edge TPU takes only one piece"
_SMALLER = "supported, but not in the largest piece, the only one that this delegate takes"


@dataclass(frozen=True, kw_only=True)
class Left:
    """Operators of one kind that stay on the CPU for one reason."""

    operator: str
    count: int
    reason: str


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What one delegate would take.

    taken: the operators' places in the order of execution. pieces: into how many runs of
    operators the delegate's part falls; between two of them values go back to the CPU. levels:
    NNAPI's API levels, empty for others. source: where the rules come from.
    """

    delegate: str
    taken: frozenset[int]
    total: int
    pieces: int
    left: tuple[Left, ...]
    source: str
    levels: tuple[int, ...] = ()
    note: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "delegate": self.delegate,
            **({"api_levels": list(self.levels)} if self.levels else {}),
            "nodes_delegated": len(self.taken),
            "nodes_total": self.total,
            "pieces": self.pieces,
            "left_behind": [
                {"operator": x.operator, "count": x.count, "reason": x.reason} for x in self.left
            ],
            "source": self.source,
            **({"note": self.note} if self.note else {}),
        }


def forecasts(model: ModelFile) -> tuple[Forecast, ...]:
    """One for each delegate, NNAPI's API levels together where they agree."""
    nodes = nodes_of(model)
    return (
        _forecast("XNNPACK", nodes, _verdicts(nodes, xnnpack.reason, leaves=any), xnnpack.SOURCE),
        _forecast("GPU (LiteRT)", nodes, _verdicts(nodes, gpu.accelerator), gpu.SOURCE),
        _largest_piece(nodes),
        *_nnapi(nodes),
        _edge_tpu(nodes),
    )


# One pass over the operators, whose order decides.
def pieces(nodes: Sequence[Node], taken: frozenset[int]) -> list[list[int]]:  # noqa: C901
    """The runs of operators that a delegate's part of the graph falls into.

    As TFLite cuts it (graph_info.cc): one side runs on until nothing more of it is ready, then
    the other. Operators whose inputs never come are in no piece.
    """
    makers = {t.index for node in nodes for t in node.outputs}
    waiting: dict[int, set[int]] = {}
    readers: dict[int, list[int]] = {}
    ready: dict[bool, list[int]] = {True: [], False: []}
    for node in nodes:
        needs = {t.index for t in node.given} & makers
        waiting[node.index] = needs
        for index in needs:
            readers.setdefault(index, []).append(node.index)
        if not needs:
            heapq.heappush(ready[node.index in taken], node.index)
    found: list[list[int]] = []
    while ready[True] or ready[False]:
        side = not ready[False] or bool(ready[True] and ready[True][0] < ready[False][0])
        piece = []
        while ready[side]:
            index = heapq.heappop(ready[side])
            piece.append(index)
            for tensor in nodes[index].outputs:
                for reader in readers.get(tensor.index, ()):
                    if tensor.index in waiting[reader]:
                        waiting[reader].discard(tensor.index)
                        if not waiting[reader]:
                            heapq.heappush(ready[reader in taken], reader)
        if side:
            found.append(sorted(piece))
    return found


def _forecast(
    delegate: str,
    nodes: Sequence[Node],
    verdicts: Verdicts,
    source: str,
    *,
    levels: tuple[int, ...] = (),
    note: str = "",
) -> Forecast:
    taken = frozenset(i for i, reason in verdicts.items() if reason is None)
    counts = Counter((nodes[i].name, reason) for i, reason in verdicts.items() if reason)
    return Forecast(
        delegate=delegate,
        taken=taken,
        total=len(nodes),
        pieces=len(pieces(nodes, taken)),
        left=tuple(
            Left(operator=name, count=count, reason=reason)
            for (name, reason), count in counts.most_common()
        ),
        source=source,
        levels=levels,
        note=note,
    )


def _verdicts(
    nodes: Sequence[Node], rule: Rule, *, leaves: Callable[[Iterable[bool]], bool] = all
) -> dict[int, str | None]:
    """Each node's verdict. What unpacks weights stays where its readers stay: `all`, or `any`."""
    verdicts = {node.index: rule(node) for node in nodes}
    readers: dict[int, list[int]] = {}
    for node in nodes:
        for tensor in node.given:
            readers.setdefault(tensor.index, []).append(node.index)
    for node in reversed(nodes):
        there = [r for t in node.outputs for r in readers.get(t.index, ())]
        staying = [r for r in there if verdicts[r] is not None]
        if not node.unpacks or verdicts[node.index] is not None or not staying:
            continue
        if leaves(verdicts[r] is not None for r in there):
            name = nodes[staying[0]].name
            verdicts[node.index] = f"unpacks weights for {name}, which stays on the CPU"
    return verdicts


def _largest_piece(nodes: Sequence[Node]) -> Forecast:
    verdicts = _verdicts(nodes, gpu.classic)
    taken = frozenset(i for i, reason in verdicts.items() if reason is None)
    runs = sorted(pieces(nodes, taken), key=len, reverse=True)
    for run in runs[1:]:
        verdicts.update(dict.fromkeys(run, _SMALLER))
    return _forecast("GPU (TFLite)", nodes, verdicts, gpu.SOURCE)


def _nnapi(nodes: Sequence[Node]) -> list[Forecast]:
    found: list[tuple[Verdicts, list[int]]] = []
    for level in nnapi.LEVELS:
        verdicts = _verdicts(nodes, partial(nnapi.reason, level=level))
        if found and found[-1][0] == verdicts:
            found[-1][1].append(level)
        else:
            found.append((verdicts, [level]))
    return [
        _forecast(
            "NNAPI",
            nodes,
            verdicts,
            nnapi.SOURCE,
            levels=tuple(levels),
            note="deprecated since Android 15" if levels[-1] >= nnapi.DEPRECATED else "",
        )
        for verdicts, levels in found
    ]


def _edge_tpu(nodes: Sequence[Node]) -> Forecast:
    verdicts: dict[int, str | None] = {}
    stays: set[int] = set()
    for node in nodes:
        reason = edge_tpu.reason(node)
        if reason is None and any(t.index in stays for t in node.given):
            reason = _AFTER
        verdicts[node.index] = reason
        if reason is not None:
            stays.update(t.index for t in node.outputs)
    return _forecast(
        "Edge TPU", nodes, verdicts, edge_tpu.SOURCE, note="compile with edgetpu_compiler"
    )
