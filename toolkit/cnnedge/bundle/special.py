"""Files that an ordinary interpreter cannot run, by the operators of others in them.

A graph enters; a line for each kind of such operators leaves, that says whose they are and what
runs them.
"""

from __future__ import annotations

from .graph import Graph

_CUSTOM = "CUSTOM "
# By the custom operator's name. Each is written by a compiler for one maker's processor.
_COMPILED = {
    "edgetpu-custom-op": (
        "compiled for Google's Edge TPU: libedgetpu runs it (--delegate libedgetpu.so.1 on a "
        "machine with a Coral device); elsewhere, use the file that was given to edgetpu_compiler"
    ),
    "ethos-u": (
        "compiled by Vela for Arm's Ethos-U: its delegate library runs it on such a board "
        "(--delegate libethosu_delegate.so), or TensorFlow Lite Micro; elsewhere, use the file "
        "that was given to vela"
    ),
    "NeutronGraph": (
        "compiled for NXP's eIQ Neutron: its delegate library runs it on such a board (--delegate "
        "libneutron_delegate.so); elsewhere, use the file that was given to neutron-converter"
    ),
    "DISPATCH_OP": (
        "compiled for an NPU by its maker's LiteRT compiler plugin: it runs only on that maker's "
        "processor; elsewhere, use the file that was given to the compiler"
    ),
}


def special_needs(graph: Graph) -> list[str]:
    """What the file may need besides an interpreter; empty if its operators are all builtin."""
    names = [
        op.name.removeprefix(_CUSTOM)
        for subgraph in graph.subgraphs
        for op in subgraph.operators
        if op.name.startswith(_CUSTOM)
    ]
    names = list(dict.fromkeys(names))
    found = [text for name, text in _COMPILED.items() if name in names]
    flex = [name for name in names if name.startswith("Flex")]
    if flex:
        found.append(
            f"TensorFlow's own operators ({', '.join(n.removeprefix('Flex') for n in flex)}): only "
            "the Flex delegate of the tensorflow package runs them, not LiteRT; convert the model "
            "with only builtin operators (without SELECT_TF_OPS)"
        )
    others = [name for name in names if name not in _COMPILED and name not in flex]
    if others:
        found.append(
            f"custom operators ({', '.join(_plain(n) for n in others)}): only the program that the "
            "model was made for can run them, unless the runtime includes them"
        )
    return found


def _plain(name: str) -> str:
    return "".join(c if c.isprintable() else "�" for c in name)
