"""What was delegated, as the tool told it: whether the delegate that was asked for did the work.

Both tools fall back to the CPU without a word in their results. Their logs tell: `Replacing N out
of M node(s) with delegate (NAME)` of the runtime, and the classic tool's own `Explicitly applied
... delegate` (lite/tools/benchmark/benchmark_tflite_model.cc).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ...errors import GateError
from ...harmless import one_line
from ...native_stderr import complaints

_REPLACING = re.compile(
    r"Replacing (?P<nodes>\d+)(?: out of (?P<total>\d+))? node\(s\) with delegate "
    r"\((?P<name>[^)\n]*)\) node, yielding \d+ partitions"
)
# All that tools of 2020 tell.
_APPLIED = re.compile(
    r"pplied (?P<name>\S+)(?: delegate)?, and the model graph will be completely executed"
)
_PARTLY = re.compile(r"pplied (?!XNNPACK)\S+(?: delegate)?, .* will be partially executed")
_NOT_EXECUTED = re.compile(
    r"Though (?P<name>\S+)(?: delegate)? is (?:explicitly )?applied, the model graph will not be"
)
# The classic tool's list of what the GPU does not take: "SOFTMAX: reason" a line each.
_UNSUPPORTED = re.compile(
    r"Following operations are not supported by GPU delegate:\n(?P<list>(?:[A-Z0-9_]+: .*\n?)+)"
)
_UNKNOWN_FLAGS = re.compile(r"Unconsumed cmdline flags:(?P<flags>.*)")
_ON_CPU = ("XNNPack", "YNNPack")
_APIS = (("LITERT_CL", "OpenCL"), ("LITERT_GL", "OpenGL"), ("WEBGPU", "WebGPU"))
_INITIALIZED = re.compile(r"Initialized (OpenCL|OpenGL|WebGPU|Vulkan)-based API")
_REASONS = re.compile(
    r"delegate|accelerat|NNAPI|GPU|OpenCL|OpenGL|not supported|unsupported|fallback|[Ff]ailed"
)
_LONGEST = 500


@dataclass(frozen=True, kw_only=True)
class Part:
    """Nodes that one delegate took. total: of the graph that it saw, None where it is not told.

    whole: the tool tells no numbers, but that it took all.
    """

    name: str
    nodes: int
    total: int | None
    whole: bool = False


def parts(text: str) -> list[Part]:
    """What each delegate took, in order; the subgraphs of one delegate together."""
    found: dict[str, Part] = {}
    for match in _REPLACING.finditer(text):
        name = one_line(match["name"], 60)
        nodes, total = int(match["nodes"]), match["total"]
        before = found.get(name, Part(name=name, nodes=0, total=0))
        both = None if total is None or before.total is None else before.total + int(total)
        found[name] = Part(name=name, nodes=before.nodes + nodes, total=both)
    return list(found.values())


def on_cpu(part: Part) -> bool:
    """Whether a delegate is the CPU's own kernels."""
    return any(name.lower() in part.name.lower() for name in _ON_CPU)


def require(delegate: str, text: str, model: str) -> Part:
    """The part that the delegate took. Raises GateError with the tool's reason for none."""
    taken = [p for p in parts(text) if not on_cpu(p) and p.nodes]
    if not _NOT_EXECUTED.search(text):
        if taken:
            return taken[0]
        for match in _APPLIED.finditer(text):
            part = Part(name=one_line(match["name"], 60), nodes=0, total=None, whole=True)
            if not on_cpu(part):
                return part
    raise refusal(delegate, text, model)


def refusal(delegate: str, text: str, model: str) -> GateError:
    """That the delegate did not run, and why as the tool said it."""
    return GateError(
        f"{model}: --delegate {delegate} did not run on the phone: {reason(text)}. Use --delegate "
        "cpu, or auto to fall back"
    )


def reason(text: str) -> str:
    """Why, in the tool's own words."""
    flags = unknown_flags(text)
    if flags:
        return f"this benchmark_model does not know {flags}"
    if match := _NOT_EXECUTED.search(text):
        said = one_line(text[match.start() :].split("\n", 1)[0])
        return "; ".join([said, *_complaints(text, 1)])
    if _PARTLY.search(text):
        return "a part ran there; this benchmark_model does not tell how large: take a newer one"
    told = _complaints(text, 3)
    return one_line("; ".join(told), _LONGEST) if told else "no node was delegated"


def _complaints(text: str, most: int) -> list[str]:
    plain = re.sub(r"^WARN(?:ING)?: ", "", text, flags=re.MULTILINE)
    return [one_line(c) for c in complaints(plain, 1000) if _REASONS.search(c) and _bad(c)][:most]


def _bad(line: str) -> bool:
    """Complaints, not the log of what went well nor the echo of the flags."""
    good = r"^(?:Created|Initialized|Replacing|Loaded|Going to apply|STARTING)"
    return not re.match(good, line) and not re.search(r": \[[^\]]*\]|=\S*\.tflite", line)


def unknown_flags(text: str) -> str:
    """Flags that the tool did not understand and so did not obey."""
    return ", ".join(one_line(m["flags"]) for m in _UNKNOWN_FLAGS.finditer(text)).strip()


def api(part: Part, text: str) -> str:
    """By what the GPU was driven, where it is told; else the delegate's name."""
    if match := _INITIALIZED.search(text):
        return match[1]
    known = [api for sign, api in _APIS if sign in part.name.upper()]
    return known[0] if known else part.name


def left_behind(text: str) -> tuple[str, ...]:
    """Operators that the GPU did not take, where the tool names them."""
    lists = (match["list"].splitlines() for match in _UNSUPPORTED.finditer(text))
    return tuple(dict.fromkeys(line.split(":", 1)[0] for lines in lists for line in lines))
